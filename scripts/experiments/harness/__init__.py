"""What several experiments share: a server on a free port, a played clinician, plain results."""
