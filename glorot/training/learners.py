"""Learners: how a model is fitted to a data set. A run of any model is `fit`, with progress, to what came out.

To add one: a class with `fit`, a line in LEARNERS at the bottom, and its name in ``models/architectures.py``.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Protocol

import numpy as np

from glorot import kernels
from glorot.datasets import Dataset
from glorot.datasets.inputs import has_floats, levels_of
from glorot.datasets.local import info
from glorot.datasets.prepared import augmented
from glorot.errors import GlorotError
from glorot.kernels.protocol import Kernels
from glorot.models.architectures import MODELS, ByHand, Convolutional
from glorot.models.constructions import build
from glorot.models.layers import initial_layers, trainable
from glorot.models.losses import LOSSES
from glorot.models.network import layer_sizes
from glorot.sweeps.settings import Settings
from glorot.training.checkpoint import Checkpoints
from glorot.training.loop import HistoryRow, State, Trained, Training
from glorot.training.pretraining import Pretraining, check_examples, pretraining_of
from glorot.training.start import begin

OnProgress = Callable[[int, HistoryRow], None]  # updates done, and the newest row of the history
NOTHING_YET = HistoryRow(0, 0, nan, nan, nan, nan, nan)  # before the first evaluation
WAIT_SECONDS = 0.5  # from one report of a fit in one go to the next


@dataclass(frozen=True)
class Task:
    """What is to be learned, and with what.

    checkpoint_folder: where states are saved, and looked for unless it is to start afresh.
    """

    settings: Settings
    dataset: Dataset
    device: str
    threads: int
    checkpoint_folder: Path
    afresh: bool = False


class Learner(Protocol):
    """problems: what went wrong but changed nothing. seconds: spent on fitting and evaluating, also before an
    interruption, without loading data and compiling. libraries: what else took part, with versions, for provenance."""

    problems: list[str]
    libraries: str

    @property
    def seconds(self) -> float: ...

    def fit(self, on_progress: OnProgress) -> Trained:
        """Fit from the beginning, or go on from where it was. on_progress is called about once a second; what it
        raises ends the fit, after its state is saved where the learner has one."""
        ...


class GradientDescent:
    """A network, trained in segments of updates by a device's kernels (``loop.py``); resumable."""

    libraries = ""

    def __init__(self, task: Task):
        self._checkpoints = Checkpoints(task.checkpoint_folder, task.settings, task.device)
        made = self._convolutional if isinstance(MODELS[task.settings.model], Convolutional) else self._connected
        network, state = made(task)
        dataset = augmented(task.dataset, task.settings.augmentation, info(task.settings.dataset))
        check_examples(task.settings, task.dataset)
        self._pretraining = pretraining_of(task.settings, dataset, network, state)
        self._training = Training(task.settings, dataset, network, state)
        self.problems = self._checkpoints.problems

    def _connected(self, task: Task) -> tuple[Kernels, State | None]:
        """A network of fully connected layers, and the state to go on from."""
        settings = task.settings
        assert settings.inputs
        numbers = np.dtype(np.float32) if has_floats(task.dataset) else None
        kernels.prepare(task.device, settings.activation, settings.loss, settings.optimizer, numbers)
        sizes = layer_sizes(task.dataset.n_inputs, settings.hidden, task.dataset.n_classes)
        network = kernels.create(
            task.device,
            sizes,
            settings.activation,
            settings.loss,
            settings.batch_size,
            settings.learning_rate,
            task.threads,
            levels_of(settings.inputs, task.dataset),
            settings.optimizer,
        )
        state = None if task.afresh else self._checkpoints.load(sizes)
        if state is None:
            begin(network, sizes, settings.initializer, settings.seed, task.dataset, settings.bias)
        return network, state

    def _convolutional(self, task: Task) -> tuple[Kernels, State | None]:
        """As _connected, of layers that share weights."""
        settings, chosen, data = task.settings, MODELS[task.settings.model], info(task.settings.dataset)
        assert settings.inputs
        assert isinstance(chosen, Convolutional)
        try:
            layers = chosen.layers(task.dataset.n_classes, LOSSES[settings.loss].rbf)
        except ValueError as error:
            raise GlorotError(f"the model {settings.model} on {task.dataset.name}: {error}") from None
        height, width = data.image_shape
        network = kernels.create_convolutional(
            layers,
            (height, width),
            settings.activation,
            settings.loss,
            settings.batch_size,
            settings.learning_rate,
            task.threads,
            levels_of(settings.inputs, task.dataset),
            settings.optimizer,
        )
        shapes = [(one.weights, one.biases) for one in layers if trainable(one)]
        state = None if task.afresh else self._checkpoints.load((), shapes)
        if state is None:
            network.parameters = initial_layers(layers, settings.initializer, settings.seed, settings.bias)
        return network, state

    @property
    def seconds(self) -> float:
        return self._training.seconds

    def fit(self, on_progress: OnProgress) -> Trained:
        pretraining = self._pretraining
        if pretraining and not pretraining.run(self._saving(on_progress)):
            return Trained("diverged", 0, [], pretraining=pretraining.rows)
        trained = self._training.run(self._saving(on_progress))
        if pretraining:
            trained = replace(trained, pretraining=pretraining.rows)
        if trained.status == "done":
            self._save()  # a sweep that asks for more updates later goes on from here
        return trained

    @property
    def _before(self) -> int:
        """The updates of pre-training."""
        settings = self._checkpoints.settings
        return settings.all_updates - settings.updates

    def _save(self) -> None:
        """The state of the network, and of each phase."""
        state = self._training.state()
        self._checkpoints.save(replace(state, pretrained=self._pretraining.state()) if self._pretraining else state)

    def _saving(self, on_progress: OnProgress) -> Callable[[Training | Pretraining], None]:
        """Training's on_progress that saves the state every so often, and when it is interrupted."""
        interval, saved = 60 * self._checkpoints.settings.checkpoint_minutes, time.monotonic()

        def report(phase: Training | Pretraining) -> None:
            nonlocal saved
            try:
                made = phase.update if phase is self._pretraining else self._before + phase.update
                on_progress(made, phase.history[-1] if phase.history else NOTHING_YET)
            except BaseException:
                self._save()
                raise
            if time.monotonic() - saved >= interval:
                self._save()
                saved = time.monotonic()

        return report


