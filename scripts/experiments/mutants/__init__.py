"""Planted faults: which test notices which mistake."""
