"""One cell of a sweep: a function from a run's settings to what came out. Any engine may execute it."""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glorot
from glorot import datasets, kernels
from glorot.datasets import Dataset, loading
from glorot.datasets.inputs import as_seen
from glorot.datasets.local import AnyData, info
from glorot.datasets.prepared import preprocessed
from glorot.sweeps.settings import Settings
from glorot.training.checkpoint import code
from glorot.training.learners import Task, learner_of
from glorot.training.loop import HistoryRow, Trained

if TYPE_CHECKING:
    import numpy as np


SOURCES = 16  # digits of the digest of the sources that decided a result


@dataclass(frozen=True)
class Outcome:
    """What a cell gives back, in the columns of runs.csv, history/RUN_ID.csv, provenance.csv and probes/RUN_ID.csv.

    correct: whether each test example was classified correctly, (n,) bool; None unless it is done.
    pretraining: the rows of pretraining/RUN_ID.csv. predictions: of the same examples, (n,) of type loop.PREDICTION.
    traceback: text; empty unless the cell failed by an error that is not the user's.
    contents: those files as bytes, by folder (results/contents.py), where they take the place of the rows and lists.
    problems: what went wrong but changed nothing: saved states that could not be read or written.
    """

    result: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""
    probes: list[dict[str, Any]] = field(default_factory=list)
    correct: "np.ndarray | None" = None
    problems: list[str] = field(default_factory=list)
    predictions: "np.ndarray | None" = None
    pretraining: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, bytes | None] | None = None

    @property
    def status(self) -> str:
        return self.result["status"]


def run_cell(
    settings: Settings,
    device: str,
    threads: int,
    data_folder: Path,
    checkpoint_folder: Path,
    afresh: bool = False,
    on_progress: Callable[[int, HistoryRow], None] = lambda update, row: None,
) -> Outcome:
    """Fit one model from its settings, or go on from where it was. The outcome depends on the settings and the
    kind of device alone, however often it was interrupted.

    checkpoint_folder: where its states are saved, and looked for unless it is to start afresh.
    on_progress: called about once a second with the updates done and the newest row of the history. What it raises
        ends the cell, after its state is saved.

    The outcome's seconds are those of training and evaluation, also before an interruption, without loading data and
    compiling.
    """
    started = now()
    assert settings.inputs
    by_columns = settings.inputs if info(settings.dataset).columns else ""
    dataset = _dataset(settings.dataset, settings.train_examples, settings.preprocessing, by_columns, data_folder)
    learner = learner_of(Task(settings, dataset, device, threads, checkpoint_folder, afresh))
    trained = learner.fit(on_progress)
    return Outcome(
        _result(trained),
        [asdict(row) for row in trained.history],
        provenance(started, learner.seconds, threads, device, learner.libraries) | {"sources": code()[:SOURCES]},
        probes=[asdict(row) for row in trained.probes],
        correct=trained.correct,
        problems=learner.problems,
        predictions=trained.predictions,
        pretraining=[asdict(row) for row in trained.pretraining],
    )


def _result(trained: Trained) -> dict[str, Any]:
    result: dict[str, Any] = {"status": trained.status, "updates_done": trained.updates}
    if trained.status == "done":
        last = asdict(trained.history[-1])
        result |= {name: last[name] for name in last if name.endswith(("_loss", "_error"))}
    return result


def failure(reason: str, started: datetime, traceback: str = "") -> Outcome:
    """The outcome of a cell that could not be run to its end. reason: one line."""
    origin = provenance(started, None, None) | {"reason": reason}
    return Outcome({"status": "failed", "updates_done": 0}, provenance=origin, traceback=traceback)


def now() -> datetime:
    return datetime.now(timezone.utc)


def provenance(
    started: datetime, seconds: float | None, threads: int | None, device: str = "cpu", libraries: str = ""
) -> dict[str, Any]:
    """When, where and with what: all that may differ between two equal runs. libraries: of the learner."""
    return {
        "started": started.isoformat(timespec="seconds"),
        "seconds": None if seconds is None else round(seconds, 3),
        "threads": threads,
        "hardware": kernels.hardware(device) or _hardware(),
        "glorot": glorot.__version__,
        "python": platform.python_version(),
        "numpy": ", ".join(filter(None, (metadata.version("numpy"), libraries))),
        "numba": metadata.version("numba") + (f", numba-cuda {_version('numba-cuda')}" if device == "cuda" else ""),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the simulator comes with numba
        return "none"


@cache
def _hardware() -> str:
    """The processor's name and number of cores."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            name = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores"


@lru_cache(maxsize=1)
def _dataset(name: AnyData, train_examples: int | None, preprocessing: str, inputs: str, folder: Path) -> Dataset:
    """The data set as kernels take it, kept from one cell to the next in the same process. inputs: of one whose inputs
    are columns; else empty."""
    dataset = loading.load(name, folder)
    dataset = dataset if train_examples is None else datasets.limited(dataset, train_examples)
    return as_seen(preprocessed(dataset, preprocessing, info(name)), inputs, bool(inputs))
