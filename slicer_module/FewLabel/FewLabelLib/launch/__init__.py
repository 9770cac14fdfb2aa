"""Starts FewLabel's server on this computer, in processes of its own; knows no Slicer and no Qt."""
