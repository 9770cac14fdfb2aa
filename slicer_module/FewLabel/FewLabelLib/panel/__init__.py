"""What the panel shows, as plain values and sentences; no widgets."""
