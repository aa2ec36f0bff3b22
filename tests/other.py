"""Another value of any field of a run, for the tests that hold of every field, now or later."""

from pydantic import ValidationError

from glorot.sweeps.fields import ABOUT
from glorot.sweeps.settings import Settings

VALUES = (
    20,
    7,
    0.5,
    "cifar10",
    "unit",
    "standardized",
    [20, 20],
    {"every": 5},
    {5: 0.01},
    "deskew",
    {"shift": 1},
    {"denoising": {"loss": "squared_error"}},
)  # tried in turn


def another(field, base):
    """A value that a run with these fields does not have, as a sweep file has it, and the Settings with it."""
    before = getattr(Settings(**base), field)
    for value in [*reversed([*(ABOUT[field].choices or [])]), *VALUES]:
        try:
            changed = Settings(**{**base, field: value})
        except (ValidationError, ValueError):
            continue
        if getattr(changed, field) != before:
            return value, changed
    raise AssertionError(f"no value for {field}: add one to VALUES")
