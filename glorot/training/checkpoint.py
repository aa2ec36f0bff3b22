"""Saved states of runs under way, in a cache folder: a run that was interrupted continues from its last one.

A state is saved under what decides the run's *trajectory*: everything in its run_id but the number of updates. So a
sweep that asks for more updates continues as well, also from the end of a shorter run. A run that finished never
comes from here again: its state under way is removed once its result is stored, and its last one is of use to longer
runs only. So to run a sweep again in another folder is to compute it again. Nothing here is a result; it may be
removed at any time. A state that was saved by other sources than these, where they decide results, is passed over. So
is one that cannot be read, or is of another run than its name says; that is a problem, which is told.
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot import files
from glorot.compiled import sources
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.local import info
from glorot.models.network import Layer
from glorot.models.optimizers import OPTIMIZERS
from glorot.models.pretraining import PRETRAINING
from glorot.places import cache_folder, saved_states
from glorot.sweeps.runs import Run, run_id
from glorot.sweeps.settings import Settings
from glorot.training.loop import HistoryRow, Pretrained, PretrainingRow, State

if TYPE_CHECKING:
    from glorot.training.probes import ProbeRow

Shapes = list[tuple[tuple[int, ...], tuple[int, ...]]]  # of W and b of each layer
MAX_BYTES = 4 * 2**30  # of all states together; the oldest make room


@cache
def code() -> str:
    """A digest of the sources that decide results: all that a cell imports, and the data sets that it loads by name."""
    by_name = [sources.PACKAGE / "datasets" / f"{info.module}.py" for info in DATASETS.values()]
    return sources.digest(sources.closure([sources.PACKAGE / "training" / "cell.py", *by_name], late=True))


def checkpoint_folder(chosen: Path | None = None) -> Path:
    """The folder states are saved in: the one given, or else one in the user's cache."""
    return chosen or cache_folder() / "checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """The saved states of one run. problems: what went wrong with them; none of it is a reason for the run to fail."""

    folder: Path
    settings: Settings
    device: str
    problems: list[str] = field(default_factory=list)

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
        """Save a state, as a whole or not at all."""
        path = self.last_path if state.update == self.settings.updates else self.path
        try:
            self._write(path, state)
        except OSError as error:  # a cache that is full or read-only is no reason to lose the run
            self.problems.append(f"no state of a run can be saved in {self.folder}: {error.strerror or error}")

    def _write(self, path: Path, state: State) -> None:
        with files.whole(path) as file:
            np.savez(file, run=np.array(self._trajectory), **_arrays(state))  # type: ignore[arg-type]
        _make_room(self.folder, keep=path)

    def load(self, sizes: tuple[int, ...], shapes: Shapes | None = None) -> State | None:
        """The furthest saved state of this trajectory that is short of this run's end; None if there is none.

        sizes: of the network's layers, or else shapes: of W and b of each. What cannot be used is passed over.
        """
        shapes = shapes or [((fan_out, fan_in), (fan_out,)) for fan_in, fan_out in pairwise(sizes)]
        states = [self._read(path, shapes) for path in self.saved()]
        usable = [state for state in states if state is not None and state.update < self.settings.updates]
        return max(usable, key=_progress, default=None)

    def saved(self) -> list[Path]:
        """The files of this trajectory's states, whatever is in them."""
        try:
            names = saved_states(self.folder)
            beginning = f"{self._trajectory}-" if names else ""
            return sorted(self.folder / name for name in names if name.startswith(beginning))
        except OSError as error:
            self.problems.append(f"cannot look for saved states in {self.folder}: {error.strerror or error}")
            return []

    def under_way(self) -> int | None:
        """The updates, of all phases, of the state under way that this run would go on from; None if there is none."""
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                if (str(arrays["code"]), str(arrays["run"])) != (code(), self._trajectory):
                    return None
                before = self.settings.all_updates - self.settings.updates
                if "phase" in arrays.files:
                    layer, update = map(int, arrays["phase"])
                    before = layer * PRETRAINING[self.settings.pretraining].updates + update
                return before + int(arrays["update"])
        except Exception:  # not there, or damaged, which can raise anything
            return None

    def final(self) -> list[Layer] | None:
        """The weights and biases at the run's end; None where they are not kept any more. Nothing is a problem."""
        try:
            with np.load(self.last_path, allow_pickle=False) as arrays:
                own = str(arrays["code"]), str(arrays["run"]), int(arrays["update"])
                if own != (code(), self._trajectory, self.settings.updates):
                    return None
                count = sum(name.startswith("W") for name in arrays.files)
                return [Layer(arrays[f"W{l}"], arrays[f"b{l}"]) for l in range(count)]
        except Exception:  # not there, or damaged, which can raise anything
            return None

    def _read(self, path: Path, shapes: Shapes) -> State | None:
        """None of a state of other sources, and of a file that is no state of this run, which is a problem."""
        try:
            if not path.is_file():  # reading a pipe would never end
                raise ValueError("it is not a file")
            with np.load(path, allow_pickle=False) as arrays:
                if str(arrays["code"]) != code():
                    return None
                if str(arrays["run"]) != self._trajectory:
                    raise ValueError("it belongs to another run")
                return _state(arrays, shapes, OPTIMIZERS[self.settings.optimizer].keeps)
        except Exception as error:  # damage can raise anything: a size that no memory has, a header that is no Python
            reason = " ".join(str(error).split()) or type(error).__name__
            self.problems.append(f"the saved state {path} is not used: {reason}")
            return None


