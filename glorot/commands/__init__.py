"""One module for each command of `glorot`, or for a few that belong together; what they share is in ``shared``."""
