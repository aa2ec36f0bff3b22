"""Results and speed against a committed baseline, for CI."""
