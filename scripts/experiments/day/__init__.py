"""A played day of labelling: train while they draw, against wait for a training after each label."""
