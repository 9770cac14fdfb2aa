"""Benchmarks of the field, on folders that a reader has: converted once, then compared as any other data."""
