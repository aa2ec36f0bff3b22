"""The SGD loop of one run: segments of updates, with evaluations between them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from glorot.datasets import Dataset, Examples
from glorot.network import Layer
from glorot.settings import Settings

SEGMENT_BYTES = 2**22  # of pixels; under a second of training, so that progress and Ctrl-C are prompt


class Kernels(Protocol):
    """One network on one device (``kernels/cpu.py``)."""

    parameters: list[Layer]

    def train(self, examples: Examples) -> np.ndarray: ...

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class HistoryRow:
    """One evaluation. Errors in percent; losses are means over examples; train_loss is the mean loss of the
    minibatches since the row before (each before its update), NaN at update 0."""

    update: int
    examples: int
    train_loss: float
    valid_loss: float
    valid_error: float
    test_loss: float
    test_error: float


@dataclass(frozen=True)
class Trained:
    """What came out of a run. status: "done", or "diverged" when a loss was not finite; updates: how many were made."""

    status: str
    updates: int
    history: list[HistoryRow]


def evaluate(kernels: Kernels, examples: Examples) -> tuple[float, float]:
    """Mean loss, and error in percent. The sum is exact (fsum), so it has no order to depend on."""
    losses, predictions = kernels.evaluate(examples)
    loss = math.fsum(losses) / len(examples) if np.isfinite(losses).all() else math.nan
    return loss, 100 * int((predictions != examples.labels).sum()) / len(examples)


def train(
    settings: Settings,
    dataset: Dataset,
    kernels: Kernels,
    on_progress: Callable[[int, HistoryRow], None] = lambda update, row: None,
) -> Trained:
    """Train a network from the kernels' present parameters.

    on_progress is called after each segment with the updates done and the newest row of the history; what it
    raises ends the run.
    """
    valid, test = dataset.valid.first(settings.valid_examples), dataset.test.first(settings.test_examples)
    segment = max(1, SEGMENT_BYTES // (settings.batch_size * dataset.n_inputs))
    history: list[HistoryRow] = []
    update, interval_losses = 0, []

    def add_row(train_loss: float) -> bool:
        row = HistoryRow(
            update,
            update * settings.batch_size,
            train_loss,
            *evaluate(kernels, valid),
            *evaluate(kernels, test),
        )
        if math.isfinite(row.valid_loss) and math.isfinite(row.test_loss):
            history.append(row)
            on_progress(update, row)
            return True
        return False

    if not add_row(math.nan):
        return Trained("diverged", 0, history)
    while update < settings.updates:
        next_evaluation = min(settings.updates, (update // settings.evaluate_every + 1) * settings.evaluate_every)
        updates = min(segment, next_evaluation - update)
        examples = dataset.train(settings.seed, update * settings.batch_size, updates * settings.batch_size)
        losses = kernels.train(examples)
        interval_losses.append(losses)
        if not np.isfinite(losses[-1]):
            return Trained("diverged", update + len(losses) - 1, history)
        update += updates
        if update < next_evaluation:
            on_progress(update, history[-1])
            continue
        if not add_row(math.fsum(np.concatenate(interval_losses)) / sum(map(len, interval_losses))):
            return Trained("diverged", update, history)
        interval_losses = []
    return Trained("done", update, history)
