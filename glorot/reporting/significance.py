"""Is the difference between two results more than chance? Pure functions; every p-value is two-sided.

Which test, and why (``compare``):

- One run against one, on the same test examples: McNemar's exact test on the examples that one network got right and
  the other wrong. It uses that the examples are the same, and so sees smaller differences than the next one. It doubts
  the examples alone: not the moment at which training ended (``moves``), nor the seed.
- Several seeds on both sides: a t-test over the seeds, one of SEED_TESTS. What is asked then is whether the *methods*
  differ, and a method's error varies from seed to seed by more than the test examples explain; to pool the seeds'
  examples would call that variation significant. docs/significance.md has each test's false alarms and power.
- Otherwise the two-proportion z-test on the test examples. The mean of several seeds counts as one proportion of as
  many examples as one run was tested on: more seeds are not more examples.
- Losses have no test examples to count, so they take several seeds.

Nothing is corrected for the number of comparisons, as in the paper.
"""

import itertools
import math
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from glorot.sweeps.sweep import DEFAULT_TEST

if TYPE_CHECKING:
    import numpy as np

SIGNIFICANT = 0.005  # the paper's
ONE_SIDED, Z = 2.576, 2.807  # standard errors: p = 0.005 on one side, and on both
MOST_EXAMPLES = 10_000  # in the test and validation sets of what is published; who asks for more gets these
LAST = 10  # evaluations of which `moves` is taken

MCNEMAR = "McNemar's exact test on the same test examples"
PROPORTIONS = "a two-proportion test"
WELCH = "Welch's t-test over seeds"
SEED_TESTS = {  # the keys are config.TESTS
    "pooled": "Student's t-test over seeds",
    "welch": WELCH,
    "paired": "a t-test paired by seed",
    "blocks": "a t-test with seeds as blocks",
}


def p_text(p: float, digits: int = 1) -> str:
    """ "p = 0.02", "p < 1e-06". A significant one that would round to SIGNIFICANT gets more digits."""
    if p < 1e-6:
        return "p < 1e-06"
    while p < SIGNIFICANT <= float(f"{p:.{digits}g}"):
        digits += 1
    return f"p = {p:.{digits}g}"


def below_chance(error: float, n: int, chance: float, tries: int = 1) -> bool:
    """Whether an error (%) on n examples is significantly less than always answering one class gives (one-sided).

    chance: that error, in percent. tries: of how many errors it is the lowest (Bonferroni).
    """
    share = chance / 100
    if not 0 < share < 1:  # all examples are of one class, so that chance itself has no spread
        return error < chance
    least = ONE_SIDED if tries == 1 else statistics.NormalDist().inv_cdf(1 - SIGNIFICANT / tries)
    return (share - error / 100) / (share * (1 - share) / n) ** 0.5 > least


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
    if not (0 <= k_1 <= n_1 and 0 <= k_2 <= n_2 and n_1 > 0 and n_2 > 0):  # nor NaN, which would be no difference
        raise ValueError(f"expected counts of one or more examples, found {k_1} of {n_1} and {k_2} of {n_2}")
    rate = (k_1 + k_2) / (n_1 + n_2)
    variance = rate * (1 - rate) * (1 / n_1 + 1 / n_2)
    if variance <= 0:  # all right, or all wrong
        return 1.0
    return math.erfc(abs(k_1 / n_1 - k_2 / n_2) / math.sqrt(2 * variance))


# Tests over seeds. Values: (..., seeds), a test for each of what stands before; at least two seeds, finite. -----------


class Contrast(NamedTuple):
    """The difference of two means, the variance of that difference, and the degrees of freedom it was estimated with.

    Each is a float or an array.
    """

    difference: Any
    variance: Any
    degrees: Any

    @property
    def p(self) -> Any:
        """Two-sided p-value that there is no difference. Without any variance: 1 where there is none, else 0."""
        import numpy as np
        from scipy.special import stdtr  # scipy.stats would take a second to import

        size = np.sqrt(np.where(self.variance > 0, self.variance, 1))
        tested = 2 * stdtr(self.degrees, -abs(self.difference) / size)
        return np.where(self.variance > 0, tested, np.equal(self.difference, 0))[()]

    @property
    def least(self) -> Any:
        """The smallest difference that would be significant."""
        import numpy as np
        from scipy.special import stdtrit

        return stdtrit(self.degrees, 1 - SIGNIFICANT / 2) * np.sqrt(self.variance)


