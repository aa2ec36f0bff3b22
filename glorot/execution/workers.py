"""Worker processes: each runs one cell at a time and reports to the parent.

Workers are spawned, stay for many cells, and end when the parent does, however it ends. One that dies takes only
its cell with it. Asked to stop, a worker saves the state of its cell first.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path

from glorot.errors import DeviceError, GlorotError
from glorot.kernels import devices
from glorot.sweeps.runs import Run
from glorot.training.cell import Outcome, failure, now, run_cell
from glorot.training.loop import HistoryRow

STOP_SECONDS = 60.0  # how long a worker may take to save its state: a segment of training, or an evaluation
Message = Outcome | tuple[int, dict[str, float]]  # the end, or updates done and the newest row of the history


class Stopped(KeyboardInterrupt):
    """A signal asked the runner to stop, and it did so in good order. signum: SIGINT or SIGTERM."""

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class _StopRequested(BaseException):
    """In a worker: the parent wants it to save its state and end."""


@dataclass(frozen=True)
class Tasks:
    """What all cells of a sweep need beside their settings.

    afresh: whether to start over where there is a saved state. threads: of each cell.
    """

    data_folder: Path
    checkpoint_folder: Path
    afresh: bool
    threads: int


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """SIGINT and SIGTERM are noted in a list for the caller to act on; a second one ends the program at once."""
    noted: list[int] = []

    def note(signum: int, frame: object) -> None:
        if noted:
            raise Stopped(signum)
        noted.append(signum)

    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread only
        yield noted
        return
    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class Worker:
    """A spawned process and the cell it is at. gpu: index of the only GPU it may use; None where it needs none."""

    def __init__(self, gpu: int | None = None) -> None:
        self.gpu = gpu
        context = multiprocessing.get_context("spawn")
        self.run: Run | None = None
        self.started = now()
        self.training = False  # whether the cell has begun, and so has a state to save
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, gpu), daemon=True)
        with _one_blas_thread(), _deaf_to_interrupts():
            self.process.start()
        theirs.close()  # so that a dead worker is an end of file here

    def start(self, run: Run, tasks: Tasks) -> None:
        self.run, self.started, self.training = run, now(), False
        with contextlib.suppress(OSError):  # it is dead: receive() will tell
            self.connection.send((run, tasks))

    def receive(self) -> Message:
        """Its next message; a failed outcome where it died. Raises the DeviceError that it met."""
        try:
            message = self.connection.recv()
            self.training = True
        except (EOFError, OSError):
            self.process.join()
            message = failure(_how_it_ended(self.process.exitcode), self.started)
        if isinstance(message, Outcome | DeviceError):
            self.run = None
        if isinstance(message, DeviceError):
            raise message
        return message

    def ask_to_stop(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.send(None)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def messages(workers: Iterable[Worker], timeout: float) -> Iterator[tuple[Run, Message]]:
    """What busy workers have to say, after waiting for it so many seconds at most."""
    busy = [worker for worker in workers if worker.run]
    ready = wait([worker.connection for worker in busy], timeout)
    for worker in busy:
        if worker.connection in ready and worker.run:
            yield worker.run, worker.receive()


def stop(workers: Sequence[Worker]) -> list[tuple[Run, Outcome]]:
    """End all workers. Those that are training save their state first; returns what finished meanwhile."""
    ended: list[tuple[Run, Outcome]] = []
    try:
        saving = [worker for worker in workers if worker.run and worker.training]
        for worker in saving:
            worker.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        while any(worker.run for worker in saving) and time.monotonic() < deadline:
            for run, message in messages(saving, timeout=0.2):
                if isinstance(message, Outcome) and message.status != "failed":
                    ended.append((run, message))
    finally:
        for worker in workers:
            worker.kill()
    return ended


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode == -signal.SIGKILL:
        return "its process was killed (SIGKILL); did the memory run out?"
    with contextlib.suppress(ValueError, TypeError):
        return f"its process was ended by {signal.Signals(-exitcode).name}"  # type: ignore[operator]
    return f"its process ended with exit code {exitcode}"


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Processes started meanwhile keep NumPy's libraries to one thread each."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started meanwhile do not hear Ctrl-C before they can say that they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # now, as its start would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection, gpu: int | None) -> None:
    """A worker's life: receive a cell, report progress, send the outcome, until it is stopped or the parent is gone."""
    if gpu is not None:
        devices.use_only(gpu)
    for signum in (signal.SIGINT, signal.SIGTERM):  # both may reach the whole group; the parent decides
        signal.signal(signum, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError, _StopRequested):
        while (task := connection.recv()) is not None:
            run, tasks = task
            connection.send(_outcome(run, tasks, connection))


def _outcome(run: Run, tasks: Tasks, connection: Connection) -> Outcome | DeviceError:
    started = now()

    def report(update: int, row: HistoryRow) -> None:
        connection.send((update, asdict(row)))
        if connection.poll():  # the only thing the parent sends a busy worker
            raise _StopRequested

    try:
        return run_cell(
            run.settings,
            run.device,
            tasks.threads,
            tasks.data_folder,
            tasks.checkpoint_folder,
            tasks.afresh,
            report,
        )
    except DeviceError as error:  # no fault of this cell; the next one would fare no better
        return error
    except GlorotError as error:
        return failure("; ".join(str(error).splitlines()), started)
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        reason = ": ".join(part for part in (type(error).__name__, first_line) if part)
        return failure(reason, started, traceback.format_exc())


def _end_with_parent() -> None:
    """End this process as soon as the parent has ended, even in the middle of a compilation."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
