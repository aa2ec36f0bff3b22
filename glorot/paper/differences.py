"""Whether one method's test error is lower than another's: at the end, and not at that moment alone; and chance."""

import math
import statistics
from dataclasses import dataclass
from itertools import groupby

from glorot.datasets.catalogue import DATASETS
from glorot.paper.repeats import Repeats
from glorot.reporting.significance import (
    DEFAULT_TEST,
    MCNEMAR,
    MOST_EXAMPLES,
    ONE_SIDED,
    PROPORTIONS,
    SEED_TESTS,
    SIGNIFICANT,
    below_chance,
    compare,
    contrast,
    p_text,
)

LAST = 5  # evaluations: the error moves from one to the next by more than a test on the last one knows

CHANCE = {name: info.chance for name, info in DATASETS.items() if info.chance}  # % wrong: always one class

SHORT = {MCNEMAR: "McNemar", PROPORTIONS: "two proportions", SEED_TESTS["pooled"]: "Student"}


@dataclass(frozen=True)
class Difference:
    """Of two methods' test errors, in percent, means over seeds.

    p: two-sided p-value that there is none at the end. test: how it was found. late: the mean over the last evaluations
    of each, and how many these are. ahead, behind: at how many of them a was below b, and above.
    """

    a: float
    b: float
    p: float
    test: str
    late: tuple[float, float] = (math.nan, math.nan)
    evaluations: int = 0
    ahead: int = 0
    behind: int = 0

    @property
    def lower(self) -> bool:
        """Whether a is significantly lower at the end, and lower at each of the last evaluations."""
        return self.p < SIGNIFICANT and self.a < self.b and self.ahead == self.evaluations

    @property
    def higher(self) -> bool:
        return self.p < SIGNIFICANT and self.a > self.b and self.behind == self.evaluations

    def __str__(self) -> str:
        late = f"; mean of the last {self.evaluations}: {self.late[0]:.2f} against {self.late[1]:.2f}"
        return f"{self.a:.2f} % against {self.b:.2f} % ({p_text(self.p)}, {self.test})" + late * (self.evaluations > 1)


def difference(a: Repeats, b: Repeats) -> Difference:
    """By the test that a table would use."""
    test, p = compare(a.sample, b.sample) or ("no test", 1.0)
    curves = a.curve(), b.curve()
    moments = sorted(curves[0].keys() & curves[1].keys())[-LAST:]
    pairs = [(curves[0][moment], curves[1][moment]) for moment in moments]
    late = tuple(statistics.fmean(errors) for errors in zip(*pairs, strict=True)) if pairs else (math.nan, math.nan)
    seeds = f", {len(a.runs)} seeds" if len(a.runs) == len(b.runs) > 1 else ""
    return Difference(
        a.error, b.error, p, SHORT.get(test, test) + seeds, (late[0], late[1]), len(pairs),
        sum(one < other for one, other in pairs), sum(one > other for one, other in pairs),
    )  # fmt: skip


def variance(one: Repeats) -> float:
    """Of the mean test error, in squared points: over seeds where there are several, else of the test examples."""
    if len(one.runs) > 1:
        return statistics.variance(one.sample.values) / len(one.runs)
    rate = one.error / 100
    return 100**2 * rate * (1 - rate) / one.tested


def upper_limit(a: Repeats, b: Repeats) -> float:
    """The difference a - b of test errors, in points, is below this but for one case in 200 (99.5 %, one-sided).

    From the same numbers as the p-value: seeds, answers to the same examples, or proportions.
    """
    first, second = a.sample, b.sample
    if contrasted := contrast(first, second, DEFAULT_TEST):
        from scipy.special import stdtrit

        seen = contrasted[1]
        return float(seen.difference + stdtrit(seen.degrees, 1 - SIGNIFICANT) * math.sqrt(seen.variance))
    same = first.tested_on == second.tested_on and a.tested == b.tested
    if same and first.correct is not None and second.correct is not None:
        extra = (second.correct.astype(int) - first.correct.astype(int)) * 100.0  # wrong for a only, less b only
        return float(extra.mean()) + ONE_SIDED * float(extra.std()) / math.sqrt(len(extra))
    return a.error - b.error + ONE_SIDED * math.sqrt(variance(a) + variance(b))


# Chance. -------------------------------------------------------------------------------------------


def learned(one: Repeats) -> bool:
    """Whether the test error is below chance."""
    return below_chance(one.error, one.tested, CHANCE[one["dataset"]])


def left_chance(one: Repeats) -> int | None:
    """The first evaluation from which on the validation error is below chance; None where it is not at the end."""
    away = away_from_chance(one)
    return away[-1][0] if away and away[-1][1] is None else None


def away_from_chance(one: Repeats) -> list[tuple[int, int | None]]:
    """When the validation error was below chance: from which update on, and at which it was at chance again; None
    where it was not. A stretch of fewer than LAST evaluations counts at the end only."""
    n = min(int(one["valid_examples"]), MOST_EXAMPLES)
    curve = one.curve("valid_error")
    stretches = []
    for below, stretch in groupby(curve, lambda update: below_chance(curve[update], n, CHANCE[one["dataset"]])):
        updates = list(stretch)
        after = next((update for update in curve if update > updates[-1]), None)
        if below and (len(updates) >= LAST or after is None):
            stretches.append((updates[0], after))
    return stretches
