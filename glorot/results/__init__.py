"""Stored results: their columns, the files of one sweep, the runs of several."""
