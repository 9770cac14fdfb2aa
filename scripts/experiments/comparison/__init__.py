"""Compare methods on data with reference labels: the same cases, crops and budget for each of them."""
