"""Labels of some scanners, a model for others: tasks, runs, tables."""