def kept_layers(folder: Path, run: Run) -> list[Layer] | None:
    """As `Checkpoints.final`. None, too, of a run on an earlier version of its data: all states are of today's."""
    if run.version != info(run.settings.dataset).version:
        return None
    return Checkpoints(folder, run.settings, run.device).final()


def discard(folder: Path, runs: Sequence[Run]) -> None:
    """Remove the states under way of these runs: their results are stored."""
    with contextlib.suppress(OSError):
        there = {name.rpartition("-")[2] for name in saved_states(folder)}
        for run in runs:
            if there and f"{run_id(run.settings, run.device)}.npz" in there:
                Checkpoints(folder, run.settings, run.device).path.unlink(missing_ok=True)


def _progress(state: State) -> tuple[int, int, int]:
    """How far a state is: what is further compares as more."""
    before = state.pretrained
    return (state.update, before.layer, before.update) if before else (state.update, 0, 0)


def _arrays(state: State) -> dict[str, np.ndarray]:
    arrays = {"update": np.array(state.update), "losses": state.losses, "code": np.array(code())}
    arrays["seconds"] = np.array(state.seconds)
    arrays["probes"] = np.array(json.dumps([asdict(row) for row in state.probes]))
    arrays["history"] = np.array([astuple(row) for row in state.history], np.float64).reshape(len(state.history), 7)
    if state.pretrained:
        before = state.pretrained
        arrays |= {"phase": np.array([before.layer, before.update]), "decoder": before.bias, "costs": before.costs}
        arrays["pretraining"] = np.array(json.dumps([astuple(row) for row in before.rows]))
    for prefix, layers in {"": state.parameters, **{f"{name} ": kept for name, kept in state.memory.items()}}.items():
        for l, layer in enumerate(layers):
            arrays |= {f"{prefix}W{l}": layer.W, f"{prefix}b{l}": layer.b}
    return arrays


def _state(arrays: "np.lib.npyio.NpzFile", shapes: Shapes, keeps: tuple[str, ...]) -> State:
    """What `_arrays` made. Raises all kinds of errors where it did not make these, or of other layers.

    keeps: what the optimizer keeps of each parameter, by name.
    """
    layers, *memory = (
        [Layer(arrays[f"{prefix}W{l}"], arrays[f"{prefix}b{l}"]) for l in range(len(shapes))]
        for prefix in ("", *(f"{name} " for name in keeps))
    )
    rows = [HistoryRow(int(row[0]), int(row[1]), *map(float, row[2:])) for row in arrays["history"]]
    probes = [_probe_row(fields) for fields in json.loads(str(arrays["probes"]))]
    update, losses = int(arrays["update"]), arrays["losses"]
    if len([name for name in arrays if name.endswith("W0")]) != 1 + len(keeps):
        raise ValueError("it belongs to another optimizer")
    every = [layers, *memory]
    if any([(layer.W.shape, layer.b.shape) for layer in one] != shapes for one in every) or f"W{len(shapes)}" in arrays:
        raise ValueError("its layers have other sizes")
    dtypes = {array.dtype for one in every for layer in one for array in layer}
    if dtypes != {np.dtype(np.float32)} or losses.dtype != np.float64:
        raise ValueError("its numbers have another type")
    if losses.shape != (update - (rows[-1].update if rows else 0),):  # one of each update since the last evaluation
        raise ValueError("its losses and its number of updates do not belong together")
    kept = dict(zip(keeps, memory, strict=True))
    pretrained = _pretrained(arrays) if "phase" in arrays else None
    return State(update, layers, rows, losses, probes, float(arrays["seconds"]), kept, pretrained)


def _pretrained(arrays: "np.lib.npyio.NpzFile") -> Pretrained:
    layer, update = map(int, arrays["phase"])
    rows = [PretrainingRow(int(row[0]), int(row[1]), float(row[2])) for row in json.loads(str(arrays["pretraining"]))]
    if (arrays["decoder"].dtype, arrays["costs"].dtype) != (np.float32, np.float64):
        raise ValueError("its numbers have another type")
    return Pretrained(layer, update, arrays["decoder"], rows, arrays["costs"])


def _probe_row(fields: dict[str, Any]) -> "ProbeRow":
    from glorot.training.probes import ProbeRow

    counts = fields["counts"]
    return ProbeRow(**fields | {"counts": None if counts is None else tuple(counts)})


_unseen: dict[Path, int] = {}  # by folder, bytes that this process wrote since it looked at all states there


def _make_room(folder: Path, keep: Path) -> None:
    """Remove the oldest states until all together are below MAX_BYTES; only now and then, as there may be many."""
    with contextlib.suppress(OSError):
        written = _unseen.get(folder, MAX_BYTES) + keep.stat().st_size
        if 16 * written < MAX_BYTES:
            _unseen[folder] = written
            return
        _unseen[folder] = 0
        states = [folder / name for name in saved_states(folder)]
        found = sorted(((path.stat().st_mtime, path.stat().st_size, path) for path in states), reverse=True)
        total = 0
        for _, size, path in found:
            total += size
            if total > MAX_BYTES and path != keep:
                path.unlink(missing_ok=True)
