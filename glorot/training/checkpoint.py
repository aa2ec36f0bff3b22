"""Saved states of runs under way, in a cache folder: a run that was interrupted continues from its last one.

A state is saved under what decides the run's *trajectory*: everything in its run_id but the number of updates. So a
sweep that asks for more updates continues as well, also from the end of a shorter run. A run that finished never
comes from here again: its state under way is removed once its result is stored, and its last one is of use to longer
runs only. So to run a sweep again in another folder is to compute it again. Nothing here is a result; it may be
removed at any time. A state that was saved by other sources than these, where they decide results, is passed over.
"""

import contextlib
import json
import os
import re
import zipfile
from dataclasses import asdict, astuple, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.compiled import sources
from glorot.datasets import DATASETS
from glorot.models.network import Layer
from glorot.sweeps.runs import run_id
from glorot.sweeps.settings import Settings
from glorot.training.loop import HistoryRow, State

if TYPE_CHECKING:
    from glorot.training.probes import ProbeRow

MAX_BYTES = 4 * 2**30  # of all states together; the oldest make room


@cache
def code() -> str:
    """A digest of the sources that decide results: all that a cell imports, and the data sets that it loads by name."""
    by_name = [sources.PACKAGE / "datasets" / f"{info.module}.py" for info in DATASETS.values()]
    return sources.digest(sources.closure([sources.PACKAGE / "training" / "cell.py", *by_name], late=True))


def checkpoint_folder(chosen: Path | None = None) -> Path:
    """The folder states are saved in: the one given, or else one in the user's cache."""
    import platformdirs

    return chosen or Path(os.environ.get("GLOROT_CACHE") or platformdirs.user_cache_dir("glorot")) / "checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """The saved states of one run."""

    folder: Path
    settings: Settings
    device: str

    @property
    def _trajectory(self) -> str:
        return run_id(self.settings.model_copy(update={"updates": 1}), self.device)

    @property
    def path(self) -> Path:
        """Of the state under way."""
        return self.folder / f"{self._trajectory}-{run_id(self.settings, self.device)}.npz"

    @property
    def last_path(self) -> Path:
        """Of the state at the run's end."""
        return self.path.with_suffix(".last.npz")

    def save(self, state: State) -> None:
        """Save a state, as a whole or not at all. Raises OSError."""
        path = self.last_path if state.update == self.settings.updates else self.path
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **_arrays(state))  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _make_room(self.folder, keep=path)

    def load(self, sizes: tuple[int, ...]) -> State | None:
        """The furthest saved state of this trajectory that is short of this run's end; None if there is none.

        sizes: of the network's layers. What cannot be read (torn, of other shapes or sources) is passed over.
        """
        states = [_read(path) for path in self.folder.glob(f"{self._trajectory}-*.npz")]
        fitting = [state for state in states if state is not None and _fits(state, sizes)]
        usable = [state for state in fitting if state.update < self.settings.updates]
        return max(usable, key=lambda state: state.update, default=None)

    def discard(self) -> None:
        """Remove the state under way: the run's result is stored."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _arrays(state: State) -> dict[str, np.ndarray]:
    arrays = {"update": np.array(state.update), "losses": state.losses, "code": np.array(code())}
    arrays["seconds"] = np.array(state.seconds)
    arrays["probes"] = np.array(json.dumps([asdict(row) for row in state.probes]))
    arrays["history"] = np.array([astuple(row) for row in state.history], np.float64).reshape(len(state.history), 7)
    for l, layer in enumerate(state.parameters):
        arrays |= {f"W{l}": layer.W, f"b{l}": layer.b}
    return arrays


def _read(path: Path) -> State | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["code"]) != code():
                return None
            n_layers = sum(bool(re.fullmatch(r"W\d+", name)) for name in arrays.files)
            rows = [HistoryRow(int(row[0]), int(row[1]), *map(float, row[2:])) for row in arrays["history"]]
            layers = [Layer(arrays[f"W{l}"], arrays[f"b{l}"]) for l in range(n_layers)]
            probes = [_probe_row(fields) for fields in json.loads(str(arrays["probes"]))]
            seconds = float(arrays["seconds"])
            return State(int(arrays["update"]), layers, rows, arrays["losses"], probes, seconds)
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None


def _probe_row(fields: dict[str, Any]) -> "ProbeRow":
    from glorot.training.probes import ProbeRow

    counts = fields["counts"]
    return ProbeRow(**fields | {"counts": None if counts is None else tuple(counts)})


def _fits(state: State, sizes: tuple[int, ...]) -> bool:
    shapes = [((fan_out, fan_in), (fan_out,)) for fan_in, fan_out in pairwise(sizes)]
    kinds = {array.dtype for layer in state.parameters for array in layer}
    return [(layer.W.shape, layer.b.shape) for layer in state.parameters] == shapes and kinds == {np.dtype(np.float32)}


def _make_room(folder: Path, keep: Path) -> None:
    """Remove the oldest states until all together are below MAX_BYTES."""
    with contextlib.suppress(OSError):
        found = sorted(
            ((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob("*.npz")), reverse=True
        )
        total = 0
        for _, size, path in found:
            total += size
            if total > MAX_BYTES and path != keep:
                path.unlink(missing_ok=True)
