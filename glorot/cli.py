"""The command `glorot`: parses, calls, prints. Data goes to stdout, everything else to stderr.

Heavy imports happen where they are used, so that `glorot --help` answers at once.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import glorot
from glorot.errors import GlorotError, ResultsError
from glorot.kernels import DEVICES

if TYPE_CHECKING:
    from glorot.regression import Verdict
    from glorot.runner import Plan

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
SWEEP_SUFFIXES = (".yaml", ".yml")


def main() -> None:
    """Entry point: runs a command and turns what went wrong into a message and an exit code."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # "±" where the terminal has none
    try:
        code = cli.main(prog_name="glorot", standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = WRONG_USAGE
    except GlorotError as error:
        say(f"glorot: {error}")
        code = WRONG_USAGE
    except (KeyboardInterrupt, click.Abort):
        say("glorot: interrupted")
        code = INTERRUPTED
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C, while Python winds up
    sys.exit(code or OK)


def say(text: str) -> None:
    """What is no data goes to stderr."""
    click.echo(text, err=True)


def show(text: str) -> None:
    """Data goes to stdout, with its line ends. Whoever reads it may stop early: glorot report | head."""
    try:
        click.echo(text, nl=False)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise GlorotError(f"cannot write to standard output: {error.strerror}") from error


class Names(click.Choice):
    """One of the names of a registry, which is imported when it is needed."""

    def __init__(self, load: Callable[[], Iterable[str]]):
        super().__init__(())
        self.load = load

    def get_metavar(self, *args: Any, **kwargs: Any) -> str | None:
        self.choices = tuple(self.load())
        return super().get_metavar(*args, **kwargs)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from glorot.settings import nearest

        self.choices = tuple(self.load())
        if value not in self.choices:
            allowed = ", ".join(self.choices)
            self.fail(f"expected one of {allowed}; found {value!r}{nearest(value, self.choices)}", param, ctx)
        return value


def values() -> Iterable[str]:
    from glorot.config import VALUES

    return VALUES


def activation_names() -> Iterable[str]:
    from glorot.activations import ACTIVATIONS

    return ACTIVATIONS


def dataset_names() -> Iterable[str]:
    from glorot.datasets import DATASETS

    return DATASETS


def initializer_names() -> Iterable[str]:
    from glorot.initializers import INITIALIZERS

    return INITIALIZERS


def loss_names() -> Iterable[str]:
    from glorot.losses import LOSSES

    return LOSSES


def layer_sizes(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """ "1200,1000" -> (1200, 1000)."""
    from glorot.settings import check_field

    try:
        return None if text is None else check_field("hidden", [int(size) for size in text.split(",")])
    except ValueError:
        raise click.BadParameter(f"expected sizes such as 1200,1000,800; found {text!r}") from None


def epilog(example: str) -> str:
    """An example for the end of a command's help, with its line breaks kept."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in example.splitlines())


folder_type = click.Path(path_type=Path, file_okay=False)
file_type = click.Path(path_type=Path, dir_okay=False)
output_option = click.option(
    "-o", "--output", type=folder_type, default=Path("results"), show_default=True,
    help="Folder of results; a sweep's own are in its subfolder NAME.",
)  # fmt: skip
data_option = click.option(
    "--data", type=folder_type, envvar="GLOROT_DATA", show_envvar=True,
    help="Folder of the data sets.  [default: the user's cache]",
)  # fmt: skip


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=epilog("glorot run quickstart\nglorot report quickstart"),
)
@click.version_option(glorot.__version__, prog_name="glorot")
def cli() -> None:
    """Why does this deep network not train?

    Runs sweeps over activations, initializers and data sets, after Glorot & Bengio (2010),
    "Understanding the difficulty of training deep feedforward neural networks".
    """


@cli.command(epilog=epilog("glorot run experiments/quickstart.yaml\n"
                           "glorot run experiments/lecture.yaml --set updates=2000 --only dataset=mnist"))  # fmt: skip
@click.argument("sweep", type=click.Path(path_type=Path))
@output_option
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Change a field of base; VALUE is read as YAML. Repeatable.")  # fmt: skip
@click.option("--only", multiple=True, metavar="KEY=VALUE",
              help="Keep the runs whose axis, method or field has this value. Repeatable.")  # fmt: skip
@click.option("-n", "--dry-run", is_flag=True, help="List the runs and write nothing.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True,
              help="Where the networks run.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1), help="Runs at a time.  [default: one a core]")
@click.option("--rerun", is_flag=True, help="Do finished runs again, from the start.")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails.")
@click.option("--checkpoints", type=folder_type, help="Folder of saved states.  [default: the user's cache]")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say every evaluation, and the tracebacks of failures.")
@data_option
def run(
    sweep: Path, output: Path, overrides: tuple[str, ...], only: tuple[str, ...], dry_run: bool, device: str,
    jobs: int | None, rerun: bool, retry_failed: bool, fail_fast: bool, checkpoints: Path | None, quiet: bool,
    verbose: bool, data: Path | None,
) -> int:  # fmt: skip
    """Run the sweep of a YAML file, or a shipped experiment by name.

    Trains one network for each cell of the sweep's grid, stores what comes out in OUTPUT/NAME/ as it
    comes, and prints the table. Runs that are finished are skipped, and the state of each is saved every
    few minutes (checkpoint_minutes in base), so an interrupted sweep goes on where it stopped.
    """
    from glorot import config, runner
    from glorot.catalogue import resolve
    from glorot.checkpoint import checkpoint_folder
    from glorot.datasets import data_folder, pinned
    from glorot.kernels import choose_device
    from glorot.progress import Display, ImageBar
    from glorot.report import stored_table
    from glorot.search import describe_stages
    from glorot.sweep import expand, with_data
    from glorot.workers import Stopped

    folder = data_folder(data)
    with ImageBar(quiet) as bar:  # for a folder of images that was not built yet
        loaded = with_data(
            config.load(resolve(sweep), overrides), lambda one: pinned(one, folder, not dry_run, bar.progressed)
        )
    chosen = choose_device(device)
    plan = runner.make_plan(loaded, output, chosen.kind, only, rerun, retry_failed)
    if not quiet:
        what = describe_stages(plan.sweep, plan.short, expand(plan.sweep, plan.device, only))
        say(f"{what}; {_opening(plan)}, on {chosen.label}")
        if chosen.note:
            say(chosen.note)
    if dry_run:
        _list_runs(plan, folder)
        return OK
    runner.check_data(plan, folder)
    display = Display([*plan.to_do, *plan.later], quiet, verbose)
    try:
        with display:
            plan = runner.run_plan(plan, folder, checkpoint_folder(checkpoints), jobs, display, fail_fast)
    except Stopped as stopped:
        ended = f"{display.ended} of {display.total} runs finished (kept in {plan.store.folder})"
        again = "" if rerun else "; the same command goes on from there"
        say(f"glorot: interrupted with {ended}{again}")
        return 128 + stopped.signum
    table = stored_table(plan.store.folder)
    table.write(plan.store.folder)
    tally = runner.tally(plan)
    if not quiet:
        show(table.markdown())
        _close(plan, tally)
    return FAILED if tally["failed"] else OK


def _opening(plan: "Plan") -> str:
    """What is done and what is to do: "12 done, 1 failed (--retry-failed tries it again), 23 to do"."""
    to_do = {run.run_id for run in plan.to_do}
    skipped = [plan.statuses[run.run_id] for run in plan.selected if run.run_id not in to_do]
    failed = skipped.count("failed")
    parts = [f"{len(skipped) - failed} done", f"{len(to_do) + len(plan.later)} to do"]
    if plan.held_up:
        parts.append(f"{plan.held_up} waiting for short runs that --only leaves out")
    if failed:
        parts.insert(1, f"{failed} failed (--retry-failed tries again)")
    return ", ".join(parts)


def _list_runs(plan: "Plan", folder: Path) -> None:
    """The runs of a dry run on stdout, and what data they lack on stderr."""
    from glorot.progress import title
    from glorot.runner import missing_data

    to_do = {run.run_id for run in plan.to_do}
    for one in plan.selected:
        state = "to do" if one.run_id in to_do else plan.statuses[one.run_id]
        short = f", {one.settings.updates:,} updates to choose" if one in plan.short else ""
        show(f"{one.run_id}  {state:8}  {title(one)}{short}\n")
    if plan.later:
        runs = "1 run follows" if len(plan.later) == 1 else f"{len(plan.later)} runs follow"
        say(f"note: {runs}, of the settings that these choose")
    for message in missing_data(plan, folder).values():
        say(f"note: {message}")


def _close(plan: "Plan", tally: dict[str, int]) -> None:
    """The closing lines: each run that went wrong, and the outcome of the whole."""
    from glorot.progress import title
    from glorot.runner import troubles

    if tally["diverged"] or tally["failed"]:
        for one, what in troubles(plan):
            say(f"{title(one)}: {what}")
    counts = ", ".join(f"{count} {status}" for status, count in tally.items() if count)
    again = "; --retry-failed tries the failed again" if tally["failed"] else ""
    say(f"{counts}; results in {plan.store.folder}{again}")


@cli.command(epilog=epilog("glorot report quickstart\n"
                           "glorot report results/lecture --value valid_error --format csv\n"
                           "glorot report table1 lecture --paper\n"
                           "glorot report figures --figures"))  # fmt: skip
@click.argument("sweeps", nargs=-1, metavar="[NAME|DIR|SWEEP.yaml]...")
@output_option
@click.option("--format", "form", type=click.Choice(("markdown", "csv")), default="markdown",
              show_default=True, help="What to print.")  # fmt: skip
@click.option("--value", type=Names(values), help="What to show.  [default: the sweep's own]")
@click.option("--paper", is_flag=True, help="One table of all these sweeps, beside the paper's Table 1.")
@click.option("--scorecard", is_flag=True, help="Judge the paper's claims by these runs instead.")
@click.option("--figures", is_flag=True, help="Draw the paper's figures as well, of all these sweeps together.")
@data_option
def report(
    sweeps: tuple[str, ...], output: Path, form: str, value: str | None, paper: bool, scorecard: bool, figures: bool,
    data: Path | None,
) -> int:  # fmt: skip
    """Print the tables of sweeps that were run.

    Names a sweep by its name, its folder or its file; all sweeps in OUTPUT, if none is named. Writes
    table.md and table.csv beside the results it reads. What is made of all of them together goes there if
    one is named, else to OUTPUT: with --paper, paper.md and paper.csv; with --figures, PNG, SVG and a contact sheet in
    figures/; with --scorecard, scorecard.md: every claim of the paper that can be measured, its number, ours, verdict.
    """
    if scorecard and (value or form != "markdown" or paper or figures):
        raise click.UsageError("--scorecard is a report of its own; give it without other options")
    if paper and value not in (None, "test_error"):
        raise click.UsageError("--paper shows test errors; leave --value out")
    if scorecard:
        return _scorecard(sweeps, output)
    places = [place for name in sweeps or [str(output)] for place in _places(name, output)]
    together = places[0][0] if sweeps and len(places) == 1 else output
    code = _tables(places, form, "test_error" if paper else value, together if paper else None)
    if figures:
        _draw([folder for folder, _ in places], together, data)
    return code


def _tables(places: list[tuple[Path, Path | None]], form: str, value: str | None, paper: Path | None) -> int:
    """Print and write the table of each sweep. paper: write there, beside the paper's, one of all instead."""
    from glorot.paper import paper_table
    from glorot.report import stored_table

    code, tables = OK, []
    for number, (folder, file) in enumerate(places):
        try:
            table = stored_table(folder, file, value)
        except ResultsError as error:
            if len(places) == 1:
                raise
            say(f"glorot: skipped: {error}")
            code = WRONG_USAGE
            continue
        tables.append(table)
        if not paper:
            table.write(folder)
            text = table.markdown() if form == "markdown" else table.csv()
            show(("\n" if number and form == "markdown" else "") + text)
    if paper:
        together = paper_table(tables)
        together.write(paper)
        show(together.markdown() if form == "markdown" else together.csv())
    return code


def _scorecard(sweeps: tuple[str, ...], output: Path) -> int:
    """Print the scorecard of these sweeps' runs, and write it. With no results at all: of what needs no run."""
    from glorot import scorecard
    from glorot.results import find_folders
    from glorot.study import gather

    folders = [folder for name in sweeps for folder, _ in _places(name, output)] or find_folders(output)
    runs = gather(folders)
    say(f"{len(runs)} stored runs; and two networks before training, which takes seconds")
    text = scorecard.markdown(scorecard.judge(scorecard.evidence(runs)))
    show(text)
    place = folders[0] if sweeps and len(folders) == 1 else output
    scorecard.write(place, text)
    say(f"written: {place / scorecard.FILE}")
    return OK


def _draw(folders: list[Path], place: Path, data: Path | None) -> None:
    """Figures 1-12 of the runs in these folders, in figures/ there, and what there are no runs for."""
    from glorot.datasets import data_folder
    from glorot.figures import draw_all
    from glorot.study import gather

    target = place / "figures"
    files, notes = draw_all(gather(folders), target, data_folder(data))
    for note in notes:
        say(note)
    count = sum(file.suffix == ".svg" for file in files)
    say(f"{count} figures drawn in {target}, all of them on contact-sheet.png")


def _places(name: str, output: Path) -> list[tuple[Path, Path | None]]:
    """Folders of the results a user names, each with the sweep file where that was named."""
    from glorot import config
    from glorot.catalogue import resolve
    from glorot.results import find_folders
    from glorot.settings import nearest

    path = Path(name)
    if path.suffix in SWEEP_SUFFIXES:
        path = resolve(path)
        return [(output / config.load(path).name, path)]
    for folder in (output / name, path):
        found = find_folders(folder)
        if found:
            return [(one, None) for one in found]
    stored = [folder.name for folder in find_folders(output)]
    where = path if path == output else f"{output / name} or {path}"
    remedy = nearest(name, stored) or "; run a sweep first: glorot run SWEEP"
    raise ResultsError(f"expected results in {where}, found none{remedy}")


@cli.command(epilog=epilog("glorot check regression\n"
                           "glorot check regression --update\nglorot check --bench --junit speed.xml"))  # fmt: skip
@click.argument("sweep", required=False, metavar="[NAME|DIR|SWEEP.yaml]")
@output_option
@click.option("--baseline", type=file_type,
              help="What to compare with.  [default: OUTPUT/baselines/NAME.csv, or bench.csv]")  # fmt: skip
@click.option("--factor", type=float,
              help="How many times as large is worse, where bits may differ.  [default: 1.05; time 1.5]")  # fmt: skip
@click.option("--device", type=click.Choice(DEVICES[1:]), help="Where there are runs of two: whose to check.")
@click.option("--update", is_flag=True, help="Make the results, if complete, the new baseline.")
@click.option("--bench", is_flag=True, help="Check how long an update takes, instead of results.")
@click.option("--junit", type=file_type, help="Write a JUnit XML report to this file.")
@click.option("--summary", type=file_type, help="Write a markdown report to this file.")
def check(
    sweep: str | None, output: Path, baseline: Path | None, factor: float | None, device: str | None,
    update: bool, bench: bool, junit: Path | None, summary: Path | None,
) -> int:  # fmt: skip
    """Compare results, or speed, with a committed baseline.

    Prints a line a cell: same, better, worse, changed, missing or new. Runs with the baseline's run_id on the CPU
    must have its very numbers; others are worse only if their test error is beyond a factor and significantly so.
    Speed (--bench) is the time of an update over that of a reference loop, so machines may differ. Exit code 1 if
    anything is worse, changed or missing; 2 if there is no baseline or nothing was measured.
    """
    from glorot import regression
    from glorot.results import write_text

    if bench == (sweep is not None):
        raise click.UsageError("expected either a sweep to check, or --bench")
    if update and (junit or summary):
        raise click.UsageError("--update compares nothing, so there is nothing to write to --junit or --summary")
    if bench:
        title, verdicts = "Speed", _check_speed(baseline or output / "baselines" / "bench.csv", factor, update)
    else:
        title, verdicts = _check_results(str(sweep), output, baseline, factor, device, update)
    if update:
        return OK
    show(regression.lines(verdicts))
    if junit:
        write_text(junit, regression.junit(title, verdicts))
    if summary:
        write_text(summary, regression.summary(title, verdicts))
    say(regression.closing(verdicts))
    return regression.exit_code(verdicts)


def _check_results(
    sweep: str, output: Path, baseline: Path | None, factor: float | None, device: str | None, update: bool
) -> "tuple[str, list[Verdict]]":
    """The sweep's name, and the verdicts on its results; none after an update."""
    from glorot import regression

    places = _places(sweep, output)
    if len(places) > 1:
        found = ", ".join(str(folder) for folder, _ in places)
        raise ResultsError(f"expected the results of one sweep, found {found}; name one of them")
    fresh = regression.fresh_results(*places[0], device)
    path = baseline or output / "baselines" / f"{fresh.sweep}.csv"
    if update:
        regression.write_baseline(path, fresh)
        say(f"{len(fresh.runs)} runs on {fresh.device} are the baseline now: {path}")
        return fresh.sweep, []
    verdicts = regression.compare(fresh.runs, regression.read_baseline(path), factor, fresh.tested)
    if fresh.not_run:
        say(f"note: {len(fresh.not_run)} runs of sweep {fresh.sweep} have no result yet: glorot run")
    if fresh.left_out:
        say(f"note: {fresh.left_out} rows of runs.csv belong to other settings or versions")
    return fresh.sweep, verdicts


def _check_speed(path: Path, factor: float | None, update: bool) -> "list[Verdict]":
    """The verdicts on speed; none after an update."""
    from glorot import regression

    stored = [] if update else regression.read_speed_baseline(path)
    say("timing updates against a reference loop in the same process: half a minute")
    speeds = [regression.measure_speed(setting) for setting in regression.speed_settings()]
    if update:
        regression.write_speed_baseline(path, speeds)
        say(f"{len(speeds)} timings are the baseline now: {path}")
        return []
    return regression.compare_speed(speeds, stored, factor)


@cli.command(epilog=epilog("glorot status table1"))
@click.argument("sweep", metavar="NAME|DIR|SWEEP.yaml")
@output_option
def status(sweep: str, output: Path) -> None:
    """Say how far a sweep is, also while it runs.

    Counts its runs that are done, running, failed and missing, with the progress of the running ones and the
    reasons of failures.
    """
    from glorot.progress import duration, title
    from glorot.runner import make_plan, troubles
    from glorot.status import read_status
    from glorot.sweep import stored_sweep

    begun = output / sweep  # perhaps with no result yet
    places = [(begun, None)] if (begun / "sweep.yaml").is_file() else _places(sweep, output)
    for folder, file in places:
        plan = make_plan(stored_sweep(folder, file), folder.parent, "cpu")
        now = read_status(folder, plan.selected)
        counts = ", ".join(f"{len(runs)} {name}" for name, runs in now.by_status.items() if runs)
        if plan.later:
            counts += f", {len(plan.later)} to be chosen"
        total = f"{len(plan.selected) + len(plan.later)} runs"
        if plan.short:
            total += f", {len(plan.short)} of them short"
        show(f"{folder.name}: {total}: {counts}{'' if now.active else '; no process runs it now'}\n")
        for one in now.running:
            left = "" if one.seconds_left is None else f", {duration(one.seconds_left)} left"
            show(
                f"  running: {title(one.run)}: {one.update:,} of {one.run.settings.updates:,} updates, "
                f"valid error {one.valid_error:.2f} %{left}\n"
            )
        for run, what in troubles(plan):
            show(f"  {title(run)}: {what}\n")


@cli.command("list", epilog=epilog("glorot list"))
def list_() -> None:
    """List activations, initializers, losses, data sets, experiments.

    These are the names a sweep file can use, each with its formula or what it is.
    """
    from glorot.activations import ACTIVATIONS
    from glorot.catalogue import shipped
    from glorot.datasets import DATASETS
    from glorot.initializers import INITIALIZERS
    from glorot.losses import LOSSES

    sections = {
        "activations": {name: activation.formula for name, activation in ACTIVATIONS.items()},
        "initializers": {name: f"{one.formula}  [{one.source}]" for name, one in INITIALIZERS.items()},
        "losses": {name: loss.formula for name, loss in LOSSES.items()},
        "datasets": {name: info.summary for name, info in DATASETS.items()},
        "experiments": shipped(),
    }
    width = max(len(name) for entries in sections.values() for name in entries)
    lines = []
    for section, entries in sections.items():
        lines += ["", section, *(f"  {name:{width}}  {text}" for name, text in entries.items())]
    show("\n".join(lines[1:]) + "\n")


@cli.command(epilog=epilog("glorot bench --peer torch\n"
                           "glorot bench experiments/lecture.yaml\n"
                           "glorot bench --width 100 --batch-size 1 --json"))  # fmt: skip
@click.argument("sweep", type=click.Path(path_type=Path), required=False)
@click.option("--peer", type=click.Choice(("torch",)), help="Measure PyTorch too, in turns with ours.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of each contestant.")
@click.option("--batch-size", type=click.IntRange(1), default=10, show_default=True, help="Examples an update.")
@click.option("--width", type=click.IntRange(1), default=1000, show_default=True, help="Units a hidden layer.")
@click.option("--depth", type=click.IntRange(1), default=5, show_default=True, help="Hidden layers.")
@click.option("--activation", type=Names(activation_names), default="tanh", show_default=True,
              help="Of the hidden layers.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), default=11, show_default=True, help="Turns of each contestant.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Runs of SWEEP at a time.  [default: one a core]")
@click.option("--device", type=click.Choice(DEVICES[1:]), default="cpu", show_default=True,
              help="Where our network and its peer run.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@click.option("--roofline", type=file_type, metavar="FILE.png|svg",
              help="Draw the speed of minibatches of 1 to 128 under this machine's limits.")  # fmt: skip
def bench(
    sweep: Path | None, peer: str | None, threads: int, batch_size: int, width: int, depth: int, activation: str,
    rounds: int, jobs: int | None, device: str, as_json: bool, roofline: Path | None,
) -> None:  # fmt: skip
    """Measure how fast the kernels are.

    Prints the time of an update of the paper's network (or another one), against the floor that
    this machine's memory and arithmetic set, and against PyTorch in the same run. With SWEEP: how long its
    runs would take.
    """
    import json

    from glorot import bench as measure
    from glorot import config, runner
    from glorot.catalogue import resolve
    from glorot.kernels import choose_device
    from glorot.search import describe_stages, flat, short_runs, workload
    from glorot.sweep import expand

    kind = choose_device(device).kind
    if kind != "cpu" and (sweep or roofline):
        raise click.UsageError("SWEEP and --roofline are for the CPU; leave out --device")
    if sweep:
        loaded = config.load(resolve(sweep))
        grid = expand(loaded)
        runs = workload(loaded, grid)
        jobs, threads_each = runner.share_cores(len(runs), jobs)
        estimate = measure.sweep_estimate(runs, jobs, threads_each)
        if as_json:
            show(json.dumps(estimate) + "\n")
        else:
            what = describe_stages(loaded, flat(short_runs(loaded, grid)), grid)
            show(f"{what}\n{measure.estimate_text(estimate)}")
        return
    setting = measure.Setting((width,) * depth, batch_size, activation, threads, device=kind)
    if roofline:
        measure.draw_roofline(setting, roofline, peer, rounds)
        say(f"drawn: {roofline}")
        return
    measured = measure.results(setting, peer, rounds)
    show(json.dumps(measured, indent=2) + "\n" if as_json else measure.text(measured))


@cli.command(epilog=epilog("glorot inspect --activation tanh --initializer standard\n"
                           "glorot inspect --activation relu --initializer he_normal --hidden 300,200"))  # fmt: skip
@click.option("--activation", type=Names(activation_names), required=True, help="Of the hidden layers.")
@click.option("--initializer", type=Names(initializer_names), required=True, help="How the weights are drawn.")
@click.option("--depth", type=click.IntRange(1, 1000), help="Hidden layers.  [default: 5]")
@click.option("--width", type=click.IntRange(1, 10**6), help="Units a hidden layer.  [default: 1000]")
@click.option("--hidden", callback=layer_sizes, metavar="N,N,...", help="All layer sizes, instead of depth and width.")
@click.option("--dataset", type=Names(dataset_names), default="shapeset", show_default=True,
              help="Whose test examples.")  # fmt: skip
@click.option("--examples", type=click.IntRange(1, 100_000), default=300, show_default=True, help="How many of them.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of the weights.")
@click.option(
    "--loss", type=Names(loss_names), default="cross_entropy", show_default=True, help="Where gradients start."
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@data_option
def inspect(
    activation: str, initializer: str, depth: int | None, width: int | None, hidden: tuple[int, ...] | None,
    dataset: str, examples: int, seed: int, loss: str, as_json: bool, data: Path | None,
) -> None:  # fmt: skip
    """See how signals spread through a network before training.

    Prints the variance of activations, gradients and weight gradients in each layer, and the singular values of its
    Jacobian, beside what the theory of Glorot & Bengio (2010) says of them (eq. 5 to 14). Trains nothing: seconds.
    """
    from glorot import inspection
    from glorot.datasets import data_folder
    from glorot.settings import BESIDE_HIDDEN, DEFAULT_DEPTH, DEFAULT_WIDTH

    if hidden and (depth or width):
        raise click.UsageError(BESIDE_HIDDEN)
    sizes = hidden or (width or DEFAULT_WIDTH,) * (depth or DEFAULT_DEPTH)
    seen = inspection.inspect(dataset, activation, initializer, sizes, loss, examples, seed, data_folder(data))
    show(seen.json() if as_json else seen.text())


@cli.group(epilog=epilog("glorot data list\nglorot data fetch mnist"))
def data() -> None:
    """See, fetch and verify the data sets.

    They lie in the folder named with --data, else by the environment's GLOROT_DATA, else in the user's
    cache. Shapeset is made on the fly and needs no file.
    """


@data.command("list", epilog=epilog("glorot data list"))
@data_option
def data_list(data: Path | None) -> None:
    """List data sets, their places and states.

    A data set is verified (its files are, bit for bit, its publisher's), built in (made on the fly), not
    there, incomplete, or wrong; glorot data verify says which file is.
    """
    from glorot.datasets import data_folder

    folder = data_folder(data)
    rows = [(name, *_state(name, folder)[1:]) for name in dataset_names()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    show("".join(f"{name:{widths[0]}}  {state:{widths[1]}}  {place}\n" for name, state, place in rows))


@data.command(epilog=epilog("glorot data fetch mnist"))
@click.argument("name", type=Names(dataset_names))
@data_option
def fetch(name: str, data: Path | None) -> None:
    """Download a data set and verify it.

    Files that are there and right are left alone; what comes is kept only if it is, bit for bit, what the
    publisher made.
    """
    from glorot.datasets import DATASETS, data_folder

    folder = data_folder(data)
    DATASETS[name].implementation().fetch(folder)
    _, state, place = _state(name, folder)
    show(f"{name}: {state}: {place}\n")


@data.command(epilog=epilog("glorot data build small-imagenet --from ILSVRC2012/train\n"
                            "glorot data build small-imagenet --from tiny-imagenet --class flowers=DIR"))  # fmt: skip
@click.argument("name", type=click.Choice(("small-imagenet", "small_imagenet")), metavar="small-imagenet")
@click.option("--from", "trees", type=folder_type, multiple=True, metavar="DIR",
              help="An ImageNet training tree: folders named by WordNet id. Repeatable.")  # fmt: skip
@click.option("--class", "by_hand", multiple=True, metavar="CLASS=DIR",
              help="A folder of images of one of the ten classes. Repeatable.")  # fmt: skip
@data_option
def build(name: str, trees: tuple[Path, ...], by_hand: tuple[str, ...], data: Path | None) -> None:
    """Build Small-ImageNet of images you have.

    Makes the paper's grey 37 x 37 photographs in ten classes from ImageNet's (ILSVRC-2012's, or Tiny-ImageNet's) and
    from folders you say the class of. Which image is for training, validation or test follows from its SHA-256, so a
    larger source moves none. Images that cannot be used are left out and listed in the manifest beside the data.
    """
    from glorot.datasets import data_folder
    from glorot.datasets import small_imagenet as built
    from glorot.progress import ImageBar

    folder = data_folder(data)
    with ImageBar() as bar:
        manifest = built.build_into(folder, trees, [_class_folder(one) for one in by_hand], bar.progressed)
    images, file = manifest["images"], built.data_file(folder)
    show(f"{name}: {manifest['about']}: {' / '.join(f'{count:,}' for count in images.values())}: {file.parent}\n")
    left = manifest["without_class"]
    say(
        f"{len(manifest['skipped']):,} files skipped (listed in {file.with_suffix('.json')}); "
        f"{left['files']:,} files of {left['ids']:,} WordNet ids belong to no class"
    )


def _class_folder(option: str) -> tuple[str, Path]:
    """ "flowers=photos" -> ("flowers", Path("photos"))."""
    from glorot.datasets.wordnet import CLASS_NAMES
    from glorot.settings import nearest

    name, equals, folder = option.partition("=")
    if name not in CLASS_NAMES or not folder:
        allowed, found = ", ".join(CLASS_NAMES), repr(name if equals else option)
        hint = nearest(name, CLASS_NAMES) if name not in CLASS_NAMES else "; and expected a folder behind the ="
        message = f"expected CLASS=DIR, CLASS one of {allowed}; found {found}{hint}"
        raise click.BadParameter(message, param_hint="--class")
    return name, Path(folder).expanduser()


@data.command(epilog=epilog("glorot data verify\nglorot data verify mnist"))
@click.argument("name", type=Names(dataset_names), required=False)
@data_option
def verify(name: str | None, data: Path | None) -> int:
    """Compare data files with their publishers' checksums.

    Looks at all data sets that are there, if none is named. Exit code 2 if a file is wrong or missing, or
    if the data set named is not there.
    """
    from glorot.datasets import data_folder

    folder = data_folder(data)
    code = OK
    for one in [name] if name else dataset_names():
        files, state, place = _state(one, folder)
        show(f"{one}: {state}: {place}\n" + "".join(f"  {file.path.name}: {status}\n" for file, status in files))
        if state not in ("verified", "built in") and (state != "not there" or name):
            code = WRONG_USAGE
    return code


def _state(name: str, folder: Path) -> tuple[list[tuple[Any, str]], str, str]:
    """A data set's files with their status, its own status in a word or two, and its place."""
    from glorot.datasets import verify

    files = verify(name, folder)
    if not files:
        return [], "built in", "made on the fly"
    states = {status for _, status in files}
    if any(status.startswith(("wrong", "unreadable")) for status in states):
        state = "wrong"
    elif "missing" in states:
        state = "not there" if states == {"missing"} else "incomplete"
    else:
        state = "verified" if states == {"verified"} else "not verified"
    return files, state, str(files[0][0].path.parent)
