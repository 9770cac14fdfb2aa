"""A server, its trainings and its exports, killed at random moments: what was acknowledged must be there afterwards."""
