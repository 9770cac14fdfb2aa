"""Predictions of every scan, stored once and shared by training, scoring and viewers."""
