"""`glorot check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glorot.cli.shared import (
    OK,
    epilog,
    file_type,
    folder_type,
    format_option,
    output_option,
    places_of,
    plugin_option,
    printed,
    say,
    show,
)
from glorot.errors import ResultsError
from glorot.kernels import DEVICES

if TYPE_CHECKING:
    from glorot.gate.history import Point
    from glorot.gate.verdicts import Verdict


@click.command(epilog=epilog("glorot check regression\n"
                           "glorot check regression --update\nglorot check --bench --junit speed.xml\n"
                           "glorot check regression --history nightly"))  # fmt: skip
@click.argument("sweep", required=False, metavar="[NAME|DIR|SWEEP.yaml]")
@output_option
@plugin_option
@click.option("--baseline", type=file_type,
              help="What to compare with.  [default: OUTPUT/baselines/NAME.csv, or bench.csv]")  # fmt: skip
@click.option("--factor", type=float,
              help="How many times larger a number may be if bits may differ.  [default: 1.05; times 1.5]")  # fmt: skip
@click.option(
    "--device", type=click.Choice(DEVICES[1:]), help="Which device's runs to check, if there are runs of both."
)
@click.option("--update", is_flag=True, help="Make the results the new baseline. They must be complete.")
@click.option("--bench", is_flag=True, help="Check how long an update takes, instead of results.")
@click.option("--history", type=folder_type, metavar="DIR",
              help="Add the numbers to DIR/history.csv, and draw DIR/history.html, .md and .png. "
                   "Without SWEEP and --bench: only draw.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print verdicts, and the steps of the history, as JSON.")
@format_option
@click.option("--junit", type=file_type, help="Write a JUnit XML report to this file.")
@click.option("--summary", type=file_type, help="Write a markdown report to this file.")
def check(
    sweep: str | None, output: Path, baseline: Path | None, factor: float | None, device: str | None,
    update: bool, bench: bool, history: Path | None, as_json: bool, form: str | None, junit: Path | None,
    summary: Path | None,
) -> int:  # fmt: skip
    """Compare results, or speed, with a committed baseline.

    Prints one row per run: same, better, worse, changed, missing or new. A run on the CPU with the same run_id as
    in the baseline must have exactly the same numbers. Any other run is worse if its test error is larger by more
    than a factor, and significantly. A result is stale if it was computed by another version of the code.

    With --bench, the numbers are times of an update, divided by the time of a reference loop. So the baseline may come
    from another machine.

    Exit code 1: a run is worse, changed, missing or stale. Exit code 2: there is no baseline or no result, or the
    stored files of a result contradict each other.
    """
    from glorot.gate import verdicts
    from glorot.results.store import write_text

    if history and not (bench or sweep or update or junit or summary):
        return _only_draw(history, as_json)
    if bench == (sweep is not None):
        raise click.UsageError("expected either a sweep to check, or --bench, or --history alone")
    if update and (junit or summary or history or as_json):
        raise click.UsageError("--update compares nothing, so leave out --junit, --summary, --history and --json")
    if bench:
        path = baseline or output / "baselines" / "bench.csv"
        title, (found, points) = "Speed", _check_speed(path, factor, update)
    else:
        title, found, points = _check_results(str(sweep), output, baseline, factor, device, update)
    if update:
        return OK
    if not as_json:  # before anything is written: that may fail
        show(printed(verdicts.document(title, found), form))
    steps = None
    try:
        steps = _drawn(history, points) if history else None
    finally:
        if as_json:
            show(verdicts.as_json(title, found, steps))
    if junit:
        write_text(junit, verdicts.junit(title, found))
    if summary:
        write_text(summary, verdicts.summary(title, found))
    say(verdicts.closing(found))
    return verdicts.exit_code(found)


def _only_draw(folder: Path, as_json: bool) -> int:
    """Draw the history that is there."""
    import json

    from glorot.gate import history

    if not (folder / history.NAME).is_file():
        raise ResultsError(
            f"expected a history in {folder / history.NAME}, found none; begin one with "
            f"glorot check SWEEP --history {folder}"
        )
    steps = _drawn(folder, [])
    if as_json:
        show(json.dumps({"steps": steps}, indent=2, ensure_ascii=False) + "\n")
    return OK


def _drawn(folder: Path, points: "list[Point]") -> list[dict[str, Any]]:
    """Add points to a history, draw it, and say so. Returns its steps, the newest first."""
    from glorot.gate import history, history_page

    added = history.append(folder, points)
    curves = history.curves(history.read(folder))
    steps = [dict(row) for row in history_page.document_of(curves).records.rows]
    written = history_page.write(folder, curves)
    worse = sum(step["kind"] == "worse" for step in steps)
    say(f"{added} numbers added to {folder / history.NAME}; {len(steps)} steps, {worse} for the worse: {written[0]}")
    return steps


def _check_results(
    sweep: str, output: Path, baseline: Path | None, factor: float | None, device: str | None, update: bool
) -> "tuple[str, list[Verdict], list[Point]]":
    """The sweep's name, the verdicts on its results, and their numbers for a history; none after an update."""
    from glorot.gate import freshness, history, regression
    from glorot.training.checkpoint import code

    places = places_of(sweep, output)
    if len(places) > 1:
        found = ", ".join(str(folder) for folder, _ in places)
        raise ResultsError(f"expected the results of one sweep, found {found}; name one of them")
    fresh = regression.fresh_results(*places[0], device)
    path = baseline or output / "baselines" / f"{fresh.sweep}.csv"
    if update:
        regression.write_baseline(path, fresh)
        say(f"{len(fresh.runs)} runs on {fresh.device} are the baseline now: {path}")
        return fresh.sweep, [], []
    stored = regression.read_baseline(path)
    verdicts = regression.compare(fresh.runs, stored.runs, factor, fresh.tested, stored.counted, fresh.origins)
    verdicts += freshness.stale(fresh, code())
    if {verdict.kind for verdict in verdicts} <= {"missing", "new", "stale"}:
        differing = regression.hint(fresh.runs, stored.runs)
        if differing:
            say(f"note: no run is in the baseline; what differs in all of them: {differing}")
    if unknown := freshness.unknown(fresh):
        say(f"note: {unknown}")
    if fresh.not_run:
        runs = "1 run" if len(fresh.not_run) == 1 else f"{len(fresh.not_run)} runs"
        say(f"note: {runs} of sweep {fresh.sweep} without a result yet: glorot run")
    if fresh.left_out:
        say(f"note: {fresh.left_out} rows of runs.csv belong to other settings or versions")
    return fresh.sweep, verdicts, history.points_of_results(fresh, history.current_commit())


def _check_speed(path: Path, factor: float | None, update: bool) -> "tuple[list[Verdict], list[Point]]":
    """The verdicts on speed, and its numbers for a history; none after an update."""
    from glorot.gate import history, speed

    stored, counted = ([], False) if update else speed.read_baseline(path)
    say("timing updates against a reference loop in the same process: half a minute")
    speeds = [speed.measure(setting) for setting in speed.settings()]
    if update:
        speed.write_baseline(path, speeds)
        say(f"{len(speeds)} timings are the baseline now: {path}")
        return [], []
    points = history.points_of_speeds(speeds, history.current_commit())
    return speed.compare(speeds, stored, factor, counted), points
