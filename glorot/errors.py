"""Errors a user can cause. Each message says what was expected, what was found and what to do.

The library raises them, only ``cli`` prints them (exit code 2). Messages share `shown` and `nearest`.
"""

import difflib
import json
from collections.abc import Iterable
from typing import Any


class GlorotError(Exception):
    """Base of every error that is the user's to mend."""


class SweepError(GlorotError):
    """A sweep file, or a setting given on the command line, is not valid."""


class PluginError(GlorotError):
    """A plug-in cannot be loaded, or is not what it claims to be."""


class DataError(GlorotError):
    """A data set is missing, incomplete, or not what it claims to be."""


class DeviceError(GlorotError):
    """The requested device cannot be used."""


class ClusterError(GlorotError):
    """A cluster cannot be reached or used, or is gone."""


class ResultsError(GlorotError):
    """Stored results are missing, unreadable, or cannot be written."""


def shown(value: Any) -> str:
    """A plain value as messages show it: one line, not too long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        text = "[" + ", ".join(shown(item) for item in value[:10]) + (", ...]" if len(value) > 10 else "]")
        return text if len(text) <= 80 else "a list"
    if isinstance(value, str):
        text = json.dumps(value[:60], ensure_ascii=not value.isprintable())
        return text if len(value) <= 60 else text + "..."
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if isinstance(value, float) or abs(value) < 10**30 else f"{float(value):g}"
    return type(value).__name__


def nearest(name: Any, names: Iterable[str]) -> str:
    """ "; did you mean NAME?" where one of the names is close, else nothing."""
    if not isinstance(name, str) or len(name) > 100:
        return ""
    by_lower = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""
