"""FewLabel: label a few volumes, learn from those and from the whole unlabelled pool."""

__version__ = "0.2.0"
