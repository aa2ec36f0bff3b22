"""The training loop of one run: segments of updates, with evaluations and probes between them."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from glorot.datasets import Dataset, Examples
from glorot.kernels.protocol import Kernels
from glorot.models.network import Layer
from glorot.models.optimizers import OPTIMIZERS
from glorot.models.schedules import schedule
from glorot.sweeps.settings import Settings
from glorot.training.stream import Stream

if TYPE_CHECKING:
    from glorot.training.probes import Look, ProbeRow

SEGMENT_BYTES = 2**22  # of pixels; under a second of training, so that progress and Ctrl-C are prompt
# Of a test example, in four bytes: its class, the class predicted, and its loss to 3 digits, which tells how sure a
# network was of its mistakes.
PREDICTION = np.dtype([("label", "u1"), ("prediction", "u1"), ("loss", "<f2")])
STAGED_SEGMENT_BYTES = 2**24  # for a GPU, which is some ten times as fast


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
class PretrainingRow:
    """Costs of a layer's pre-training. layer: of the hidden layers, from 1. update: of this layer, at the end of these.

    cost: mean over the minibatches since the row before, each before its update.
    """

    layer: int
    update: int
    cost: float


@dataclass(frozen=True)
class Pretrained:
    """How far pre-training is. layer: the one under way, from 0; the number of hidden layers at the end. update: of it.

    bias: its decoder's. rows: so far. costs: of the minibatches since the last of them.
    """

    layer: int
    update: int
    bias: np.ndarray
    rows: list[PretrainingRow]
    costs: np.ndarray


@dataclass(frozen=True)
class State:
    """Where a run is: all that the rest of it depends on.

    history: its rows at multiples of evaluate_every. losses: of the minibatches since the last of these rows, float64.
    memory: what the optimizer keeps of each parameter. probes: what was seen inside the network so far. seconds: spent
    on it; of these alone nothing depends.
    """

    update: int
    parameters: list[Layer]
    history: list[HistoryRow]
    losses: np.ndarray
    probes: list["ProbeRow"] = field(default_factory=list)
    seconds: float = 0.0
    memory: dict[str, list[Layer]] = field(default_factory=dict)
    pretrained: Pretrained | None = None


@dataclass(frozen=True)
class Trained:
    """What came out of a run.

    status: "done", or "diverged" where a loss was not finite. updates: how many were made.
    correct: whether each test example was classified correctly at the end, (n,) bool; None of a diverged run.
    predictions: of the same examples, (n,) of type PREDICTION. pretraining: what its costs were.
    """

    status: str
    updates: int
    history: list[HistoryRow]
    probes: list["ProbeRow"] = field(default_factory=list)
    correct: np.ndarray | None = None
    predictions: np.ndarray | None = None
    pretraining: list["PretrainingRow"] = field(default_factory=list)


def evaluate(kernels: Kernels, examples: Examples) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Mean loss, error in percent, which examples were classified correctly, (n,) bool, and what was predicted.

    The sum is exact (fsum), so it has no order to depend on.
    """
    losses, predictions = kernels.evaluate(examples)
    loss = math.fsum(losses) / len(examples) if np.isfinite(losses).all() else math.nan
    correct = predictions == examples.labels
    predicted = np.empty(len(examples), PREDICTION)
    predicted["label"], predicted["prediction"] = examples.labels, predictions
    predicted["loss"] = np.clip(losses, 0, np.finfo(np.float16).max)
    return loss, 100 * int((~correct).sum()) / len(examples), correct, predicted


