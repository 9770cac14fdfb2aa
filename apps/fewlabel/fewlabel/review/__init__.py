"""What a submitted label tells: how much had to be corrected, whether it looks wrong, when to stop."""
