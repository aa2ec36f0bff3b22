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
class State:
    """Where a run is: all that the rest of it depends on.

    history: its rows at multiples of evaluate_every. losses: of the minibatches since the last of these rows, float64.
    """

    update: int
    parameters: list[Layer]
    history: list[HistoryRow]
    losses: np.ndarray


@dataclass(frozen=True)
class Trained:
    """What came out of a run.

    status: "done", or "diverged" where a loss was not finite. updates: how many were made.
    """

    status: str
    updates: int
    history: list[HistoryRow]


def evaluate(kernels: Kernels, examples: Examples) -> tuple[float, float]:
    """Mean loss, and error in percent. The sum is exact (fsum), so it has no order to depend on."""
    losses, predictions = kernels.evaluate(examples)
    loss = math.fsum(losses) / len(examples) if np.isfinite(losses).all() else math.nan
    return loss, 100 * int((predictions != examples.labels).sum()) / len(examples)


class Training:
    """One run under way, from the kernels' present parameters, or from a state saved before."""

    def __init__(self, settings: Settings, dataset: Dataset, kernels: Kernels, state: State | None = None):
        self.settings, self.dataset, self.kernels = settings, dataset, kernels
        self._valid = dataset.valid.first(settings.valid_examples)
        self._test = dataset.test.first(settings.test_examples)
        self.update = 0
        self.history: list[HistoryRow] = []
        self._losses: list[np.ndarray] = []
        if state:
            kernels.parameters = state.parameters
            self.update, self.history, self._losses = state.update, list(state.history), [state.losses]

    def state(self) -> State:
        """Everything needed to go on from here."""
        losses = np.concatenate(self._losses) if self._losses else np.empty(0)
        return State(self.update, self.kernels.parameters, list(self.history), losses)

    def run(self, on_progress: Callable[["Training"], None] = lambda training: None) -> Trained:
        """Train to the end. on_progress is called after each segment; what it raises ends the run."""
        settings = self.settings
        if not self.history and not self._evaluated():
            return Trained("diverged", 0, [])
        on_progress(self)
        while self.update < settings.updates:
            if not self._segment():
                return Trained("diverged", self.update, self.history)
            if self.update % settings.evaluate_every == 0 and not self._evaluated():
                return Trained("diverged", self.update, self.history)
            on_progress(self)
        if self.update % settings.evaluate_every == 0:
            return Trained("done", self.update, self.history)
        last = self._row()  # not one of the history's own: a longer run would not have it
        if last is None:
            return Trained("diverged", self.update, self.history)
        return Trained("done", self.update, [*self.history, last])

    def _segment(self) -> bool:
        """Updates up to the next evaluation, or fewer. False if a loss was not finite."""
        settings, start = self.settings, self.update
        next_evaluation = (start // settings.evaluate_every + 1) * settings.evaluate_every
        most = max(1, SEGMENT_BYTES // (settings.batch_size * self.dataset.n_inputs))
        updates = min(most, next_evaluation - start, settings.updates - start)
        examples = self.dataset.train(settings.seed, start * settings.batch_size, updates * settings.batch_size)
        losses = self.kernels.train(examples)
        finite = bool(np.isfinite(losses[-1]))
        self._losses.append(losses)
        self.update += updates if finite else len(losses) - 1
        return finite

    def _evaluated(self) -> bool:
        """Add a row to the history. False if a loss was not finite."""
        row = self._row()
        if row is None:
            return False
        self.history.append(row)
        self._losses = []
        return True

    def _row(self) -> HistoryRow | None:
        losses = np.concatenate(self._losses) if self._losses else np.empty(0)
        train_loss = math.fsum(losses) / len(losses) if len(losses) else math.nan
        valid_loss, valid_error = evaluate(self.kernels, self._valid)
        test_loss, test_error = evaluate(self.kernels, self._test)
        if not (math.isfinite(valid_loss) and math.isfinite(test_loss)):
            return None
        examples = self.update * self.settings.batch_size
        return HistoryRow(self.update, examples, train_loss, valid_loss, valid_error, test_loss, test_error)
