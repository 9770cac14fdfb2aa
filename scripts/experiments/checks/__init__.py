"""Is what people are told true: the map of uncertainty, the label check, the features."""
