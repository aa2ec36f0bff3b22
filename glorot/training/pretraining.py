"""The phases before gradient descent: each hidden layer trained without labels, from the first on (models/pretraining).

Each phase has its own stream of examples from the first on, so that example i of a layer, and its noise, are functions
of (seed, layer, i).
"""

import math
from collections.abc import Callable

import numpy as np

from glorot.datasets import Dataset, FiniteDataset
from glorot.errors import GlorotError
from glorot.kernels import denoising_layers
from glorot.kernels.protocol import Kernels
from glorot.models.pretraining import PRETRAINING
from glorot.sweeps.settings import Settings
from glorot.training import loop
from glorot.training.loop import HistoryRow, Pretrained, PretrainingRow, State


class Pretraining:
    """Of all hidden layers of one network, from its present parameters, or from a state saved before."""

    history: tuple[HistoryRow, ...] = ()  # nothing is evaluated

    def __init__(self, settings: Settings, dataset: Dataset, kernels: Kernels, before: Pretrained | None):
        self._settings, self._dataset, self._chosen = settings, dataset, PRETRAINING[settings.pretraining]
        self._layers = denoising_layers(
            kernels, self._chosen, settings.activation, str(settings.inputs), len(settings.hidden), settings.seed
        )
        self._layer, self._done = (before.layer, before.update) if before else (0, 0)
        self.rows = list(before.rows) if before else []
        self._costs = [before.costs] if before else []
        if before and self._layer < len(self._layers):
            self._layers[self._layer].bias = before.bias

    @property
    def update(self) -> int:
        """Updates made so far, of all layers."""
        return self._layer * self._chosen.updates + self._done

    def state(self) -> Pretrained:
        under_way = self._layer < len(self._layers)
        bias = self._layers[self._layer].bias if under_way else np.empty(0, np.float32)
        costs = np.concatenate(self._costs) if self._costs else np.empty(0)
        return Pretrained(self._layer, self._done, bias, list(self.rows), costs)

    def run(self, on_progress: Callable[["Pretraining"], None]) -> bool:
        """Train each layer to the end. on_progress is called after each segment; what it raises ends the run. False if
        a cost was not finite."""
        while self._layer < len(self._layers):
            while self._done < self._chosen.updates:
                if not self._segment():
                    return False
                on_progress(self)
            self._layer, self._done = self._layer + 1, 0
        return True

    def _segment(self) -> bool:
        """Updates of the layer under way, up to the next row or the layer's end, or fewer."""
        settings, start, n = self._settings, self._done, self._settings.batch_size
        end = min((start // settings.evaluate_every + 1) * settings.evaluate_every, self._chosen.updates)
        updates = min(end - start, max(1, loop.SEGMENT_BYTES // (n * self._dataset.n_inputs)))
        costs = self._layers[self._layer].train(self._dataset.train(settings.seed, start * n, updates * n), start * n)
        self._costs.append(costs)
        self._done += updates
        if self._done == end or not np.isfinite(costs[-1]):
            every = np.concatenate(self._costs)
            self.rows.append(PretrainingRow(self._layer + 1, self._done, math.fsum(every) / len(every)))
            self._costs = []
        return bool(np.isfinite(costs[-1]))


def check_examples(settings: Settings, dataset: Dataset) -> None:
    """Raise a GlorotError where a data set has fewer examples than a minibatch to pre-train with."""
    few = isinstance(dataset, FiniteDataset) and len(dataset.examples) < settings.batch_size
    if few and settings.pretraining != "none":
        raise GlorotError(
            f"pretraining: expected at least {settings.batch_size} training examples, a minibatch, found fewer; make "
            "batch_size smaller"
        )


def pretraining_of(settings: Settings, dataset: Dataset, kernels: Kernels, state: State | None) -> Pretraining | None:
    """Of a run; None where it has none."""
    if settings.pretraining == "none":
        return None
    return Pretraining(settings, dataset, kernels, state.pretrained if state else None)
