"""`glorot run` and `glorot status`."""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glorot.cli.shared import (
    FAILED,
    OK,
    WRONG_USAGE,
    data_option,
    epilog,
    folder_type,
    output_option,
    places_of,
    plugin_option,
    printed,
    say,
    show,
    sweep_type,
)
from glorot.errors import GlorotError
from glorot.kernels import DEVICES

if TYPE_CHECKING:
    from glorot.cli.progress import Display
    from glorot.execution.engine import Engine, Tasks
    from glorot.execution.plan import Plan


@click.command(epilog=epilog("glorot run experiments/quickstart.yaml\n"
                           "glorot run experiments/lecture.yaml --set updates=9_000 --only dataset=mnist\n"
                           "glorot run table1 --cluster tcp://10.0.0.1:8786"))  # fmt: skip
@click.argument("sweep", type=sweep_type)
@output_option
@plugin_option
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Change a field of base, search.updates or an axis (grid.depth=[1,3]). Repeatable.")  # fmt: skip
@click.option("--only", multiple=True, metavar="KEY=VALUE",
              help="Do only the runs with this value of an axis, a method or a field. Repeatable.")  # fmt: skip
@click.option("-n", "--dry-run", is_flag=True, help="List the runs and write nothing.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True,
              help="Train on the CPU or on a GPU. auto: a GPU if there is one.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1), help="Number of runs at a time.  [default: one per core]")
@click.option("--cluster", metavar="tcp://HOST:PORT|local:N|slurm[:FILE.yaml]",
              help="Run on the workers of a Dask cluster instead of here (docs/on-a-cluster.md).")  # fmt: skip
@click.option("--rerun", is_flag=True, help="Repeat finished runs, from the start.")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails.")
@click.option(
    "--checkpoints", type=folder_type, help="Folder for the saved states of runs.  [default: the user's cache]"
)
@click.option(
    "--allow-skipped", is_flag=True, help="Use a folder of images even if more than 10 % of them cannot be used."
)
@click.option("-q", "--quiet", is_flag=True, help="Print problems only.")
@click.option("-v", "--verbose", is_flag=True, help="Print every evaluation, and the tracebacks of failures.")
@data_option
def run(
    sweep: Path, output: Path, overrides: tuple[str, ...], only: tuple[str, ...], dry_run: bool, device: str,
    jobs: int | None, cluster: str | None, rerun: bool, retry_failed: bool, fail_fast: bool, checkpoints: Path | None,
    allow_skipped: bool, quiet: bool, verbose: bool, data: Path | None,
) -> int:  # fmt: skip
    """Run a sweep: a YAML file, or the name of a shipped sweep.

    Trains one network for each combination in the sweep's grid, stores each result in OUTPUT/NAME/, and
    prints the table. Finished runs are skipped. The state of a run is saved every few minutes, so an
    interrupted sweep goes on where it stopped.

    With --set the command is a trial: its results go to OUTPUT/NAME-trial/, and OUTPUT/NAME/ stays as it is.
    """
    from glorot.cli.progress import ImageBar
    from glorot.datasets.loading import data_folder, pinned
    from glorot.execution import plan as plans
    from glorot.kernels import Choice, choose_device
    from glorot.sweeps import config
    from glorot.sweeps.runs import with_data
    from glorot.sweeps.search import describe_stages
    from glorot.sweeps.shipped import resolve

    folder = data_folder(data)
    with ImageBar(quiet) as bar:  # for a folder of images that was not built yet
        loaded = with_data(
            plans.to_run(config.load(resolve(sweep), overrides), overrides),
            lambda one: pinned(one, folder, not dry_run, bar.progressed, bar.tell, allow_skipped),
        )
    if cluster:  # its workers have a GPU or not; this machine is not asked
        from glorot.execution.cluster import parsed

        parsed(cluster)
        kind = "cuda" if device == "cuda" else "cpu"
        chosen = Choice(kind, f"{kind} of {cluster}")
    else:
        chosen = choose_device(device)
    plan = plans.make_plan(plans.Request(loaded, chosen.kind, only, rerun, retry_failed), output)
    plans.check_choices(plan)
    plans.check_device(plan)
    if not quiet:
        what = describe_stages(loaded, plan.search.short, plan.grid)
        say(f"{what}; {_opening(plan)}, on {chosen.label}")
        if chosen.note:
            say(chosen.note)
        if overrides:
            say(f"a trial, because of --set: its results are in {plan.store.folder}, apart from the sweep's own")
    if dry_run:
        _list_runs(plan, folder)
        return OK
    plans.check_data(plan, folder, built_here=cluster is not None)

    from glorot.cli.progress import Display  # what runs need, now that the first lines are there
    from glorot.compiled.sources import compiled_since
    from glorot.execution.engine import Tasks
    from glorot.execution.execute import run_plan
    from glorot.machine import Stopped
    from glorot.places import cache_folder
    from glorot.plugins.loading import sources
    from glorot.reporting.report import stored_table
    from glorot.training.checkpoint import checkpoint_folder

    tasks = Tasks(folder, checkpoint_folder(checkpoints), rerun, plugins=sources())
    waiting = [*plan.to_do, *plan.search.later]
    compiling = bool(plan.to_do) and not cluster and not compiled_since(cache_folder())
    display = Display(waiting, quiet, verbose, len(plan.selected) - len(plan.to_do), compiling)
    try:
        with _engine(cluster, plan, tasks, jobs, checkpoints is not None, display) as engine, display:
            plan = run_plan(plan, engine, tasks.checkpoint_folder, display, fail_fast)
    except Stopped as stopped:
        ended = f"{display.ended} of {display.total} runs finished (kept in {plan.store.folder})"
        again = "" if rerun else "; the same command goes on from there"
        say(f"glorot: interrupted with {ended}{again}")
        return 128 + stopped.signum
    table = stored_table(plan.store.folder)
    tally = plans.tally(plan)
    failed = bool(tally["failed"] or plans.kept_results(plan))
    if not quiet:
        show(printed(table.document(), None))
        _close(plan, tally, failed)
    table.write(plan.store.folder)
    return FAILED if failed else OK


@contextlib.contextmanager
def _engine(
    cluster: str | None, plan: "Plan", tasks: "Tasks", jobs: int | None, is_shared: bool, display: "Display"
) -> "Iterator[Engine]":
    """What carries out the cells. is_shared: whether a cluster's workers see the folder of saved states."""
    from glorot.execution.plan import needed_data
    from glorot.execution.processes import Processes, cores
    from glorot.kernels import gpus

    device = plan.request.device
    if not cluster or not plan.to_do:
        yield Processes(tasks, jobs, [] if cluster else gpus(device))
        return
    from glorot.execution.cluster import connected

    with connected(cluster, cores()) as client:
        from glorot.execution.dask_engine import DaskEngine

        yield DaskEngine(client, tasks, device, needed_data(plan), jobs, is_shared, display.tell)


def _opening(plan: "Plan") -> str:
    """What is done and what is to do: "12 done, 1 failed (--retry-failed tries it again), 23 to do"."""
    to_do = {run.run_id for run in plan.to_do}
    skipped = [run for run in plan.selected if run.run_id not in to_do]
    again = plan.store.failed_again()
    failed = sum(plan.statuses[run.run_id] == "failed" or run.run_id in again for run in skipped)
    parts = [f"{len(skipped) - failed} done", f"{len(to_do) + len(plan.search.later)} to do"]
    if plan.search.held_up:
        parts.append(f"{plan.search.held_up} waiting for short runs that --only leaves out")
    if failed:
        parts.insert(1, f"{failed} failed (--retry-failed tries again)")
    return ", ".join(parts)


def _list_runs(plan: "Plan", folder: Path) -> None:
    """The runs of a dry run on stdout, and what data they lack on stderr."""
    from glorot.cli.progress import title
    from glorot.execution.plan import missing_data

    to_do = {run.run_id for run in plan.to_do}
    short_ids = {run.run_id for run in plan.search.short}
    for one in plan.selected:
        state = "to do" if one.run_id in to_do else plan.statuses[one.run_id]
        short = f", {one.settings.updates:,} updates to choose" if one.run_id in short_ids else ""
        show(f"{one.run_id}  {state:8}  {title(one)}{short}\n")
    if plan.search.later:
        runs = "1 run follows" if len(plan.search.later) == 1 else f"{len(plan.search.later)} runs follow"
        say(f"note: {runs}, with the settings that these short runs choose")
    for message in missing_data(plan, folder).values():
        say(f"note: {message}")


def _close(plan: "Plan", tally: dict[str, int], failed: bool) -> None:
    """The closing lines: each run that went wrong, and the outcome of the whole. failed: some run, at its last try."""
    from glorot.cli.progress import title
    from glorot.execution.plan import troubles

    if tally["diverged"] or failed:
        for one, what in troubles(plan):
            say(f"{title(one)}: {what}")
    counts = ", ".join(f"{count} {status}" for status, count in tally.items() if count)
    folder = plan.store.folder
    output = "" if folder.parent == Path("results") else f" -o {shlex.quote(str(folder.parent))}"
    next_step = f"; next: glorot report {shlex.quote(folder.name)}{output} --figures"
    again = "; --retry-failed tries the failed again" if failed else next_step
    say(f"{counts}; results in {folder}{again}")


@click.command(epilog=epilog("glorot status table1"))
@click.argument("sweep", metavar="NAME|DIR|SWEEP.yaml")
@output_option
@plugin_option
def status(sweep: str, output: Path) -> int:
    """Show how far a sweep is, also while it runs.

    Prints how many of its runs are done, running, failed and missing, the progress of the running ones, and why
    runs failed.
    """
    code, places = OK, places_of(sweep, output, begun=True)
    for folder, file in places:
        try:
            _show_status(folder, file)
        except GlorotError as error:  # the others are shown
            if len(places) == 1:
                raise
            say(f"glorot: skipped: {error}")
            code = WRONG_USAGE
    return code


def _show_status(folder: Path, file: Path | None) -> None:
    from glorot.cli.progress import duration, title
    from glorot.execution.plan import plan_of_stored, troubles
    from glorot.execution.status import interrupted, read_status
    from glorot.sweeps.runs import stored_sweep

    plan = plan_of_stored(replace(stored_sweep(folder, file), name=folder.name), folder.parent)  # wherever it was moved
    now = read_status(folder, plan.selected)
    counts = ", ".join(f"{len(runs)} {name}" for name, runs in now.by_status.items() if runs)
    if plan.search.later:
        counts += f", {len(plan.search.later)} to be chosen"
    count = len(plan.selected) + len(plan.search.later)
    total = f"{count} run{'s' * (count != 1)}"
    if plan.search.short:
        total += f", {len(plan.search.short)} of them short"
    on = "" if plan.request.device == "cpu" else f" on {plan.request.device}"
    show(f"{folder.name}: {total}{on}: {counts}{'' if now.active else '; no process runs it now'}\n")
    for one in now.running:
        left = "" if one.seconds_left is None else f", {duration(one.seconds_left)} left"
        how_far = f"{one.update:,} of {one.run.settings.all_updates:,} updates, "
        if one.valid_error == one.valid_error:  # NaN before the first evaluation
            how_far += f"valid error {one.valid_error:.2f} %"
        else:
            how_far = "fitting in one go" if one.run.settings.pretraining == "none" else f"{how_far}pre-training"
        show(f"  running: {title(one.run)}: {how_far}{left}\n")
    for run, update in [] if now.active else interrupted(now.by_status["missing"]):
        how_far = f"{update:,} of {run.settings.all_updates:,} updates are saved"
        show(f"  interrupted: {title(run)}: {how_far}; the same command goes on from there\n")
    for run, what in troubles(plan):
        show(f"  {title(run)}: {what}\n")
