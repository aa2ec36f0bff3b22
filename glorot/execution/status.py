"""What is done, running, failed and missing of a sweep, also while another process runs it.

A running sweep keeps two hidden files in its folder of results: ``.lock``, held by the process that writes,
and ``.progress.json``, where each running cell is. A lock ends with its process, however that ends.
"""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot import files, places
from glorot.errors import ResultsError
from glorot.results.rows import read_file
from glorot.results.store import Store, write_text
from glorot.sweeps.runs import Run

if TYPE_CHECKING:
    import filelock

WRITE_SECONDS = 1.0  # the least time between two writes of the progress


def lock_of(folder: Path) -> "filelock.BaseFileLock":
    """The lock of who writes to a results' folder. Acquiring it fails at once if another process has it."""
    import filelock

    return filelock.FileLock(folder / ".lock", timeout=0)


def is_running(folder: Path) -> bool:
    """Whether a process is writing to this folder now."""
    try:
        if not (folder / ".lock").exists() or not files.can_lock(folder / ".lock"):
            return False
    except OSError:
        return False

    import filelock

    try:
        with lock_of(folder):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # not ours to lock: then nor to run
        return False


class ProgressFile:
    """Where the running cells are, for others to read. Nothing depends on it, so a failed write is no error."""

    def __init__(self, folder: Path):
        self.path = folder / ".progress.json"
        self._cells: dict[str, dict[str, Any]] = {}
        self._written = -math.inf

    def add(self, run: Run, update: int, row: dict[str, Any]) -> None:
        now = time.monotonic()  # only differences count, and the time of day may be set back
        cell = self._cells.setdefault(run.run_id, {"since": now, "first": update})
        cell |= {"update": update, "valid_error": row["valid_error"], "now": now}
        if now - self._written >= WRITE_SECONDS:
            self._write(now)

    def remove(self, run: Run) -> None:
        self._cells.pop(run.run_id, None)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self, now: float) -> None:
        self._written = now
        with contextlib.suppress(ResultsError):
            write_text(self.path, json.dumps(self._cells))


@dataclass(frozen=True)
class Running:
    """A cell under way. seconds_left: None before it can be told."""

    run: Run
    update: int
    valid_error: float
    seconds_left: float | None


@dataclass(frozen=True)
class Status:
    """The runs of a sweep by what became of them, in grid order."""

    by_status: dict[str, list[Run]]
    running: list[Running]
    active: bool


def read_status(folder: Path, runs: Sequence[Run]) -> Status:
    """The status of a sweep's runs. Raises ResultsError where runs.csv cannot be read."""
    statuses = Store(folder).statuses()
    active = is_running(folder)
    progress = _read_progress(folder / ".progress.json") if active else {}
    running = [_running(run, progress[run.run_id]) for run in runs if run.run_id in progress]
    under_way = {one.run.run_id for one in running}
    by_status: dict[str, list[Run]] = {name: [] for name in ("done", "diverged", "running", "failed", "missing")}
    for run in runs:
        stored = "running" if run.run_id in under_way else statuses.get(run.run_id, "missing")
        by_status[stored].append(run)
    return Status(by_status, running, active)


def interrupted(runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """Those of the runs that would go on from a state in the user's cache, and its updates."""
    folder = places.cache_folder() / "checkpoints"
    ends: set[str] = set()
    with contextlib.suppress(OSError):
        ends = {name.rpartition("-")[2] for name in places.saved_states(folder)}
    runs = [run for run in runs if f"{run.run_id}.npz" in ends]
    if not runs:  # then what follows need not be loaded
        return []
    from glorot.training.checkpoint import Checkpoints

    saved = [(run, Checkpoints(folder, run.settings, run.device).under_way()) for run in runs]
    return [(run, update) for run, update in saved if update is not None]


def _read_progress(path: Path) -> dict[str, dict[str, Any]]:
    try:
        cells = json.loads(read_file(path))
        keys = {"since", "first", "update", "valid_error", "now"}
        numbers = {run_id: {key: float(cell[key]) for key in keys} for run_id, cell in cells.items()}
        return {run_id: cell | {"update": int(cell["update"])} for run_id, cell in numbers.items()}
    except Exception:  # not ours, or in the middle of being written
        return {}


def _running(run: Run, cell: dict[str, Any]) -> Running:
    seconds, updates = cell["now"] - cell["since"], cell["update"] - cell["first"]
    left = (run.settings.all_updates - cell["update"]) * seconds / updates if updates > 0 else None
    return Running(run, cell["update"], cell["valid_error"], left)
