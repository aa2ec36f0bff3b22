"""Plans what is to be done of a sweep, does it a few cells at a time, and stores each outcome as it comes.

The parent only hands out cells and stores results; it imports neither Numba nor a data set (``workers.py`` does).
"""

import contextlib
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from glorot import datasets, kernels
from glorot.datasets import AnyData
from glorot.errors import DataError, ResultsError
from glorot.execution.status import ProgressFile, lock_of
from glorot.execution.workers import Stopped, Tasks, Worker, messages, signals_noted, stop
from glorot.results.store import Store, settings_of, write_text
from glorot.sweeps import search
from glorot.sweeps.config import Sweep, dump
from glorot.sweeps.runs import STATUSES, Run, expand
from glorot.training.cell import Outcome
from glorot.training.checkpoint import Checkpoints

FINISHED = ("done", "diverged")  # a diverged run is a result; a failed one is none


# What is to be done. -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A sweep's runs: all of them, the selected ones, and of these the ones to do. All in grid order.

    statuses: run_id -> status of what was stored before.

    Where the sweep has a search, runs has the short ones in front; selected those that are selected (short) and the
    long ones chosen so far. later: stand-ins for the long runs that can be chosen once the runs to do have ended.
    held_up: how many wait for short runs that are not selected.
    """

    sweep: Sweep
    device: str
    runs: list[Run]
    selected: list[Run]
    to_do: list[Run]
    statuses: dict[str, str]
    store: Store
    only: Sequence[str] = ()
    rerun: bool = False
    retry_failed: bool = False
    short: list[Run] = field(default_factory=list)
    later: list[Run] = field(default_factory=list)
    held_up: int = 0


def make_plan(
    sweep: Sweep,
    output: Path,
    device: str,
    only: Sequence[str] = (),
    rerun: bool = False,
    retry_failed: bool = False,
    ended: Collection[str] = (),
) -> Plan:
    """What is to be done: the selected runs that were not run yet. Writes nothing.

    rerun: all of them, finished or not. retry_failed: those that failed, too. ended: run_ids that are not to be done
    again all the same. Raises SweepError and ResultsError.
    """
    runs, selected = expand(sweep, device), expand(sweep, device, only)
    short = search.short_runs(sweep, runs)
    every = [*search.flat(short), *runs]
    store = Store(output / sweep.name, [run.run_id for run in every])
    statuses = store.statuses()
    settled = () if rerun else FINISHED if retry_failed else STATUSES

    def to_do(runs: Iterable[Run]) -> list[Run]:
        return [run for run in runs if run.run_id not in ended and statuses.get(run.run_id) not in settled]

    if not sweep.search:
        return Plan(sweep, device, every, selected, to_do(selected), statuses, store, only, rerun, retry_failed)
    first = search.flat(search.of_settings(short, sweep, selected))
    waiting = {run.run_id for run in to_do(first)}
    found = store.rows() if statuses else {}
    stages = search.stages(sweep, short, selected, found, waiting)
    selected = [*first, *stages.chosen]
    return Plan(
        sweep, device, every, selected, to_do(selected), statuses, store, only, rerun, retry_failed,
        first, stages.later, stages.held_up,
    )  # fmt: skip


def missing_data(plan: Plan, folder: Path) -> dict[AnyData, str]:
    """The data sets that the runs to do need and that are not there, each with a message."""
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
                    f"{datasets.remedy(name, again=True)}"
                )
    if problems:
        raise DataError("\n".join(problems))


def _needed(plan: Plan) -> list[AnyData]:
    return list(dict.fromkeys(run.settings.dataset for run in plan.to_do))


# Doing it. -----------------------------------------------------------------------------------------


class Observer(Protocol):
    """Whom the runner tells what happens (``progress.py``)."""

    def started(self, run: Run) -> None: ...

    def progressed(self, run: Run, update: int, row: dict[str, float]) -> None: ...

    def finished(self, run: Run, outcome: Outcome) -> None: ...

    def planned(self, runs: Sequence[Run]) -> None:
        """These are to follow, now that the search has chosen them."""


def run_plan(
    plan: Plan,
    data_folder: Path,
    checkpoint_folder: Path,
    jobs: int | None,
    observer: Observer,
    fail_fast: bool = False,
) -> Plan:
    """Do what is to be done and store it. Returns the plan, with the runs a search has chosen meanwhile.

    fail_fast: stop at the first run that fails. Raises ResultsError where it cannot be stored, and workers.Stopped
    after a signal.
    """
    with _alone_in(plan.store.folder):
        plan.store.write_sweep(dump(plan.sweep, plan.store.folder), [settings_of(run) for run in plan.runs])
        with signals_noted() as noted:  # over both stages of a search: none is lost between them
            while plan.to_do:
                # Long runs that are chosen already wait too: else those chosen next would wait for these to end.
                stage = [run for run in plan.to_do if run in plan.short] if plan.later else plan.to_do
                at_once, threads = share_cores(len(stage), jobs, len(kernels.gpus(plan.device)))
                tasks = Tasks(data_folder, checkpoint_folder, plan.rerun, threads)
                execute(stage, plan.store, tasks, at_once, observer, fail_fast, noted)
                statuses = plan.store.statuses() if fail_fast else {}
                if not plan.later or any(statuses.get(run.run_id) == "failed" for run in stage):
                    break
                plan = _after_search(plan, stage)
                observer.planned(plan.to_do)
    return plan


def _after_search(plan: Plan, stage: Sequence[Run]) -> Plan:
    """What is to be done when this stage, all the short runs there were to do, has ended."""
    ended = [run.run_id for run in stage]
    folder = plan.store.folder.parent
    return make_plan(plan.sweep, folder, plan.device, plan.only, plan.rerun, plan.retry_failed, ended)


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


def share_cores(runs: int, jobs: int | None, gpus: int = 0) -> tuple[int, int]:
    """(jobs, threads a job) for so many runs: single-threaded runs side by side, unless there are too few.

    gpus: where the runs need one each, how many there are.
    """
    jobs = max(1, min(jobs or cores(), runs, gpus or runs))
    return jobs, max(1, cores() // jobs)


def execute(
    runs: Sequence[Run],
    store: Store,
    tasks: Tasks,
    jobs: int,
    observer: Observer,
    fail_fast: bool,
    signals: list[int] | None = None,
) -> None:
    """Run all, `jobs` at a time, and store each outcome. signals: those that came, where the caller notes them.

    Ends early by Stopped (a signal), or a GlorotError where results cannot be written or a device is gone. What has
    finished is stored
    by then, the state of what was under way is saved, and no worker is left.
    """
    waiting = deque(runs)
    workers: list[Worker] = []
    progress = ProgressFile(store.folder)
    with signals_noted() if signals is None else contextlib.nullcontext(signals) as noted:
        try:
            while not noted and (waiting or any(worker.run for worker in workers)):
                workers[:] = [worker for worker in workers if worker.run or worker.process.is_alive()]
                while waiting and sum(worker.run is not None for worker in workers) < jobs:
                    worker = next((worker for worker in workers if not worker.run), None)
                    if worker is None:
                        taken = {one.gpu for one in workers}
                        worker = Worker(
                            next((gpu for gpu in kernels.gpus(waiting[0].device) if gpu not in taken), None)
                        )
                        workers.append(worker)
                    run = waiting.popleft()
                    worker.start(run, tasks)
                    observer.started(run)
                for run, message in messages(workers, timeout=0.2):
                    if isinstance(message, Outcome):
                        _write(store, run, message, tasks)
                        progress.remove(run)
                        observer.finished(run, message)
                        if fail_fast and message.status == "failed":
                            return
                    else:
                        progress.add(run, *message)
                        observer.progressed(run, *message)
        finally:
            for run, outcome in stop(workers):
                _write(store, run, outcome, tasks)
                observer.finished(run, outcome)
            progress.close()
    if noted:
        raise Stopped(noted[0])


def _write(store: Store, run: Run, outcome: Outcome, tasks: Tasks) -> None:
    details = traceback_file(store, run)
    if outcome.traceback:
        write_text(details, outcome.traceback)
    elif details.exists():  # of the time before
        with contextlib.suppress(OSError):
            details.unlink()
            details.parent.rmdir()
    record = {**settings_of(run), **outcome.result}
    store.write_run(record, outcome.provenance, outcome.history, outcome.probes, outcome.correct)
    if outcome.status in FINISHED:
        Checkpoints(tasks.checkpoint_folder, run.settings, run.device).discard()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two that write the same results would lose each other's rows: the second one is refused."""
    import filelock

    lock = lock_of(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise ResultsError(
            f"another glorot is writing to {folder}; wait until it has ended, or choose another folder with --output"
        ) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    except OSError as error:
        raise ResultsError(
            f"cannot write {lock.lock_file}: {error.strerror}; choose another folder with --output"
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
