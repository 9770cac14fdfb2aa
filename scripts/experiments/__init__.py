"""What experiment.py measures, one package each."""
