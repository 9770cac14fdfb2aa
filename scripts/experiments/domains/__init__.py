"""Domain adaptation and domain generalisation: labels of some scanners, a model for others."""
