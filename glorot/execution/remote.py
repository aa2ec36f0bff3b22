"""What happens in a worker of a cluster: it is looked at before it gets cells, and carries them out one at a time.

The driver (``dask_engine.py``) calls these functions through Dask. Cells run in the worker's own process, in a thread:
workers under a nanny are daemons and may have no children. A cell ends early, with its state saved, as soon as the
driver asks for it, the driver or the scheduler is gone, or the worker closes.
"""

import asyncio
import contextlib
import functools
import hashlib
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from distributed import Status, Worker, WorkerPlugin, get_worker

from glorot import datasets
from glorot.datasets import folder as class_folders
from glorot.datasets import loading
from glorot.datasets.local import AnyData
from glorot.errors import DataError, DeviceError
from glorot.execution.engine import Tasks, carry_out
from glorot.files import whole
from glorot.kernels import devices
from glorot.results.contents import contents_of
from glorot.sweeps.runs import Run
from glorot.training.cell import Outcome
from glorot.training.checkpoint import Checkpoints, checkpoint_folder, code
from glorot.training.loop import HistoryRow

FIRST_SECONDS = 0.5  # until a cell tells its progress for the first time: one that is shorter has none to tell
LEAVING_SECONDS = 30.0  # before the end of a worker's lifetime: then its cell leaves it
CLOSING_SECONDS = 20.0  # how long a worker that closes waits for its cell's state
_asked: set[str] = set()  # keys of cells that are to save their state and end
_under_way: set[str] = set()
_parts: dict[str, bytearray] = {}  # of files that are being received


@dataclass(frozen=True)
class Facts:
    """What the driver must know of a worker.

    code: digest of the sources that decide results. gpus: names of those it could use, where the device is "cuda".
    lacking: data set -> why it cannot be used here. problem: why the worker is of no use at all.
    """

    host: str
    code: str
    data_folder: Path
    gpus: tuple[str, ...] = ()
    lacking: dict[AnyData, str] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Returned:
    """What a worker hands back. outcome: None where the cell was interrupted. state: its file's name and content,
    where the driver's folder of states is not the worker's. problem: why there is neither, where that was not asked
    for. leaving: whether the worker's lifetime ends, so that it is to get no more."""

    outcome: Outcome | DeviceError | None
    state: tuple[str, bytes] | None = None
    problem: str = ""
    leaving: bool = False


class _StopRequested(BaseException):
    """The cell is to save its state and end."""


# Before the first cell. ----------------------------------------------------------------------------


async def look(device: str, needed: Sequence[AnyData], folder: Path, dask_worker: Worker) -> Facts:
    """Whether this worker can do cells on this device with these data sets, and where its data sets are.

    folder: of the driver's data sets. A worker's own GLOROT_DATA comes first, then the driver's folder, if it is here.
    """
    if _Guard.name not in dask_worker.plugins:
        await dask_worker.plugin_add(_Guard())
    own = os.environ.get("GLOROT_DATA") or not folder.is_dir()
    place = loading.data_folder() if own else folder
    facts = Facts(socket.gethostname(), code(), place, lacking=_lacking(needed, place))
    if device != "cuda":
        return facts
    try:
        return replace(facts, gpus=_gpus())
    except DeviceError as error:
        return replace(facts, problem=str(error))


def _lacking(needed: Sequence[AnyData], folder: Path) -> dict[AnyData, str]:
    found = {}
    for name in needed:
        missing = loading.missing_files(name, folder)
        if missing:
            found[name] = loading.not_there(name, folder, missing)
        wrong = [] if missing else [one for one in _verified(name, folder) if one[1].startswith(("wrong", "unread"))]
        if wrong:
            file, status = wrong[0]
            found[name] = f"data set {name}: {file.path}: {status}, expected SHA-256 {file.sha256}"
    return found


@functools.cache
def _verified(name: AnyData, folder: Path) -> list[tuple[datasets.DataFile, str]]:
    return loading.verify(name, folder)


def _gpus() -> tuple[str, ...]:
    """The names of the GPUs this process may use. Asked in another process: once the driver of the GPUs has been
    asked here, `use_only` comes too late. Raises DeviceError."""
    if devices.simulated():
        return ("simulator",)
    ask = "from glorot.kernels import devices; print(*[gpu.index for gpu in devices.find_gpus()])"
    asked = subprocess.run([sys.executable, "-P", "-c", ask], capture_output=True, text=True)
    if asked.returncode:
        raise DeviceError((asked.stderr.strip() or "the GPUs cannot be found").splitlines()[-1])
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return tuple(visible[index] if index < len(visible) else str(index) for index in map(int, asked.stdout.split()))


def use_gpu(name: str) -> None:
    """From now on this process sees one GPU alone."""
    if not devices.simulated():
        os.environ["CUDA_VISIBLE_DEVICES"] = name