class InOneGo:
    """A model of another library, fitted in a thread of its own while this one reports; its history has one row.

    model: of ``training/support_vectors.py`` or the like; fit() gives what an evaluation does. Nothing of it is saved
    on the way: where it is interrupted, the thread ends with its process, and the next run begins anew.
    """

    def __init__(self, task: Task):
        from glorot.training.support_vectors import SupportVectorMachine

        self._model = SupportVectorMachine(task.settings, task.dataset)
        self.problems: list[str] = []
        self.libraries = self._model.libraries
        self._began = self._ended = 0.0

    @property
    def seconds(self) -> float:
        return self._ended - self._began

    def fit(self, on_progress: OnProgress) -> Trained:
        self._began = time.perf_counter()
        outcome: list[Trained | BaseException] = []
        worker = threading.Thread(target=self._fit, args=(outcome,), daemon=True)
        worker.start()
        while worker.is_alive():
            on_progress(0, NOTHING_YET)
            worker.join(WAIT_SECONDS)
        self._ended = time.perf_counter()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def _fit(self, outcome: "list[Trained | BaseException]") -> None:
        try:
            outcome.append(self._model.fit())
        except BaseException as error:  # told where the others wait
            outcome.append(error)


class WiredByHand:
    """A network of ``models/constructions.py``, with weights by hand or drawn, trained as others are. These networks
    are small: no state is saved, and a run that was interrupted begins anew."""

    libraries = ""

    def __init__(self, task: Task):
        from glorot.datasets.truth_tables import values_of
        from glorot.kernels.circuits import CircuitKernels

        settings, chosen = task.settings, MODELS[task.settings.model]
        assert isinstance(chosen, ByHand)
        assert settings.inputs
        values = values_of(**info(settings.dataset).parameters)
        construction = build(chosen.kind, values, settings.activation, dict(chosen.parameters))
        levels = levels_of(settings.inputs, task.dataset)
        network = CircuitKernels(construction, settings.activation, settings.batch_size, settings.learning_rate, levels)
        network.parameters = construction.first_weights(settings.initializer, settings.seed)
        self._training = Training(settings, task.dataset, network)
        self.problems: list[str] = []

    @property
    def seconds(self) -> float:
        return self._training.seconds

    def fit(self, on_progress: OnProgress) -> Trained:
        return self._training.run(lambda training: on_progress(training.update, training.history[-1]))


LEARNERS: dict[str, Callable[[Task], Learner]] = {
    "gradient_descent": GradientDescent,
    "svm": InOneGo,
    "by_hand": WiredByHand,
}


def learner_of(task: Task) -> Learner:
    """The learner of a run's model. Raises GlorotError where something that it needs is not there."""
    return LEARNERS[MODELS[task.settings.model].learner](task)
