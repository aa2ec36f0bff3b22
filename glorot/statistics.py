"""Whether two test errors differ by more than chance."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def mcnemar_exact(correct_a: "np.ndarray", correct_b: "np.ndarray") -> float:
    """Two-sided p-value that both classifiers are equally often wrong on the same examples (McNemar's exact test).

    correct_a, correct_b: (n,) bool, whether each example was classified correctly.
    """
    from scipy import stats

    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b).pvalue)


def two_proportion(wrong_a: int, n_a: int, wrong_b: int, n_b: int) -> float:
    """Two-sided p-value of the z-test (pooled variance) that wrong_a of n_a and wrong_b of n_b have one rate behind."""
    pooled = (wrong_a + wrong_b) / (n_a + n_b)
    variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b)
    if variance <= 0:  # all right, or all wrong
        return 1.0
    return math.erfc(abs(wrong_a / n_a - wrong_b / n_b) / math.sqrt(2 * variance))
