"""Slicer's scene, segmentations, views and image files: the one room that knows Slicer."""
