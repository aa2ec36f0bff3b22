"""Does what a plan says, a few cells at a time, and stores each outcome as it comes.

This process only hands out cells and stores results; it imports neither Numba nor a data set (the engine's workers do).
"""

import contextlib
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from glorot import files, machine
from glorot.errors import ResultsError
from glorot.execution.engine import Engine, GivenBack
from glorot.execution.plan import FINISHED, Plan, plan_after, traceback_file
from glorot.execution.status import ProgressFile, lock_of
from glorot.machine import Stopped
from glorot.results.store import Store, Stored, settings_of, write_bytes
from glorot.sweeps.runs import Run
from glorot.sweeps.written import dump
from glorot.training.cell import Outcome
from glorot.training.checkpoint import discard

STORE_SECONDS = 1.0  # the least time between two times that results are stored
STORE_MOST = 50  # results that wait for it


class Observer(Protocol):
    """Whom `run_plan` tells what happens (``progress.py``)."""

    def started(self, run: Run) -> None: ...

    def progressed(self, run: Run, update: int, row: dict[str, float]) -> None: ...

    def finished(self, run: Run, outcome: Outcome) -> None: ...

    def planned(self, runs: Sequence[Run]) -> None:
        """These are to follow, now that the search has chosen them."""

    def noted(self, text: str) -> None:
        """Something about the whole that the user should know."""

    def given_back(self, run: Run, reason: str) -> None:
        """It is to be started again, elsewhere perhaps."""


def run_plan(plan: Plan, engine: Engine, checkpoint_folder: Path, observer: Observer, fail_fast: bool = False) -> Plan:
    """Do what is to be done and store it. Returns the plan, with the runs a search has chosen meanwhile.

    checkpoint_folder: where the states of cells under way are. fail_fast: stop at the first run that fails. Raises
    ResultsError where it cannot be stored, Stopped after a signal, and what the engine raises.
    """
    sweep = plan.request.sweep
    with _alone_in(plan.store.folder, observer):
        plan.store.write_sweep(dump(sweep, plan.store.folder), [settings_of(run) for run in plan.runs])
        with signals_noted() as noted, _folded(plan.store):  # over both stages of a search: none is lost between them
            while plan.to_do:
                # Long runs that are chosen already wait too: else those chosen next would wait for these to end.
                short, later = {run.run_id for run in plan.search.short}, plan.search.later
                stage = [run for run in plan.to_do if run.run_id in short] if later else plan.to_do
                failed = execute(stage, plan.store, engine, checkpoint_folder, observer, fail_fast, noted)
                if not later or failed:
                    break
                plan = plan_after(plan, stage)
                observer.planned(plan.to_do)
    return plan


