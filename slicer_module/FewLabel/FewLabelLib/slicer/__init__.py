"""Slicer's scene, segmentations, views and image files: the only package that knows Slicer, besides the widgets."""
