"""Worker processes, an engine: each runs one cell at a time and reports to the parent.

Workers are spawned, stay for many cells, and end when the parent does, however it ends. One that dies takes only
its cell with it. Asked to stop, a worker saves the state of its cell first.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from multiprocessing.connection import Connection, wait

from glorot import machine
from glorot.errors import DeviceError
from glorot.execution.engine import Message, Progress, Tasks, carry_out
from glorot.kernels import devices
from glorot.machine import cores
from glorot.sweeps.runs import Run
from glorot.training.cell import Outcome, failure, now
from glorot.training.loop import HistoryRow

STOP_SECONDS = 60.0  # how long a worker may take to save its state: a segment of training, or an evaluation


class _StopRequested(BaseException):
    """In a worker: the parent wants it to save its state and end."""


class Worker:
    """A spawned process and the cell it is at. gpu: index of the only GPU it may use; None where it needs none."""

    def __init__(self, gpu: int | None = None) -> None:
        self.gpu = gpu
        context = multiprocessing.get_context("spawn")
        self.run: Run | None = None
        self.started = now()
        self.training = False  # whether the cell has begun, and so has a state to save
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, gpu, machine.working_folder()), daemon=True)
        with machine.starting():
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


class Processes:
    """An Engine of worker processes on this machine.

    jobs: how many at a time; None: as many as there are processors. gpus: indices of those that cells share, one each;
    none where they need none.
    """

    def __init__(self, tasks: Tasks, jobs: int | None = None, gpus: Sequence[int] = ()) -> None:
        self.tasks, self.jobs, self.gpus = tasks, jobs, gpus
        self.workers: list[Worker] = []

    def capacity(self, cells: int) -> int:
        at_once, threads = share_cores(cells, self.jobs, len(self.gpus))
        self.tasks = replace(self.tasks, threads=threads)
        return at_once

    def start(self, run: Run) -> None:
        self.workers = [worker for worker in self.workers if worker.run or worker.process.is_alive()]
        worker = next((worker for worker in self.workers if not worker.run), None)
        if worker is None:
            taken = {one.gpu for one in self.workers}
            worker = Worker(next((gpu for gpu in self.gpus if gpu not in taken), None))
            self.workers.append(worker)
        worker.start(run, self.tasks)

    def messages(self, timeout: float) -> Iterator[tuple[Run, Message]]:
        """Raises the DeviceError that a worker met."""
        return _messages(self.workers, timeout)

    def stop(self) -> list[tuple[Run, Outcome]]:
        """Those that are training save their state first; then all processes are ended."""
        workers, self.workers = self.workers, []
        ended: list[tuple[Run, Outcome]] = []
        try:
            saving = [worker for worker in workers if worker.run and worker.training]
            for worker in saving:
                worker.ask_to_stop()
            deadline = time.monotonic() + STOP_SECONDS
            while any(worker.run for worker in saving) and time.monotonic() < deadline:
                for run, message in _messages(saving, timeout=0.2):
                    if isinstance(message, Outcome) and message.status != "failed":
                        ended.append((run, message))
        finally:
            for worker in workers:
                worker.kill()
        return ended


def _messages(workers: Iterable[Worker], timeout: float) -> Iterator[tuple[Run, Message]]:
    """What busy workers have to say, after waiting for it so many seconds at most."""
    busy = [worker for worker in workers if worker.run]
    ready = wait([worker.connection for worker in busy], timeout)
    for worker in busy:
        if worker.connection in ready and worker.run:
            yield worker.run, worker.receive()


def share_cores(runs: int, jobs: int | None, gpus: int = 0) -> tuple[int, int]:
    """(jobs, threads a job) for so many runs: single-threaded runs side by side, unless there are too few.

    gpus: where the runs need one each, how many there are.
    """
    jobs = max(1, min(jobs or cores(), runs, gpus or runs))
    return jobs, max(1, cores() // jobs)


def _how_it_ended(exitcode: int | None) -> str:
    with contextlib.suppress(ValueError, TypeError):
        name = signal.Signals(-exitcode).name  # type: ignore[operator]
        if name == "SIGKILL":  # by name: Windows has none
            return "its process was killed (SIGKILL); did the memory run out?"
        return f"its process was ended by {name}"
    return f"its process ended with exit code {exitcode}"


def _work(connection: Connection, gpu: int | None, folder: str) -> None:
    """A worker's life: receive a cell, report progress, send the outcome, until it is stopped or the parent is gone."""
    if gpu is not None:
        devices.use_only(gpu)
    machine.started(folder)
    with contextlib.suppress(EOFError, OSError, _StopRequested):
        while (task := connection.recv()) is not None:
            run, tasks = task
            connection.send(_outcome(run, tasks, connection))


def _outcome(run: Run, tasks: Tasks, connection: Connection) -> Outcome | DeviceError:
    def report(update: int, row: HistoryRow) -> None:
        connection.send(Progress(update, asdict(row)))
        if connection.poll():  # the only thing the parent sends a busy worker
            raise _StopRequested

    return carry_out(run, tasks, report)
