"""How quick, how large: the server, the training step, the panel."""
