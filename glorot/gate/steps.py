"""Where a curve of nightly numbers has steps.

The curve is taken for a constant between steps, with noise: of all ways to cut it, the one is chosen whose absolute
deviations from the medians of its parts, in units of the noise, and a penalty for each step are least together. That is
the L1 Potts functional (Storath, Weinmann & Unser, "Jump-penalized least absolute values estimation of scalar or
circle-valued signals", 2017), minimized exactly by optimal partitioning (Jackson et al., "An algorithm for optimal
partitioning of data on an interval", 2005).
"""

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

PENALTY = (
    3.0  # of a step, times log(n). With noise alone, 1 of 25 curves of 10 nights has a step, and 1 of 300 of 30 or more
)
MOST = 400  # newest numbers that are looked at
RESOLUTION = 1e-6  # of a number: noise is taken for no less, so that rounding is no step


@dataclass(frozen=True)
class Step:
    """index: of the first number after it. before, after: the medians of the parts on both sides."""

    index: int
    before: float
    after: float


def steps(values: Sequence[float]) -> list[Step]:
    """The steps of a curve, the oldest first. values: finite, in order of time; the newest MOST are looked at."""
    if not values:
        return []
    skipped = max(0, len(values) - MOST)
    values = values[skipped:]
    cuts = _cuts(values)
    parts = [statistics.median(values[start:end]) for start, end in zip(cuts, [*cuts[1:], len(values)], strict=True)]
    return [Step(skipped + cut, before, after) for cut, before, after in zip(cuts[1:], parts, parts[1:], strict=False)]


def noise(values: Sequence[float]) -> float:
    """A robust estimate of the mean absolute deviation without steps: from the median of differences of neighbours."""
    differences = [abs(b - a) for a, b in itertools.pairwise(values)]
    # Of Gaussian noise s: the median of |difference| is 0.954 s, and the mean absolute deviation 0.798 s.
    found = 0.798 / 0.954 * statistics.median(differences) if differences else 0.0
    return max(found, RESOLUTION * max(map(abs, values), default=1.0), 1e-300)


def _cuts(values: Sequence[float]) -> list[int]:
    """Where the parts of the best way to cut the curve begin; the first at 0."""
    n, scale = len(values), noise(values)
    penalty = PENALTY * math.log(max(n, 2))
    best, start_of = [-penalty] + [math.inf] * n, [0] * (n + 1)
    for end in range(1, n + 1):
        part = _Part()
        for start in range(end - 1, -1, -1):
            part.add(values[start])
            cost = best[start] + part.deviations / scale + penalty
            if cost < best[end]:
                best[end], start_of[end] = cost, start
    cuts, end = [], n
    while end:
        end = start_of[end]
        cuts.append(end)
    return cuts[::-1]


class _Part:
    """Some numbers, and the sum of their absolute deviations from their median, as they come one by one."""

    def __init__(self) -> None:
        self._sorted: list[float] = []
        self.deviations = 0.0

    def add(self, value: float) -> None:
        # The sum grows by the way from the new number to the nearest median of those before.
        n = len(self._sorted)
        if n:
            low, high = self._sorted[(n - 1) // 2], self._sorted[n // 2]
            self.deviations += max(low - value, value - high, 0.0)
        bisect.insort(self._sorted, value)
