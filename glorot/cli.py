"""The command `glorot`: parses, calls, prints. Data goes to stdout, everything else to stderr.

Heavy imports happen where they are used, so that `glorot --help` answers at once.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import glorot
from glorot.errors import DataError, GlorotError, ResultsError

if TYPE_CHECKING:
    from glorot.report import Table

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
SWEEP_SUFFIXES = (".yaml", ".yml")


def main() -> None:
    """Entry point: runs a command and turns what went wrong into a message and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
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
    except BrokenPipeError:  # glorot report | head
        sys.stderr.close()
        code = OK
    sys.exit(code or OK)


def say(text: str) -> None:
    click.echo(text, err=True)


def epilog(example: str) -> str:
    """An example for the end of a command's help, with its line breaks kept."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in example.splitlines())


output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("results"), show_default=True,
    help="Folder of results; a sweep's own are in its subfolder NAME.",
)  # fmt: skip
data_option = click.option(
    "--data", type=click.Path(path_type=Path), envvar="GLOROT_DATA", show_envvar=True,
    help="Folder of the data sets.  [default: the user's cache]",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True,
              help="Where the networks run.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1), help="Runs at a time.  [default: one a core]")
@click.option("--rerun", is_flag=True, help="Do finished runs again.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say every evaluation.")
@data_option
def run(
    sweep: Path, output: Path, overrides: tuple[str, ...], only: tuple[str, ...], dry_run: bool, device: str,
    jobs: int | None, rerun: bool, quiet: bool, verbose: bool, data: Path | None,
) -> int:  # fmt: skip
    """Run the sweep of a YAML file, or a shipped experiment by its name.

    Trains one network for each cell of the sweep's grid, stores what comes out in OUTPUT/NAME/ as it
    comes, and prints the table. Runs that are finished are skipped, so an interrupted sweep goes on
    where it stopped.
    """
    from glorot import config, runner
    from glorot.catalogue import resolve
    from glorot.datasets import data_folder
    from glorot.kernels import choose_device
    from glorot.progress import Display
    from glorot.sweep import describe

    plan = runner.plan(config.load(resolve(sweep), overrides), output, choose_device(device), only, rerun)
    folder = data_folder(data)
    if not quiet:
        done = len(plan.selected) - len(plan.to_do)
        say(f"{describe(plan.sweep, plan.selected)}; {done} done, {len(plan.to_do)} to do, on {plan.device}")
    if dry_run:
        _list_runs(plan, folder)
        return OK
    runner.check_data(plan, folder)
    with Display(len(plan.to_do), quiet, verbose) as display:
        tally = runner.run(plan, folder, jobs, display)
    table = _table_of(plan.store.folder)
    table.write(plan.store.folder)
    if not quiet:
        click.echo(table.markdown(), nl=False)
        counts = ", ".join(f"{count} {status}" for status, count in tally.items() if count)
        say(f"{counts}; results in {plan.store.folder}")
    return FAILED if tally["failed"] else OK


def _list_runs(plan: Any, folder: Path) -> None:
    """The runs of a dry run on stdout, and what data they lack on stderr."""
    from glorot.progress import title
    from glorot.runner import missing_data

    to_do = {run.run_id for run in plan.to_do}
    for one in plan.selected:
        click.echo(f"{one.run_id}  {'to do' if one.run_id in to_do else 'done '}  {title(one)}")
    for message in missing_data(plan, folder):
        say(f"note: {message}")


@cli.command(epilog=epilog("glorot report quickstart\n"
                           "glorot report results/lecture --value valid_error --format csv"))  # fmt: skip
@click.argument("sweeps", nargs=-1, metavar="[NAME|DIR|SWEEP.yaml]...")
@output_option
@click.option("--format", "form", type=click.Choice(("markdown", "csv")), default="markdown",
              show_default=True, help="What to print.")  # fmt: skip
@click.option("--value", help="What to show, such as valid_error or test_loss.  [default: the sweep's own]")
def report(sweeps: tuple[str, ...], output: Path, form: str, value: str | None) -> int:
    """Print the tables of sweeps that were run.

    Names a sweep by its name, its folder or its file; all sweeps in OUTPUT, if none is named. Writes
    table.md and table.csv beside the results it reads.
    """
    from glorot.results import find_folders

    if not sweeps:
        folders = find_folders(output)
        if not folders:
            raise ResultsError(f"expected results in {output}, found none; run a sweep first: glorot run SWEEP")
        places: list[tuple[Path, Path | None]] = [(folder, None) for folder in folders]
    else:
        places = [_place(name, output) for name in sweeps]
    skipped = False
    for number, (folder, file) in enumerate(places):
        try:
            table = _table_of(folder, file, value)
        except ResultsError as error:
            if sweeps:
                raise
            say(f"glorot: skipped: {error}")
            skipped = True
            continue
        table.write(folder)
        text = table.markdown() if form == "markdown" else table.csv()
        click.echo(("\n" if number and form == "markdown" else "") + text, nl=False)
    return FAILED if skipped else OK


def _place(name: str, output: Path) -> tuple[Path, Path | None]:
    """Folder of the results, and the sweep file where one was named."""
    from glorot import config

    path = Path(name)
    if path.suffix in SWEEP_SUFFIXES:
        return output / config.load(path).name, path
    return (path if (path / "runs.csv").is_file() else output / name), None


def _table_of(folder: Path, file: Path | None = None, value: str | None = None) -> "Table":
    """The table of a folder's runs that belong to its own sweep.yaml, or to the file given."""
    from glorot import config, report, results
    from glorot.sweep import expand

    if not (folder / "runs.csv").is_file() or not (folder / "sweep.yaml").is_file():
        raise ResultsError(f"expected results in {folder}, found none; run the sweep first: glorot run SWEEP")
    stored = results.Store(folder).read_runs()
    sweep = config.load(file or folder / "sweep.yaml")
    runs = expand(sweep)
    if file and not {run.run_id for run in runs} & set(stored["run_id"]):
        raise ResultsError(
            f"none of the {len(runs)} runs of {file} is in {folder}, which holds {len(stored)} of other settings; "
            f"run it, or show those: glorot report {folder}"
        )
    return report.table(stored, sweep, runs, value)


