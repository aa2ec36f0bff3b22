"""Runs cells in worker processes, a few at a time, and stores each outcome as it comes.

The parent only hands out cells and stores results; it imports neither Numba nor a data set. Workers are spawned,
stay for many cells, and end when the parent does, however it ends. One that dies takes only its cell with it.
"""

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

from glorot import datasets
from glorot.cell import Outcome, failure, run_cell
from glorot.config import Sweep, dump
from glorot.errors import DataError, GlorotError
from glorot.results import STATUSES, Store, settings_of
from glorot.sweep import Run, expand


@dataclass(frozen=True)
class Plan:
    """A sweep's runs: all of them, the selected ones, and of these the ones to do. All in grid order."""

    sweep: Sweep
    device: str
    runs: list[Run]
    selected: list[Run]
    to_do: list[Run]
    store: Store


def plan(sweep: Sweep, output: Path, device: str, only: Sequence[str] = (), rerun: bool = False) -> Plan:
    """What is to be done: the selected runs that have no result yet (all of them, with rerun). Writes nothing.

    A diverged run is a result; a failed one is none. Raises SweepError and ResultsError.
    """
    runs, selected = expand(sweep, device), expand(sweep, device, only)
    store = Store(output / sweep.name, [run.run_id for run in runs])
    statuses = store.statuses()
    to_do = [run for run in selected if rerun or statuses.get(run.run_id) not in ("done", "diverged")]
    return Plan(sweep, device, runs, selected, to_do, store)


def missing_data(plan: Plan, folder: Path) -> list[str]:
    """A message for each data set that the runs to do need and that is not there."""
    messages = []
    for name in dict.fromkeys(run.settings.dataset for run in plan.to_do):
        missing = datasets.missing_files(name, folder)
        if missing:
            messages.append(datasets.not_there(name, folder, missing))
    return messages


def check_data(plan: Plan, folder: Path) -> None:
    """Raise a DataError before anything is run or written, where a data set is not there."""
    messages = missing_data(plan, folder)
    if messages:
        raise DataError("\n".join(messages))


def run(plan: Plan, data_folder: Path, jobs: int | None, observer: "Observer") -> dict[str, int]:
    """Do what is to be done and store it. Returns how many of the selected runs have which status in the end."""
    plan.store.write_sweep(dump(plan.sweep), [settings_of(run) for run in plan.runs])
    if plan.to_do:
        jobs, threads = share_cores(len(plan.to_do), jobs)
        execute(plan.to_do, plan.store, data_folder, jobs, threads, observer)
    statuses = plan.store.statuses()
    return {status: sum(statuses.get(run.run_id) == status for run in plan.selected) for status in STATUSES}


class Observer(Protocol):
    """Whom the runner tells what happens (``progress.py``)."""

    def started(self, run: Run) -> None: ...

    def progressed(self, run: Run, update: int, row: dict[str, float]) -> None: ...

    def finished(self, run: Run, outcome: Outcome) -> None: ...


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(runs: int, jobs: int | None) -> tuple[int, int]:
    """(jobs, threads a job) for so many runs: single-threaded runs side by side, unless there are too few."""
    jobs = max(1, min(jobs or cores(), runs))
    return jobs, max(1, cores() // jobs)


def execute(runs: Sequence[Run], store: Store, data_folder: Path, jobs: int, threads: int, observer: Observer) -> None:
    """Run all, `jobs` at a time with `threads` threads each, and store each outcome.

    Ends early only by an exception: KeyboardInterrupt, or a GlorotError where results cannot be written. What has
    finished is stored by then, and no worker is left.
    """
    waiting = deque(runs)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.run for worker in workers):
            while waiting and sum(worker.run is not None for worker in workers) < jobs:
                worker = next((w for w in workers if w.run is None), None)
                if worker is None:
                    worker = _Worker()
                    workers.append(worker)
                run = waiting.popleft()
                worker.start(run, data_folder, threads)
                observer.started(run)
            busy = {worker.connection: worker for worker in workers if worker.run}
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                run = worker.run
                assert run is not None
                message = worker.receive()
                if isinstance(message, Outcome):
                    store.write_run({**settings_of(run), **message.result}, message.provenance, message.history)
                    observer.finished(run, message)
                    if not worker.process.is_alive():
                        workers.remove(worker)
                else:
                    observer.progressed(run, *message)
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A spawned process and the cell it is at."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _one_blas_thread():
            self.process.start()
        theirs.close()  # so that a dead worker is an end of file here
        self.run: Run | None = None

    def start(self, run: Run, data_folder: Path, threads: int) -> None:
        self.run = run
        try:
            self.connection.send((run, data_folder, threads))
        except OSError:
            pass  # it is dead: receive() will tell

    def receive(self) -> Outcome | tuple[int, dict[str, float]]:
        """Its next message; a failed outcome where it died."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            message = failure(_how_it_ended(self.process.exitcode))
        if isinstance(message, Outcome):
            self.run = None
        return message

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended with exit code {exitcode}"


@contextmanager
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


def _work(connection: Connection) -> None:
    """A worker's life: receive a cell, report progress, send the outcome, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    while True:
        try:
            run, data_folder, threads = connection.recv()
            try:
                outcome = run_cell(
                    run.settings,
                    run.device,
                    threads,
                    data_folder,
                    lambda update, row: connection.send((update, asdict(row))),
                )
            except (BrokenPipeError, ConnectionResetError):
                raise
            except GlorotError as error:
                outcome = failure(str(error))
            except Exception as error:
                traceback.print_exc()
                outcome = failure(f"{type(error).__name__}: {error}")
            connection.send(outcome)
        except (EOFError, OSError):
            return
