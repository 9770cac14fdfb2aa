"""Checks of what people see: the map of uncertainty, the label check, the features."""
