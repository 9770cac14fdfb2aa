"""What went wrong in an experiment, for the person at the screen."""


class ExperimentError(Exception):
    """One sentence: what, where, and what to do."""