@contextlib.contextmanager
def _folded(store: Store) -> Iterator[None]:
    """Has the tables of the store whole at the end, if that can be."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ResultsError):  # what it raised says more
            store.fold()
        raise
    store.fold()


def execute(
    runs: Sequence[Run],
    store: Store,
    engine: Engine,
    checkpoint_folder: Path,
    observer: Observer,
    fail_fast: bool = False,
    signals: list[int] | None = None,
) -> bool:
    """Run all, as many at a time as the engine takes, and store each outcome. Returns whether it stopped at a failure.

    signals: those that came, where the caller notes them. Ends early by Stopped (a signal), or a GlorotError where
    results cannot be written or the engine cannot go on. What has finished is stored by then, the state of what was
    under way is saved, and the engine has no cell left.
    """
    waiting, under_way = deque(runs), 0
    progress = ProgressFile(store.folder)
    ended = Ended(store, checkpoint_folder, progress, observer)
    with signals_noted() if signals is None else contextlib.nullcontext(signals) as noted:
        try:
            while not noted and (waiting or under_way):
                while waiting and under_way < engine.capacity(len(runs)):
                    run = waiting.popleft()
                    under_way += 1
                    engine.start(run)
                    observer.started(run)
                for run, message in engine.messages(timeout=0.2):
                    if isinstance(message, Outcome):
                        under_way -= 1
                        ended.add(run, message)
                        if fail_fast and message.status == "failed":
                            return True
                    elif isinstance(message, GivenBack):
                        under_way -= 1
                        waiting.appendleft(run)
                        progress.remove(run)
                        observer.given_back(run, message.reason)
                    else:
                        progress.add(run, *message)
                        observer.progressed(run, *message)
                ended.store_if_due()
        finally:
            try:
                for run, outcome in engine.stop():
                    ended.add(run, outcome)
            finally:
                progress.close()
                ended.store()
    if noted:
        raise Stopped(noted[0])
    return False


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Signals that ask to stop are noted in a list for the caller to act on; a second one ends the program at once."""
    noted: list[int] = []

    def note(signum: int, frame: object) -> None:
        if noted:
            raise Stopped(signum)
        noted.append(signum)

    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread only
        yield noted
        return
    before = {signum: signal.signal(signum, note) for signum in machine.heeded()}
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class Ended:
    """Cells that have ended, and are stored a few at a time: so many short ones wait for the disk together.

    A failure never takes the place of a result: a run that was finished before and failed when it was made again keeps
    all that is stored of it, and a file says why it failed.
    """

    def __init__(self, results: Store, checkpoint_folder: Path, progress: ProgressFile, observer: Observer):
        self.results, self.checkpoint_folder = results, checkpoint_folder
        self.progress, self.observer = progress, observer
        self._waiting: list[tuple[Run, Outcome]] = []
        self._stored = 0.0

    def add(self, run: Run, outcome: Outcome) -> None:
        self._waiting.append((run, outcome))

    def store_if_due(self) -> None:
        if time.monotonic() - self._stored >= STORE_SECONDS or len(self._waiting) >= STORE_MOST:
            self.store()

    def store(self) -> None:
        """Raises ResultsError, with the states of these cells as they were; they wait for the next time then."""
        ended = self._waiting
        if not ended:
            return
        kept = {run.run_id for run, one in ended if one.status == "failed" and run.run_id in self._finished}
        whys = {
            run.run_id: one.traceback or (f"{one.provenance['reason']}\n" if run.run_id in kept else "")
            for run, one in ended
        }
        for run, _ in ended:
            if why := whys[run.run_id]:
                write_bytes(traceback_file(self.results, run), why.encode("utf-8", "backslashreplace"))
        _remove_tracebacks([traceback_file(self.results, run) for run, _ in ended if not whys[run.run_id]])
        self.results.write_runs([
            Stored(
                {**settings_of(run), **one.result}, one.provenance, one.history, one.probes, one.correct,
                one.predictions, one.pretraining, one.contents,
            )
            for run, one in ended if run.run_id not in kept
        ])  # fmt: skip
        self._waiting = []
        discard(self.checkpoint_folder, [run for run, outcome in ended if outcome.status in FINISHED])
        for run, outcome in ended:
            self.progress.remove(run)
            self.observer.finished(run, outcome)
            if run.run_id in kept:
                self.observer.noted(f"run {run.run_id} has a result from before, which is kept")
        self._stored = time.monotonic()

    @cached_property
    def _finished(self) -> set[str]:
        """The runs with a result, when the first one fails: none of those that end later."""
        return {run_id for run_id, status in self.results.statuses().items() if status in FINISHED}


def _remove_tracebacks(tracebacks: Sequence[Path]) -> None:
    """Those of the time before."""
    if tracebacks and tracebacks[0].parent.is_dir():  # of all of them
        for details in tracebacks:
            with contextlib.suppress(OSError):
                details.unlink()
                details.parent.rmdir()


@contextlib.contextmanager
def _alone_in(folder: Path, observer: Observer) -> Iterator[None]:
    """Two that write the same results would lose each other's rows: the second one is refused."""
    import filelock

    lock = lock_of(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if files.can_lock(Path(lock.lock_file)):
            lock.acquire()
        else:
            observer.noted(f"the file system of {folder} has no locks: let no other glorot write there meanwhile")
    except filelock.Timeout:
        raise ResultsError(
            f"another glorot is writing to {folder}; wait until it has ended, or choose another folder with --output"
        ) from None
    except OSError as error:
        raise ResultsError(
            f"cannot write {lock.lock_file}: {error.strerror}; choose another folder with --output"
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