def receive_data(content: str, part: bytes, last: bool) -> None:
    """Take a part of the data file of a folder of images; the last one is written with all before. Raises DataError."""
    data = _received(content, part)
    if not last:
        return
    del _parts[content]
    if hashlib.sha256(data).hexdigest() != content:
        raise DataError(f"expected data with the SHA-256 {content}, received other data; start the sweep again")
    with whole(class_folders.data_file(content, loading.data_folder())) as file:
        file.write(data)


def receive_state(name: str, data: bytes) -> None:
    """Take a saved state. A folder that cannot be written is told by the cell itself."""
    with contextlib.suppress(OSError), whole(checkpoint_folder() / Path(name).name) as file:
        file.write(data)


def _received(name: str, part: bytes) -> bytearray:
    data = _parts.setdefault(name, bytearray())
    data += part
    return data


# Cells. --------------------------------------------------------------------------------------------


def work(key: str, run: Run, tasks: Tasks, is_shared: bool, topic: str, seconds: float) -> bytes:
    """Carry out a cell: a task of Dask's. Returns what it hands back, pickled: Dask looks into what is not bytes.

    key: of the task. is_shared: whether tasks.checkpoint_folder is the driver's as well; else this worker has its own.
    topic: where progress is told, about once in so many seconds.
    """
    return pickle.dumps(_work(key, run, tasks, is_shared, topic, seconds))


def _work(key: str, run: Run, tasks: Tasks, is_shared: bool, topic: str, seconds: float) -> Returned:
    worker = get_worker()
    if not is_shared:
        tasks = replace(tasks, checkpoint_folder=checkpoint_folder())
    told = time.monotonic() - seconds + FIRST_SECONDS

    def report(update: int, row: HistoryRow) -> None:
        nonlocal told
        if time.monotonic() - told >= seconds:
            told = time.monotonic()
            worker.log_event(topic, {"key": key, "update": update, "row": asdict(row)})
        if key in _asked or _is_closing(worker) or _ends_soon(worker) or not _is_wanted(worker, key):
            raise _StopRequested

    _under_way.add(key)
    try:
        outcome = carry_out(run, tasks, report)
        if isinstance(outcome, Outcome):
            outcome.provenance["host"] = socket.gethostname()
            outcome = _written(outcome)
        return Returned(outcome)
    except _StopRequested:
        state = None if is_shared else _state_of(run, tasks)
        if _is_closing(worker):  # no result of this task would arrive any more
            worker.log_event(topic, {"key": key, "left": True, "state": list(state or ())})
        return Returned(None, state, leaving=_ends_soon(worker))
    except BaseException as error:  # a task that raises what cannot be sent would end the driver's connection
        return Returned(None, problem=f"{type(error).__name__}: {error}")
    finally:
        _under_way.discard(key)
        _asked.discard(key)


def _written(outcome: Outcome) -> Outcome:
    """With the files of its results as bytes: the driver of many workers has no time to make them."""
    contents = contents_of(outcome.history, outcome.probes, outcome.correct, outcome.predictions, outcome.pretraining)
    return Outcome(
        outcome.result, provenance=outcome.provenance, traceback=outcome.traceback, problems=outcome.problems,
        contents=dict(contents),
    )  # fmt: skip


def _is_closing(worker: Worker) -> bool:
    return worker.status not in (Status.running, Status.paused)


def _ends_soon(worker: Worker) -> bool:
    """Whether its lifetime (`dask worker --lifetime`) is nearly over. The scheduler forgets a worker at that moment, so
    what it has is to be handed over before."""
    if not worker.lifetime:
        return False
    began = worker.monitor.proc.create_time()  # of its process: a little before its lifetime began
    return time.time() > began + worker.lifetime - min(LEAVING_SECONDS, worker.lifetime / 10)


def _is_wanted(worker: Worker, key: str) -> bool:
    """Whether the task is still to be done: not where its driver has gone or cancelled it."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state in ("executing", "long-running")


def _state_of(run: Run, tasks: Tasks) -> tuple[str, bytes] | None:
    path = Checkpoints(tasks.checkpoint_folder, run.settings, run.device).path
    with contextlib.suppress(OSError):
        return path.name, path.read_bytes()
    return None


def ask_to_stop(keys: Sequence[str]) -> set[str]:
    """These cells are to save their states and end. Returns those that are under way here."""
    here = _under_way.intersection(keys)
    _asked.update(here)
    return here


class _Guard(WorkerPlugin):
    """A worker that closes waits until its cell has saved its state."""

    name = "glorot"

    async def teardown(self, worker: Worker) -> None:
        deadline = time.monotonic() + CLOSING_SECONDS
        while _under_way and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
