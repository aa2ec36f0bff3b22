"""Errors a user can cause. Each message says what was expected, what was found and what to do.

The library raises them, only ``cli`` prints them (exit code 2).
"""


class GlorotError(Exception):
    """Base of every error that is the user's to mend."""


class SweepError(GlorotError):
    """A sweep file, or a setting given on the command line, is not valid."""


class DataError(GlorotError):
    """A data set is missing, incomplete, or not what it claims to be."""


class DeviceError(GlorotError):
    """The requested device cannot be used."""


class ResultsError(GlorotError):
    """Stored results are missing, unreadable, or cannot be written."""
