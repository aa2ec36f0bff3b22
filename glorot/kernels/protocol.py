"""What every device's kernels offer."""

from typing import Any, Protocol

import numpy as np

from glorot.datasets import Examples
from glorot.models.network import Layer


class Kernels(Protocol):
    """One network on one device (``cpu.py``, ``cuda.py``)."""

    parameters: list[Layer]
    levels: np.ndarray  # (256,) float32: what the network sees of each byte

    def train(self, examples: Any) -> np.ndarray: ...  # Examples, or what `stage` of a GPU's kernels made of them

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]: ...

    def probe(self, examples: Examples) -> tuple[list[np.ndarray], list[np.ndarray]]: ...
