"""Every random number is a function of (seed, purpose, index).

So any part of a run can be made in any order, on any number of threads, and again after a crash.
Nothing reads a global generator or the clock.
"""

import numpy as np

# Part of what a seed means: never renumber, only append.
PURPOSES = {
    "weights": 0, "order": 1, "split": 2, "shapeset": 3, "probe": 4, "jacobian": 5, "noise": 6, "distortion": 10,
    "window": 11,
}  # fmt: skip


def generator(seed: int, purpose: str, index: int = 0) -> "np.random.Generator":
    """Generator for one purpose of one run.

    seed: the run's seed, >= 0.
    purpose: a key of PURPOSES.
    index: which one of its kind: the layer for weights, the epoch for the order of examples.
    """
    key = np.random.SeedSequence((seed, PURPOSES[purpose], index))
    return np.random.Generator(np.random.Philox(key))
