"""One cell of a sweep: a function from a run's settings to what came out. Any engine may execute it."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import glorot
from glorot import datasets, kernels
from glorot.datasets import Dataset
from glorot.network import initial_parameters, layer_sizes
from glorot.settings import Settings
from glorot.training import HistoryRow, Trained, train


@dataclass(frozen=True)
class Outcome:
    """What a cell gives back, in the columns of runs.csv, history/RUN_ID.csv and provenance.csv.

    traceback: text; empty unless the cell failed by an error that is not the user's.
    """

    result: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""

    @property
    def status(self) -> str:
        return self.result["status"]


def run_cell(
    settings: Settings,
    device: str,
    threads: int,
    data_folder: Path,
    on_progress: Callable[[int, HistoryRow], None],
) -> Outcome:
    """Train one network from its settings. The outcome depends on the settings and the kind of device alone.

    Its seconds are those of training and evaluation, without loading data and compiling.
    """
    started = now()
    dataset = _dataset(settings.dataset, data_folder)
    kernels.prepare(device)
    sizes = layer_sizes(dataset.n_inputs, settings.hidden, dataset.n_classes)
    network = kernels.create(
        device,
        sizes,
        settings.activation,
        settings.loss,
        settings.batch_size,
        settings.learning_rate,
        threads,
    )
    network.parameters = initial_parameters(sizes, settings.initializer, settings.seed)
    clock = time.perf_counter()
    trained = train(settings, dataset, network, on_progress)
    return Outcome(
        _result(trained),
        [asdict(row) for row in trained.history],
        provenance(started, time.perf_counter() - clock, threads),
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


def provenance(started: datetime, seconds: float | None, threads: int | None) -> dict[str, Any]:
    """When, where and with what: all that may differ between two equal runs."""
    return {
        "started": started.isoformat(timespec="seconds"),
        "seconds": None if seconds is None else round(seconds, 3),
        "threads": threads,
        "hardware": _hardware(),
        "glorot": glorot.__version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "numba": metadata.version("numba"),
    }


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
def _dataset(name: str, folder: Path) -> Dataset:
    """The data set, kept from one cell to the next in the same process."""
    return datasets.load(name, folder)
