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


def two_proportions(k_1: float, n_1: int, k_2: float, n_2: int) -> float:
    """Two-sided p-value of the z-test (pooled variance) that k_1 of n_1 and k_2 of n_2 have one rate behind them."""
    pooled = (k_1 + k_2) / (n_1 + n_2)
    variance = pooled * (1 - pooled) * (1 / n_1 + 1 / n_2)
    if variance <= 0:  # all right, or all wrong
        return 1.0
    return math.erfc(abs(k_1 / n_1 - k_2 / n_2) / math.sqrt(2 * variance))
