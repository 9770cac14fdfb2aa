"""What `scripts/serve.py` is made of. Nothing here needs a package before it is used: the options are read first."""
