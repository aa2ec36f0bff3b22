"""Runs cells in worker processes, a few at a time, and stores each outcome as it comes.

The parent only hands out cells and stores results; it imports neither Numba nor a data set. Workers are spawned,
stay for many cells, and end when the parent does, however it ends. One that dies takes only its cell with it.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

from glorot import datasets
from glorot.cell import Outcome, failure, now, run_cell
from glorot.config import Sweep, dump
from glorot.errors import DataError, GlorotError, ResultsError
from glorot.results import STATUSES, Store, settings_of, write_text
from glorot.sweep import Run, expand

FINISHED = ("done", "diverged")  # a diverged run is a result; a failed one is none


# What is to be done. -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A sweep's runs: all of them, the selected ones, and of these the ones to do. All in grid order.

    statuses: run_id -> status of what was stored before.
    """

    sweep: Sweep
    device: str
    runs: list[Run]
    selected: list[Run]
    to_do: list[Run]
    statuses: dict[str, str]
    store: Store


def make_plan(sweep: Sweep, output: Path, device: str, only: Sequence[str] = (), rerun: bool = False) -> Plan:
    """What is to be done: the selected runs that have no result yet (all of them, with rerun). Writes nothing.

    Raises SweepError and ResultsError.
    """
    runs, selected = expand(sweep, device), expand(sweep, device, only)
    store = Store(output / sweep.name, [run.run_id for run in runs])
    statuses = store.statuses()
    to_do = [run for run in selected if rerun or statuses.get(run.run_id) not in FINISHED]
    return Plan(sweep, device, runs, selected, to_do, statuses, store)


def missing_data(plan: Plan, folder: Path) -> dict[str, str]:
    """The data sets that the runs to do need and that are not there: name -> message."""
    messages = {}
    for name in _needed(plan):
        missing = datasets.missing_files(name, folder)
        if missing:
            messages[name] = datasets.not_there(name, folder, missing)
    return messages


def check_data(plan: Plan, folder: Path) -> None:
    """Raise a DataError, before anything is run or written, where a data set is not there or not as published."""
    missing = missing_data(plan, folder)
    problems = list(missing.values())
    there = [name for name in _needed(plan) if name not in missing]
    if missing and not folder.is_dir():
        problems.append(f"the folder of the data sets, {folder}, does not exist; --data or GLOROT_DATA names another")
    if missing and there:
        only = " ".join(f"--only dataset={name}" for name in there)
        problems.append(f"to run what needs none of these: {only}")
    for name in there:
        for file, status in datasets.verify(name, folder):
            if status.startswith(("wrong", "unreadable")):
                problems.append(
                    f"data set {name}: {file.path}: {status}, expected SHA-256 {file.sha256}; "
                    f"get it again with `glorot data fetch {name}`"
                )
    if problems:
        raise DataError("\n".join(problems))


def _needed(plan: Plan) -> list[str]:
    return list(dict.fromkeys(run.settings.dataset for run in plan.to_do))


# Doing it. -----------------------------------------------------------------------------------------


class Observer(Protocol):
    """Whom the runner tells what happens (``progress.py``)."""

    def started(self, run: Run) -> None: ...

    def progressed(self, run: Run, update: int, row: dict[str, float]) -> None: ...

    def finished(self, run: Run, outcome: Outcome) -> None: ...


def run_plan(plan: Plan, data_folder: Path, jobs: int | None, observer: Observer) -> None:
    """Do what is to be done and store it. Raises ResultsError where it cannot be stored."""
    with _alone_in(plan.store.folder):
        plan.store.write_sweep(dump(plan.sweep), [settings_of(run) for run in plan.runs])
        if plan.to_do:
            jobs, threads = share_cores(len(plan.to_do), jobs)
            execute(plan.to_do, plan.store, data_folder, jobs, threads, observer)


