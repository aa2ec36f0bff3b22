"""Learning rates that change on the way: ``constant``, or steps such as {0: 5e-4, 100_000: 2e-4}.

A schedule is text of one form, "constant" or "0: 0.0005, 100000: 0.0002": from that update on, that rate.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glorot.errors import shown

CONSTANT = "constant"
MOST_STEPS, MOST_UPDATES, MOST_RATE = 1000, 10**12, 1e6


@dataclass(frozen=True)
class Schedule:
    """updates: at which the rate changes, ascending. rates: from each of them on."""

    updates: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()

    def rate(self, update: int, learning_rate: float) -> float:
        """The rate of the update that follows so many. learning_rate: before the first step."""
        steps = bisect_right(self.updates, update)
        return self.rates[steps - 1] if steps else learning_rate

    def next_after(self, update: int, end: int) -> int:
        """The next change after this update; the run's end where there is none before."""
        return min([*self.updates[bisect_right(self.updates, update) :][:1], end])


def schedule(text: str) -> Schedule:
    """The schedule of a canonical text."""
    steps = [] if text == CONSTANT else [part.split(": ") for part in text.split(", ")]
    return Schedule(tuple(int(update) for update, _ in steps), tuple(float(rate) for _, rate in steps))


def canonical(value: Any) -> str:
    """The text of a schedule: from "constant", such a text, or {update: rate}. Raises ValueError."""
    if value == CONSTANT:
        return CONSTANT
    if isinstance(value, str) and ":" in value:
        value = dict(part.split(":", 1) for part in value.split(",") if ":" in part)
    if not isinstance(value, Mapping) or not 1 <= len(value) <= MOST_STEPS:
        raise ValueError(f"expected constant, or steps such as {{0: 5e-4, 100_000: 2e-4}}; found {shown(value)}")
    steps = sorted((_update(update), _rate(rate)) for update, rate in value.items())
    if len({update for update, _ in steps}) < len(steps):
        raise ValueError(f"expected each update once, found {shown(value)}")
    return ", ".join(f"{update}: {rate!r}" for update, rate in steps)


def fields_of(text: str) -> Any:
    """A canonical text as a sweep file has it."""
    one = schedule(text)
    return dict(zip(map(str, one.updates), one.rates, strict=True)) or CONSTANT


def _update(key: Any) -> int:
    digits = str(key).strip().replace("_", "")
    if digits.isascii() and digits.isdigit() and int(digits) <= MOST_UPDATES:
        return int(digits)
    raise ValueError(f"expected a number of updates from 0 to {MOST_UPDATES}, found {shown(key)}")


def _rate(value: Any) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = 0.0
    if type(value) is not bool and 0 < rate <= MOST_RATE:
        return rate
    raise ValueError(f"expected a learning rate above 0 and up to {MOST_RATE:g}, found {shown(value)}")