class Training:
    """One run under way, from the kernels' present parameters, or from a state saved before."""

    def __init__(self, settings: Settings, dataset: Dataset, kernels: Kernels, state: State | None = None):
        self.settings, self.dataset, self.kernels = settings, dataset, kernels
        self._valid = dataset.valid.first(settings.valid_examples)
        self._test = dataset.test.first(settings.test_examples)
        self._segment_bytes = STAGED_SEGMENT_BYTES if kernels.staging else SEGMENT_BYTES
        self._schedule, self._statistic = schedule(settings.schedule), OPTIMIZERS[settings.optimizer].statistic
        self._stream = Stream(dataset, settings.seed, kernels.staging, kernels.threads)
        self.update = 0
        self.history: list[HistoryRow] = []
        self._probes: list[ProbeRow] = []
        self._computing: Future[list[ProbeRow]] | None = None
        self._aside = ThreadPoolExecutor(1)
        self._losses: list[np.ndarray] = []
        self._correct: np.ndarray | None = None
        self._predictions: np.ndarray | None = None
        self._began = time.perf_counter() - (state.seconds if state else 0.0)
        if state:
            kernels.parameters, kernels.memory, kernels.updates_made = state.parameters, state.memory, state.update
            self.update, self.history, self._losses = state.update, list(state.history), [state.losses]
            self._probes = list(state.probes)

    @property
    def probes(self) -> list["ProbeRow"]:
        """What was seen inside the network so far."""
        if self._computing:
            self._probes += self._computing.result()
            self._computing = None
        return self._probes

    @property
    def seconds(self) -> float:
        """Spent on this run so far, also before it was interrupted: training, evaluation and probes."""
        return time.perf_counter() - self._began

    def state(self) -> State:
        """Everything needed to go on from here."""
        losses = np.concatenate(self._losses) if self._losses else np.empty(0)
        return State(
            self.update, self.kernels.parameters, list(self.history), losses, list(self.probes), self.seconds,
            self.kernels.memory,
        )  # fmt: skip

    def run(self, on_progress: Callable[["Training"], None] = lambda training: None) -> Trained:
        """Train to the end. on_progress is called after each segment; what it raises ends the run."""
        settings = self.settings
        if not self.history and not self._looked():
            return self._diverged()
        on_progress(self)
        while self.update < settings.updates:
            if not self._segment() or not self._looked():
                return self._diverged()
            on_progress(self)
        return self._done()

    def _looked(self) -> bool:
        """Evaluate and probe what is due at this update. False if a loss was not finite."""
        if self.update % self.settings.evaluate_every == 0 and not self._evaluated():
            return False
        if self.settings.probes and self.settings.probes.due(self.update):
            self._probe()
        return True

    def _diverged(self) -> Trained:
        return Trained("diverged", self.update, self.history, self.probes)

    def _done(self) -> Trained:
        """What the end adds is not the history's own: a longer run would not have it."""
        settings, history, probes = self.settings, self.history, self.probes
        if not history or history[-1].update != self.update or self._correct is None:
            last = self._row()
            if last is None:
                return self._diverged()
            if history[-1].update != self.update:
                history = [*history, last]
        if settings.probes and not settings.probes.due(self.update):
            from glorot.training.probes import rows_of

            probes = [*probes, *rows_of(self._look())]
        return Trained("done", self.update, history, probes, self._correct, self._predictions)

    def _probe(self) -> None:
        """Look into the network. A GPU trains on while the CPU computes the statistics of what was seen."""
        from glorot.training.probes import rows_of

        before, seen = self.probes, self._look()
        if self.kernels.staging:
            self._computing = self._aside.submit(rows_of, seen)
        else:
            before += rows_of(seen)

    def _look(self) -> "Look":
        from glorot.training.probes import look

        assert self.settings.probes is not None
        examples = self._test.first(self.settings.probes.examples)
        return look(self.kernels, examples, self.settings.activation, self.update)

    def _segment(self) -> bool:
        """Updates up to the next moment at which there is something else to do, or fewer. False if a loss was not
        finite."""
        start, n = self.update, self.settings.batch_size
        self._before(start)
        updates = self._updates_from(start)
        examples = self._stream.take(start * n, updates * n)
        self._stream.prepare((start + updates) * n, self._updates_from(start + updates) * n)
        losses = self.kernels.train(examples)
        finite = bool(np.isfinite(losses[-1]))
        self._losses.append(losses)
        self.update += updates if finite else len(losses) - 1
        return finite

    def _before(self, update: int) -> None:
        """The rate of the updates to come, and what their optimizer has to know: functions of the state here, so that
        a run that goes on from here finds the same."""
        kernels, settings = self.kernels, self.settings
        kernels.learning_rate = self._schedule.rate(update, settings.learning_rate)
        if self._statistic and update % self._statistic.every == 0:
            start = update * settings.batch_size
            kernels.estimate(self.dataset.train(settings.seed, start, self._statistic.examples))

    def _updates_from(self, start: int) -> int:
        """How many updates the segment has that begins there; 0 at the end."""
        settings = self.settings
        next_evaluation = (start // settings.evaluate_every + 1) * settings.evaluate_every
        most = max(1, self._segment_bytes // (settings.batch_size * self.dataset.n_inputs))
        ends = [next_evaluation, settings.updates, self._schedule.next_after(start, settings.updates)]
        ends += [settings.probes.next_after(start, settings.updates)] if settings.probes else []
        ends += [(start // self._statistic.every + 1) * self._statistic.every] if self._statistic else []
        return min(most, min(ends) - start)

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
        valid_loss, valid_error, _, _ = evaluate(self.kernels, self._valid)
        test_loss, test_error, self._correct, self._predictions = evaluate(self.kernels, self._test)
        if not (math.isfinite(valid_loss) and math.isfinite(test_loss)):
            return None
        examples = self.update * self.settings.batch_size
        return HistoryRow(self.update, examples, train_loss, valid_loss, valid_error, test_loss, test_error)
