"""The format of a sweep, from text to runs."""
