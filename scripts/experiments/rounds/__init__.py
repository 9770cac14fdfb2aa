"""Simulated annotation: which strategy and which method need the fewest labels."""