def welch(first: "np.typing.ArrayLike", second: "np.typing.ArrayLike") -> Contrast:
    """Each has a spread of its own, known from its own seeds alone."""
    (mean_1, variance_1, n_1), (mean_2, variance_2, n_2) = _moments(first), _moments(second)
    a, b = variance_1 / n_1, variance_2 / n_2
    share = a / (a + b + (a + b == 0))
    return Contrast(mean_1 - mean_2, a + b, 1 / (share**2 / (n_1 - 1) + (1 - share) ** 2 / (n_2 - 1)))


def pooled(first: "np.typing.ArrayLike", second: "np.typing.ArrayLike") -> Contrast:
    """Student's: both have one spread, known from the seeds of both."""
    (mean_1, variance_1, n_1), (mean_2, variance_2, n_2) = _moments(first), _moments(second)
    degrees = n_1 + n_2 - 2
    variance = ((n_1 - 1) * variance_1 + (n_2 - 1) * variance_2) / degrees
    return Contrast(mean_1 - mean_2, variance * (1 / n_1 + 1 / n_2), degrees)


def paired(first: "np.typing.ArrayLike", second: "np.typing.ArrayLike") -> Contrast:
    """The differences seed by seed, both in one order of seeds: what a seed does to both alike drops out."""
    import numpy as np

    mean, variance, n = _moments(np.subtract(first, second))
    return Contrast(mean, variance / n, n - 1)


def blocks(column: "np.typing.ArrayLike", first: int, second: int) -> Contrast:
    """Two of a column's cells: error = of the cell + of the seed + chance, whose spread is one in the whole column.

    column: (..., cells, seeds), all of the same seeds in one order: randomized blocks (Fisher 1935).
    """
    import numpy as np

    values = np.asarray(column, float)
    cells, n = values.shape[-2:]
    means = values.mean(axis=-1)
    chance = values - means[..., None] - values.mean(axis=-2, keepdims=True) + values.mean(axis=(-2, -1), keepdims=True)
    degrees = (cells - 1) * (n - 1)
    variance = np.square(_without_noise(chance, values, (-2, -1))).sum(axis=(-2, -1)) / degrees
    return Contrast(means[..., first] - means[..., second], variance * 2 / n, degrees)


def _moments(values: "np.typing.ArrayLike") -> tuple[Any, Any, int]:
    """Mean, variance (of n - 1) and n, along the last axis."""
    import numpy as np

    values = np.asarray(values, float)
    n = values.shape[-1]
    if n < 2 or not np.isfinite(values).all():  # a p-value of NaN would be taken for no difference
        raise ValueError(f"expected at least two finite numbers, found {values[..., :5].tolist()}")
    means = values.mean(axis=-1)
    deviations = _without_noise(values - means[..., None], values, -1)
    return means, np.square(deviations).sum(axis=-1) / (n - 1), n


def _without_noise(deviations: "np.ndarray", values: "np.ndarray", axis: Any) -> "np.ndarray":
    """0 where a mean's rounding is all there is: equal numbers have no spread."""
    import numpy as np

    return np.where(
        abs(deviations) > 8 * np.finfo(float).eps * abs(values).max(axis=axis, keepdims=True), deviations, 0
    )


def moves(curve: Sequence[float]) -> float | None:
    """By how much a value moves from one evaluation to the next: the standard deviation of the LAST ones about a line.

    curve: one number an evaluation, in order. From the differences of neighbours, so that a steady descent counts for
    nothing. None where there are fewer than three differences.
    """
    late = curve[-LAST:]
    steps = [after - before for before, after in itertools.pairwise(late)]
    return statistics.stdev(steps) / math.sqrt(2) if len(steps) > 2 and all(map(math.isfinite, steps)) else None


