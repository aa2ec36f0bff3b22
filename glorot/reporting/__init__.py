"""Tables of stored results, and which of their differences are more than chance."""