def tally(plan: Plan) -> dict[str, int]:
    """How many of the selected runs have which status now; those without any are not counted."""
    statuses = plan.store.statuses()
    return {status: sum(statuses.get(run.run_id) == status for run in plan.selected) for status in STATUSES}


def troubles(plan: Plan) -> list[tuple[Run, str]]:
    """The selected runs that diverged or failed, each with what happened."""
    runs = plan.store.read_runs().set_index("run_id")
    reasons = plan.store.read_provenance().set_index("run_id")["reason"]
    found = []
    for run in plan.selected:
        status = runs["status"].get(run.run_id)
        if status == "diverged":
            updates = runs["updates_done"][run.run_id]
            found.append((run, f"diverged: the loss was not finite any more after {updates:,} updates"))
        elif status == "failed":
            details = traceback_file(plan.store, run)
            where = f" (traceback in {details})" if details.exists() else ""
            found.append((run, f"failed: {reasons.get(run.run_id, 'no reason is stored')}{where}"))
    return found


def traceback_file(store: Store, run: Run) -> Path:
    """Where the traceback of a failed run is, if it left one."""
    return store.folder / "failures" / f"{run.run_id}.txt"


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
            workers[:] = [worker for worker in workers if worker.run or worker.process.is_alive()]
            while waiting and sum(worker.run is not None for worker in workers) < jobs:
                worker = next((worker for worker in workers if not worker.run), None)
                if worker is None:
                    worker = _Worker()
                    workers.append(worker)
                run = waiting.popleft()
                worker.start(run, data_folder, threads)
                observer.started(run)
            ready = wait([worker.connection for worker in workers if worker.run])
            for worker in workers:
                if worker.run and worker.connection in ready:
                    run, message = worker.run, worker.receive()
                    if isinstance(message, Outcome):
                        _write(store, run, message)
                        observer.finished(run, message)
                    else:
                        observer.progressed(run, *message)
    finally:
        for worker in workers:
            worker.stop()


def _write(store: Store, run: Run, outcome: Outcome) -> None:
    details = traceback_file(store, run)
    if outcome.traceback:
        write_text(details, outcome.traceback)
    elif details.exists():  # of the time before
        with contextlib.suppress(OSError):
            details.unlink()
            details.parent.rmdir()
    store.write_run({**settings_of(run), **outcome.result}, outcome.provenance, outcome.history)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two that write the same results would lose each other's rows: the second one is refused."""
    import filelock

    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise ResultsError(
            f"another glorot is writing to {folder}; wait until it has ended, or choose another folder with --output"
        ) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}; choose another folder with --output") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


# Workers. ------------------------------------------------------------------------------------------


class _Worker:
    """A spawned process and the cell it is at."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.run: Run | None = None
        self.started = now()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _one_blas_thread(), _deaf_to_interrupts():
            self.process.start()
        theirs.close()  # so that a dead worker is an end of file here

    def start(self, run: Run, data_folder: Path, threads: int) -> None:
        self.run, self.started = run, now()
        with contextlib.suppress(OSError):  # it is dead: receive() will tell
            self.connection.send((run, data_folder, threads))

    def receive(self) -> Outcome | tuple[int, dict[str, float]]:
        """Its next message; a failed outcome where it died."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            message = failure(_how_it_ended(self.process.exitcode), self.started)
        if isinstance(message, Outcome):
            self.run = None
        return message

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


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
    """Processes started meanwhile do not hear Ctrl-C, which reaches the whole group: the parent decides."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # now, as its start would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection) -> None:
    """A worker's life: receive a cell, report progress, send the outcome, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for where _deaf_to_interrupts can do nothing
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            run, data_folder, threads = connection.recv()
            connection.send(_outcome(run, data_folder, threads, connection))


def _outcome(run: Run, data_folder: Path, threads: int, connection: Connection) -> Outcome:
    started = now()
    try:
        return run_cell(
            run.settings,
            run.device,
            threads,
            data_folder,
            lambda update, row: connection.send((update, asdict(row))),
        )
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