@cli.command("list", epilog=epilog("glorot list"))
def list_() -> None:
    """List activations, initializers, losses, data sets and experiments.

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
    for number, (section, entries) in enumerate(sections.items()):
        click.echo(("\n" if number else "") + section)
        for name, text in entries.items():
            click.echo(f"  {name:{width}}  {text}")


@cli.group()
def data() -> None:
    """See, fetch and verify the data sets."""


@data.command("list", epilog=epilog("glorot data list"))
@data_option
def data_list(data: Path | None) -> None:
    """List the data sets: where each is, whether it is there and verified."""
    from glorot.datasets import DATASETS, data_folder

    folder = data_folder(data)
    for name in DATASETS:
        _, state, place = _state(name, folder)
        click.echo(f"{name:15} {state:15} {place}")


@data.command(epilog=epilog("glorot data fetch mnist"))
@click.argument("name")
@data_option
def fetch(name: str, data: Path | None) -> None:
    """Download a data set and verify it."""
    from glorot.datasets import DATASETS, data_folder

    folder = data_folder(data)
    _known(name)
    say(f"fetching {name} into {folder}")
    DATASETS[name].implementation().fetch(folder)
    _, state, place = _state(name, folder)
    click.echo(f"{name}: {state}: {place}")


@data.command(epilog=epilog("glorot data verify\nglorot data verify mnist"))
@click.argument("name", required=False)
@data_option
def verify(name: str | None, data: Path | None) -> int:
    """Compare data files with their publishers' checksums.

    Exit code 2 if a file is wrong, or if the data set named is not there.
    """
    from glorot.datasets import DATASETS, data_folder

    folder = data_folder(data)
    wrong = False
    for one in [_known(name)] if name else list(DATASETS):
        files, state, place = _state(one, folder)
        click.echo(f"{one}: {state}: {place}")
        for file, status in files:
            click.echo(f"  {file.path.name}: {status}")
        wrong |= state not in ("verified", "built in") and (state != "not there" or name is not None)
    return WRONG_USAGE if wrong else OK


def _known(name: str) -> str:
    from glorot.config import nearest
    from glorot.datasets import DATASETS

    if name not in DATASETS:
        raise DataError(f"expected a data set of {', '.join(DATASETS)}; found {name!r}{nearest(name, DATASETS)}")
    return name


def _state(name: str, folder: Path) -> tuple[list[tuple[Any, str]], str, str]:
    """A data set's files with their status, its own status in a word or two, and its place."""
    from glorot.datasets import verify

    files = verify(name, folder)
    if not files:
        return [], "built in", "made on the fly"
    states = {status for _, status in files}
    place = str(files[0][0].path.parent)
    if states == {"verified"}:
        return files, "verified", place
    if "missing" in states:
        return files, "not there" if states == {"missing"} else "incomplete", place
    return (
        files,
        "wrong" if any(s.startswith(("wrong", "unreadable")) for s in states) else "not verified",
        place,
    )
