"""Runs that were better before than at the end: by the mean error of ROW evaluations in a row."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from glorot.reporting.significance import Z, below_chance

ROW = 5
POINTS = 5.0  # by how much the error is higher, and by Z standard errors


class Worsened(NamedTuple):
    """What became of a run. lowest, end: mean errors, in percent, at best and at the end. first, last: the updates of
    the first and the last evaluation of the best ones. overfits: whether the training loss went on falling."""

    seed: int
    lowest: float
    first: int
    last: int
    end: float
    overfits: bool


def worsened(
    seed: int, updates: Sequence[int], errors: Sequence[float], losses: Sequence[float], n: int, chance: float | None
) -> Worsened | None:
    """None of a run that is as good at the end as before, or never was better than chance, or cannot be judged.

    One number an evaluation: update, error in percent, training loss. n: how many examples the errors are of. chance:
    the error of always answering one class, where that is known.
    """
    count = len(errors) - ROW + 1
    if count <= ROW or not all(map(math.isfinite, errors)):
        return None
    means = [statistics.fmean(errors[i : i + ROW]) for i in range(count)]
    best = min(range(count), key=means.__getitem__)
    share, end = means[best] / 100, means[-1]
    noise = 100 * Z * math.sqrt(2 * share * (1 - share) / n)
    if end - means[best] < max(POINTS, noise):
        return None
    if chance is not None and not below_chance(means[best], n, chance, tries=count):
        return None
    overfits = statistics.fmean(losses[-ROW:]) < statistics.fmean(losses[best : best + ROW])
    return Worsened(seed, means[best], updates[best], updates[best + ROW - 1], end, overfits)
