"""Review of submitted labels: how much was corrected, whether a label looks wrong, when to stop."""
