"""The parts of `scripts/serve.py`. Packages are imported only when they are needed, after the options were read."""
