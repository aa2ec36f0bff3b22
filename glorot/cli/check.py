"""`glorot check`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from glorot.cli.shared import OK, epilog, file_type, output_option, places_of, plugin_option, say, show
from glorot.errors import ResultsError
from glorot.kernels import DEVICES

if TYPE_CHECKING:
    from glorot.gate.verdicts import Verdict


@click.command(epilog=epilog("glorot check regression\n"
                           "glorot check regression --update\nglorot check --bench --junit speed.xml"))  # fmt: skip
@click.argument("sweep", required=False, metavar="[NAME|DIR|SWEEP.yaml]")
@output_option
@plugin_option
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
    anything is worse, changed or missing; 2 if there is no baseline, nothing was measured, or a result cannot be
    true: its numbers are impossible, or its own history denies them.
    """
    from glorot.gate import verdicts
    from glorot.results.store import write_text

    if bench == (sweep is not None):
        raise click.UsageError("expected either a sweep to check, or --bench")
    if update and (junit or summary):
        raise click.UsageError("--update compares nothing, so there is nothing to write to --junit or --summary")
    if bench:
        title, found = "Speed", _check_speed(baseline or output / "baselines" / "bench.csv", factor, update)
    else:
        title, found = _check_results(str(sweep), output, baseline, factor, device, update)
    if update:
        return OK
    show(verdicts.lines(found))
    if junit:
        write_text(junit, verdicts.junit(title, found))
    if summary:
        write_text(summary, verdicts.summary(title, found))
    say(verdicts.closing(found))
    return verdicts.exit_code(found)


def _check_results(
    sweep: str, output: Path, baseline: Path | None, factor: float | None, device: str | None, update: bool
) -> "tuple[str, list[Verdict]]":
    """The sweep's name, and the verdicts on its results; none after an update."""
    from glorot.gate import regression

    places = places_of(sweep, output)
    if len(places) > 1:
        found = ", ".join(str(folder) for folder, _ in places)
        raise ResultsError(f"expected the results of one sweep, found {found}; name one of them")
    fresh = regression.fresh_results(*places[0], device)
    path = baseline or output / "baselines" / f"{fresh.sweep}.csv"
    if update:
        regression.write_baseline(path, fresh)
        say(f"{len(fresh.runs)} runs on {fresh.device} are the baseline now: {path}")
        return fresh.sweep, []
    stored = regression.read_baseline(path)
    verdicts = regression.compare(fresh.runs, stored.runs, factor, fresh.tested, stored.counted)
    if fresh.not_run:
        say(f"note: {len(fresh.not_run)} runs of sweep {fresh.sweep} have no result yet: glorot run")
    if fresh.left_out:
        say(f"note: {fresh.left_out} rows of runs.csv belong to other settings or versions")
    return fresh.sweep, verdicts


def _check_speed(path: Path, factor: float | None, update: bool) -> "list[Verdict]":
    """The verdicts on speed; none after an update."""
    from glorot.gate import speed

    stored, counted = ([], False) if update else speed.read_baseline(path)
    say("timing updates against a reference loop in the same process: half a minute")
    speeds = [speed.measure(setting) for setting in speed.settings()]
    if update:
        speed.write_baseline(path, speeds)
        say(f"{len(speeds)} timings are the baseline now: {path}")
        return []
    return speed.compare(speeds, stored, factor, counted)
