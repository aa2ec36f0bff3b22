"""Is the difference between two results more than chance? Pure functions; every p-value is two-sided.

Which test, and why (``compare``):

- One run against one, on the same test examples: McNemar's exact test on the examples that one network got right and
  the other wrong. It uses that the examples are the same, and so sees smaller differences than the next one.
- Several seeds on both sides: Welch's t-test over the seeds. What is asked then is whether the *methods* differ, and
  a method's error varies from seed to seed by more than the test examples explain; to pool the seeds' examples would
  call that variation significant. Its price is power: with three seeds little is told apart, and more is bold.
- Otherwise the two-proportion z-test on the test examples. The mean of several seeds counts as one proportion of as
  many examples as one run was tested on: more seeds are not more examples.
- Losses have no test examples to count, so they take several seeds.

Nothing is corrected for the number of comparisons, as in the paper.
"""

import math
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SIGNIFICANT = 0.005  # the paper's
MOST_EXAMPLES = 10_000  # in the test and validation sets of what is published; who asks for more gets these

MCNEMAR = "McNemar's exact test on the same test examples"
PROPORTIONS = "a two-proportion test"
WELCH = "Welch's t-test over seeds"


def mcnemar_exact(correct_a: "np.ndarray", correct_b: "np.ndarray") -> float:
    """p-value that two networks are wrong equally often. correct_a, correct_b: (n,) bool, of the same examples.

    Examples that both got right, or wrong, say nothing; of the others each is as likely to be the one's as the other's.
    """
    import numpy as np
    from scipy.special import bdtr  # scipy.stats would take a second to import

    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape:
        raise ValueError(f"expected results on the same examples, found {a.size} and {b.size}")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def two_proportions(k_1: float, n_1: int, k_2: float, n_2: int) -> float:
    """p-value of the z-test (pooled variance) that k_1 of n_1 and k_2 of n_2 have one rate behind them."""
    pooled = (k_1 + k_2) / (n_1 + n_2)
    variance = pooled * (1 - pooled) * (1 / n_1 + 1 / n_2)
    if variance <= 0:  # all right, or all wrong
        return 1.0
    return math.erfc(abs(k_1 / n_1 - k_2 / n_2) / math.sqrt(2 * variance))


def welch(first: Sequence[float], second: Sequence[float]) -> float:
    """p-value of Welch's t-test that both have one mean. At least two numbers each."""
    from scipy.special import stdtr

    difference = statistics.fmean(first) - statistics.fmean(second)
    a, b = (statistics.variance(values) / len(values) for values in (first, second))
    if a + b == 0:  # no variance at all
        return float(difference == 0)
    degrees = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    return 2 * float(stdtr(degrees, -abs(difference) / math.sqrt(a + b)))


# Which test. ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """A cell's finished runs, as a test sees them.

    values: one a run (seed); errors in percent. examples: how many each was tested on; None if that is not known, or
    if values are losses. tested_on: which examples these are. correct: (examples,) bool, of a single run.
    """

    values: Sequence[float]
    examples: int | None = None
    tested_on: Hashable = None
    correct: "np.ndarray | None" = None

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)


def compare(a: Sample, b: Sample) -> tuple[str, float] | None:
    """The test that suits, and its p-value; None where there is none."""
    if len(a.values) > 1 and len(b.values) > 1:
        return WELCH, welch(a.values, b.values)
    if not a.examples or not b.examples:
        return None
    if (
        len(a.values) == len(b.values) == 1
        and a.tested_on == b.tested_on
        and a.correct is not None
        and b.correct is not None
        and len(a.correct) == len(b.correct)
    ):
        return MCNEMAR, mcnemar_exact(a.correct, b.correct)
    wrong_a, wrong_b = a.mean * a.examples / 100, b.mean * b.examples / 100
    return PROPORTIONS, two_proportions(wrong_a, a.examples, wrong_b, b.examples)


@dataclass(frozen=True)
class Mark:
    """best: the lowest of its column, or not told from it. p, test: of the comparison with the lowest, if there was."""

    best: bool = False
    p: float | None = None
    test: str = ""


def marks(column: Sequence[Sample | None]) -> list[Mark]:
    """Which of a column's cells are best. None: a cell without a result that can be compared.

    None at all is marked where nothing could be compared: a lone cell is no one's better.
    """
    means = {i: sample.mean for i, sample in enumerate(column) if sample and math.isfinite(sample.mean)}
    lowest = min(means, key=means.__getitem__, default=None)
    best = column[lowest] if lowest is not None else None
    found = [Mark()] * len(column)
    for i in means:
        sample = column[i]
        if i != lowest and sample and best and (comparison := compare(sample, best)):
            test, p = comparison
            found[i] = Mark(p >= SIGNIFICANT, p, test)
    if lowest is not None and any(mark.test for mark in found):
        found[lowest] = Mark(True)
    return found