# Which test. ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """A cell's finished runs, as a test sees them.

    values: one a run (seed); errors in percent. examples: how many each was tested on; None if that is not known, or
    if values are losses. tested_on: which examples these are. correct: (examples,) bool, of a single run. seeds: of
    the runs; none if that is not known. moves: of a single run, as the function of that name says.
    """

    values: Sequence[float]
    examples: int | None = None
    tested_on: Hashable = None
    correct: "np.ndarray | None" = None
    seeds: Sequence[int] = ()
    moves: float | None = None

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    def has_seeds_of(self, other: "Sample") -> bool:
        return len(self.values) == len(other.values) > 1 and bool(self.seeds) and self.seeds == other.seeds


def compare(a: Sample, b: Sample, over_seeds: str = DEFAULT_TEST) -> tuple[str, float] | None:
    """The test that suits, and its p-value; None where there is none. over_seeds: a key of SEED_TESTS."""
    contrasted = contrast(a, b, over_seeds)
    if contrasted:
        return contrasted[0], float(contrasted[1].p)
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


def contrast(a: Sample, b: Sample, over_seeds: str, column: Sequence[Sample] = ()) -> tuple[str, Contrast] | None:
    """The test over seeds and what it sees; None where there are too few. column: all there is beside them.

    What needs the same seeds on both sides is Welch's test where they are not.
    """
    if len(a.values) < 2 or len(b.values) < 2:
        return None
    if over_seeds in ("paired", "blocks") and not a.has_seeds_of(b):
        over_seeds = "welch"
    if over_seeds == "blocks":
        alike = [a, b, *(one for one in column if one is not a and one is not b and one.has_seeds_of(a))]
        return SEED_TESTS[over_seeds], blocks([one.values for one in alike], 0, 1)
    test = {"welch": welch, "pooled": pooled, "paired": paired}[over_seeds]
    return SEED_TESTS[over_seeds], test(a.values, b.values)


def least_significant(column: Sequence[Sample], over_seeds: str) -> float | None:
    """The smallest significant difference of two cells whose spread is the column's mean one, by its fewest seeds.

    None where no two cells have several seeds.
    """
    several = [one for one in column if len(one.values) > 1]
    if len(several) < 2:
        return None
    n = min(len(one.values) for one in several)
    if over_seeds in ("paired", "blocks") and all(one.has_seeds_of(several[0]) for one in several):
        seen = blocks([one.values for one in several], 0, 1)
        return float(seen._replace(degrees=seen.degrees if over_seeds == "blocks" else n - 1).least)
    variances = [statistics.variance(one.values) for one in several for _ in one.values[1:]]
    return float(Contrast(0.0, statistics.fmean(variances) * 2 / n, 2 * (n - 1)).least)


@dataclass(frozen=True)
class Mark:
    """best: the lowest of its column, or not significantly different from it.

    p, test: of the comparison with the lowest, if there was. least: over seeds, the smallest difference that would
    have been significant.
    """

    best: bool = False
    p: float | None = None
    test: str = ""
    least: float | None = None


def marks(column: Sequence[Sample | None], over_seeds: str = DEFAULT_TEST) -> list[Mark]:
    """Which of a column's cells are best. None: a cell without a result that can be compared.

    None at all is marked where nothing could be compared: a lone cell is no one's better.
    """
    means = {i: sample.mean for i, sample in enumerate(column) if sample and math.isfinite(sample.mean)}
    there = [sample for i in means if (sample := column[i])]
    lowest = min(means, key=means.__getitem__, default=None)
    best = column[lowest] if lowest is not None else None
    found = [Mark()] * len(column)
    for i in means:
        if i == lowest or not best or not (sample := column[i]):
            continue
        if contrasted := contrast(sample, best, over_seeds, there):
            test, seen = contrasted
            found[i] = Mark(bool(seen.p >= SIGNIFICANT), float(seen.p), test, float(seen.least))
        elif comparison := compare(sample, best):
            test, p = comparison
            found[i] = Mark(p >= SIGNIFICANT, p, test)
    if lowest is not None and any(mark.test for mark in found):
        found[lowest] = Mark(True)
    return found
