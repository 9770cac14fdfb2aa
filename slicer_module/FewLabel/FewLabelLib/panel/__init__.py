"""The content of the panel as plain values and sentences; no widgets."""
