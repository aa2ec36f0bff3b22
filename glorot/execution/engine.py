"""What carries out cells: worker processes of this machine (``processes.py``), or a cluster (``dask_engine.py``).

An engine knows nothing of plans, results or observers. It takes cells and has messages about them.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from glorot.errors import DeviceError, GlorotError
from glorot.plugins.loading import Source, install
from glorot.sweeps.runs import Run
from glorot.training.cell import Outcome, failure, now, run_cell
from glorot.training.loop import HistoryRow


@dataclass(frozen=True)
class Tasks:
    """What all cells of a sweep need beside their settings.

    afresh: whether to start over where there is a saved state. threads: of each cell. plugins: that they may use.
    """

    data_folder: Path
    checkpoint_folder: Path
    afresh: bool
    threads: int = 1
    plugins: tuple[Source, ...] = ()


class Progress(NamedTuple):
    """Updates done, and the newest row of the history."""

    update: int
    row: dict[str, float]


class GivenBack(NamedTuple):
    """The cell has not ended, and the engine has it no more: it is to be started again."""

    reason: str


Message = Outcome | Progress | GivenBack


class Engine(Protocol):
    def capacity(self, cells: int) -> int:
        """How many of so many cells can be under way at a time. It may change while they are."""
        ...

    def start(self, run: Run) -> None:
        """Begin a cell, or go on from its saved state."""
        ...

    def messages(self, timeout: float) -> Iterator[tuple[Run, Message]]:
        """What there is to say about cells under way, after waiting for it so many seconds at most.

        Raises DeviceError and ClusterError where no cell can go on.
        """
        ...

    def stop(self) -> list[tuple[Run, Outcome]]:
        """End what is under way, after its state is saved. Returns what finished meanwhile. May be called again."""
        ...


def carry_out(run: Run, tasks: Tasks, report: Callable[[int, HistoryRow], None]) -> Outcome | DeviceError:
    """In a worker: one cell to its end. An error in it is its outcome; only what `report` raises is raised here, if it
    is no Exception.

    A DeviceError is returned: it is no fault of this cell, and the next one would fare no better here.
    """
    started = now()
    try:
        install(tasks.plugins)
        return run_cell(
            run.settings, run.device, tasks.threads, tasks.data_folder, tasks.checkpoint_folder, tasks.afresh, report
        )
    except DeviceError as error:
        return error
    except GlorotError as error:
        return failure("; ".join(str(error).splitlines()), started)
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        reason = ": ".join(part for part in (type(error).__name__, first_line) if part)
        return failure(reason, started, traceback.format_exc())
