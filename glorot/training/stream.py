"""The training examples of a run, segment by segment: made when asked for, or ahead of time for a GPU.

While a GPU trains on one segment, the next one is made by all of the run's cores and copied to the GPU. A finite data
set is on the GPU as a whole, and only the order of its examples is copied.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from glorot.datasets import Dataset, Examples, FiniteDataset
from glorot.errors import DeviceError
from glorot.kernels.protocol import Staging

LEAST_SHARE = 256  # examples worth a thread of their own


class Stream:
    """Examples start .. start+count-1 of a seed's stream, for any device: a function of (seed, start, count) alone.

    staging: the kernels'; None where they take examples as they are. threads: that make examples.
    """

    def __init__(self, dataset: Dataset, seed: int, staging: Staging | None = None, threads: int = 1):
        self.dataset, self.seed, self.staging = dataset, seed, staging
        self._pick: Callable[[np.ndarray], Any] | None = None
        if staging and isinstance(dataset, FiniteDataset):
            with contextlib.suppress(DeviceError):  # not enough memory for all of it: a segment at a time
                self._pick = staging.keep(dataset.examples)
        self.threads = 1 if isinstance(dataset, FiniteDataset) else threads  # nothing to compute
        self._makers, self._ahead = ThreadPoolExecutor(self.threads), ThreadPoolExecutor(1)
        self._under_way: tuple[tuple[int, int], Future] | None = None

    def take(self, start: int, count: int) -> Any:
        """These examples, staged if they are to be."""
        under_way, self._under_way = self._under_way, None
        if under_way and under_way[0] == (start, count):
            return under_way[1].result()
        return self._make(start, count)

    def prepare(self, start: int, count: int) -> None:
        """Begin to make these, which are asked for next; nothing to do where they need no staging."""
        if self.staging and count > 0:
            self._under_way = (start, count), self._ahead.submit(self._make, start, count)

    def _make(self, start: int, count: int) -> Any:
        if not self.staging and self.threads == 1:
            return self.dataset.train(self.seed, start, count)
        if self._pick and isinstance(self.dataset, FiniteDataset):
            return self._pick(self.dataset.order(self.seed, start, count))
        shares = max(1, min(self.threads, count // LEAST_SHARE))
        ends = [start + count * i // shares for i in range(shares + 1)]
        parts = list(
            self._makers.map(lambda i: self.dataset.train(self.seed, ends[i], ends[i + 1] - ends[i]), range(shares))
        )
        pixels = [part.pixels for part in parts], [part.labels for part in parts]
        whole = parts[0] if len(parts) == 1 else Examples(*map(np.concatenate, pixels))
        return self.staging.stage(whole) if self.staging else whole
