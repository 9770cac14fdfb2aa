"""What the published model says of every scan, stored once and used by whoever needs it."""
