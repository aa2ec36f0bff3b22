"""What is to be done of a sweep: its runs, those that are selected, and of these the ones that have no result yet.

Nothing here runs anything (``execute.py`` does), and it imports neither Numba nor a data set.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from glorot import kernels
from glorot.datasets import loading
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.local import AnyData, LocalData
from glorot.errors import DataError, DeviceError, SweepError
from glorot.models.architectures import MODELS
from glorot.results.store import Store
from glorot.results.troubles import what_happened
from glorot.sweeps import search
from glorot.sweeps.runs import STATUSES, Run, as_stored, expand, kept
from glorot.sweeps.settings import Settings
from glorot.sweeps.sweep import Sweep, versions_of

FINISHED = ("done", "diverged")  # a diverged run is a result; a failed one is none


@dataclass(frozen=True)
class Request:
    """What a user asks for: runs of a sweep on a kind of device.

    only: KEY=VALUE, the runs to keep. rerun: do all of them, finished or not. retry_failed: those that failed, too, and
    those that failed when they were made again.
    """

    sweep: Sweep
    device: str = "cpu"
    only: Sequence[str] = ()
    rerun: bool = False
    retry_failed: bool = False

    @property
    def settled(self) -> Sequence[str]:
        """The statuses of runs that are not to be done again."""
        return () if self.rerun else FINISHED if self.retry_failed else STATUSES


@dataclass(frozen=True)
class Search:
    """What a sweep's search adds to a plan; nothing where it has none.

    short: the selected short runs. later: stand-ins for the long runs that can be chosen once the runs to do have
    ended. held_up: how many wait for short runs that are not selected.
    """

    short: list[Run] = field(default_factory=list)
    later: list[Run] = field(default_factory=list)
    held_up: int = 0


@dataclass(frozen=True)
class Plan:
    """A sweep's runs: all of them, the selected ones, and of these the ones to do. All in grid order.

    statuses: run_id -> status of what was stored before. Where the sweep has a search, runs has the short ones in
    front; selected those that are selected (short) and the long ones chosen so far. grid: the selected runs of
    the sweep itself, chosen or not.
    """

    request: Request
    store: Store
    statuses: dict[str, str]
    runs: list[Run]
    selected: list[Run]
    to_do: list[Run]
    grid: list[Run]
    search: Search = Search()


def to_run(sweep: Sweep, overrides: Sequence[str] = ()) -> Sweep:
    """The sweep as it is run: with overrides, the options of --set, it is a trial, with a folder of its own.

    Raises SweepError where it is of another version of a data set than there is now: today's images would be stored as
    results of those that are gone.
    """
    for name, version in versions_of(sweep).items():
        today = DATASETS[name].version
        if version != today:
            raise SweepError(
                f"sweep {sweep.name}: versions.{name}: expected {today}, the only version that this glorot can make; "
                f"found {version}. Remove `versions` to run the sweep with version {today}"
            )
    return replace(sweep, name=f"{sweep.name}-trial") if overrides else sweep


def make_plan(request: Request, output: Path, ended: Collection[str] = (), store: Store | None = None) -> Plan:
    """What is to be done: the selected runs that were not run yet. Writes nothing.

    output: the folder of all results. ended: run_ids that are not to be done again all the same. store: of the sweep's
    folder, where there is one already. Raises SweepError and ResultsError.
    """
    sweep, device = request.sweep, request.device
    runs = expand(sweep, device)
    selected = kept(runs, request.only)
    grid = selected
    short = search.short_runs(sweep, runs)
    every = [*search.flat(short), *runs]
    store = store or Store(output / sweep.name, [run.run_id for run in every])
    statuses, settled = store.statuses(), request.settled
    again = store.failed_again() if request.retry_failed else set()

    def to_do(runs: Iterable[Run]) -> list[Run]:
        waiting = [run for run in runs if statuses.get(run.run_id) not in settled or run.run_id in again]
        return [run for run in waiting if run.run_id not in ended]

    if not sweep.search:
        return Plan(request, store, statuses, every, selected, to_do(selected), grid)
    first = search.flat(search.of_settings(short, sweep, selected))
    waiting = {run.run_id for run in to_do(first)}
    found = store.rows() if statuses else {}
    stages = search.stages(sweep, short, selected, found, waiting)
    selected = [*first, *stages.chosen]
    ahead = Search(first, stages.later, stages.held_up)
    return Plan(request, store, statuses, every, selected, to_do(selected), grid, ahead)


def plan_of_stored(sweep: Sweep, output: Path) -> Plan:
    """The plan of a sweep that ran before, for the device on which most of its runs ended, with the runs of another one
    where only that has them. Raises as make_plan."""
    plans = [make_plan(Request(sweep, device), output) for device in kernels.DEVICES if device != "auto"]
    plan = max(plans, key=lambda plan: sum(run.run_id in plan.statuses for run in plan.runs))
    return replace(plan, selected=as_stored(plan.selected, [run for one in plans for run in one.runs], plan.statuses))


def plan_after(plan: Plan, stage: Sequence[Run]) -> Plan:
    """What is to be done when this stage, all the short runs there were to do, has ended. The store stays: another one
    would know nothing of the files that the disk does not have yet."""
    return make_plan(plan.request, plan.store.folder.parent, [run.run_id for run in stage], plan.store)


# What it needs. ------------------------------------------------------------------------------------


def check_choices(plan: Plan) -> None:
    """Raise a PluginError, before anything is run or written, where a choice is from a plug-in that is not loaded."""
    from glorot.plugins.trial import try_choices

    try_choices(choice for one in [*plan.to_do, *plan.search.later] for choice in one.choices)


def check_device(plan: Plan) -> None:
    """Raise a DeviceError, before anything is run or written, where the device cannot do what some run asks for."""
    runs = [*plan.to_do, *plan.search.later]
    reasons = [_not_for(plan.request.device, run.settings) for run in runs]
    if problems := dict.fromkeys(filter(None, reasons)):
        raise DeviceError("\n".join(problems))


def _not_for(device: str, settings: Settings) -> str | None:
    """Why a run cannot be made on a kind of device, and what to do; None where it can."""
    if device not in MODELS[settings.model].devices:
        return f"the model {settings.model} runs on the CPU only, not on a GPU yet; use --device cpu"
    return kernels.not_there(device, settings.optimizer, settings.pretraining, settings.float_inputs)


def missing_data(plan: Plan, folder: Path) -> dict[AnyData, str]:
    """The data sets that the runs to do need and that are not there, each with a message."""
    messages = {}
    for name in needed_data(plan):
        missing = loading.missing_files(name, folder)
        if missing:
            messages[name] = loading.not_there(name, folder, missing)
    return messages


def check_data(plan: Plan, folder: Path, built_here: bool = False) -> None:
    """Raise a DataError, before anything is run or written, where a data set is not there or not as published.

    built_here: look only at those that are built on this machine.
    """
    needed = [name for name in needed_data(plan) if not built_here or isinstance(name, LocalData)]
    missing = {name: why for name, why in missing_data(plan, folder).items() if name in needed}
    problems = list(missing.values())
    there = [name for name in needed if name not in missing]
    published = [name for name in missing if not (isinstance(name, LocalData) and not name.name)]
    if published and not folder.is_dir():
        problems.append(f"the folder of the data sets, {folder}, does not exist; --data or GLOROT_DATA names another")
    if missing and there:
        only = " ".join(f"--only dataset={name}" for name in there)
        problems.append(f"to run what needs none of these: {only}")
    for name in there:
        for file, status in loading.verify(name, folder):
            if status.startswith(("wrong", "unreadable")):
                problems.append(
                    f"data set {name}: {file.path}: {status}, expected SHA-256 {file.sha256}; "
                    f"{loading.remedy(name, again=True)}"
                )
    if problems:
        raise DataError("\n".join(problems))


def needed_data(plan: Plan) -> list[AnyData]:
    """The data sets of the runs to do."""
    return list(dict.fromkeys(run.settings.dataset for run in plan.to_do))


# What became of it. -------------------------------------------------------------------------------


def tally(plan: Plan) -> dict[str, int]:
    """How many of the selected runs have which status now; those without any are not counted."""
    statuses = plan.store.statuses()
    return {status: sum(statuses.get(run.run_id) == status for run in plan.selected) for status in STATUSES}


def kept_results(plan: Plan) -> list[Run]:
    """The selected runs that failed when they were made again, and kept their result."""
    again = plan.store.failed_again()
    return [run for run in plan.selected if run.run_id in again]


def troubles(plan: Plan) -> list[tuple[Run, str]]:
    """The selected runs that diverged or failed, each with what happened and where its traceback is, if it left one."""

    def details(run: Run) -> Path | None:
        file = traceback_file(plan.store, run)
        return file if file.exists() else None

    return what_happened(plan.store, plan.selected, details)


def traceback_file(store: Store, run: Run) -> Path:
    """Where the traceback of a failed run is, if it left one. Beside a finished result, it is of a later attempt to
    make it again that failed, and is there in any case."""
    return store.folder / "failures" / f"{run.run_id}.txt"
