"""The numbers of many nights: ``history.csv``, to which lines are only ever added, and its curves with their steps.

A line is one number: what was measured, when, of which commit, on which machine. A number is that of a run, so that
checking the same results twice adds nothing.
"""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glorot.errors import ResultsError
from glorot.execution.status import lock_of
from glorot.gate.regression import Fresh, cell_names
from glorot.gate.speed import Speed
from glorot.gate.steps import Step, steps
from glorot.gate.verdicts import beyond
from glorot.results.rows import cells_of, csv_text, read_file, read_rows, records_of
from glorot.results.store import write_bytes

NAME = "history.csv"
COLUMNS: dict[str, type] = {
    "when": str, "commit": str, "machine": str, "title": str, "cell": str, "quantity": str, "value": float,
    "device": str, "sources": str,
}  # fmt: skip
# Of each quantity, of which less is better: how many times as large is worse. Test errors are those of the gate.
FACTORS = {"test error (%)": 1.05, "seconds": 1.5, "time / reference": 1.5}
TEST_ERROR, SECONDS, RATIO = FACTORS
COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA")  # variables of CI services


@dataclass(frozen=True)
class Point:
    """One number. when: ISO 8601. sources: a digest of the sources that decide results; empty where not known."""

    when: str
    commit: str
    machine: str
    title: str
    cell: str
    quantity: str
    value: float
    device: str = "cpu"
    sources: str = ""

    @property
    def curve(self) -> tuple[str, str, str, str]:
        """Which curve it belongs to. Seconds of different machines are never compared."""
        return self.title, self.quantity, self.cell, self.machine if self.quantity == SECONDS else ""


@dataclass(frozen=True)
class Curve:
    """Points in order of time, and the steps of their values."""

    points: list[Point]
    steps: list[Step]

    @property
    def name(self) -> str:
        first = self.points[0]
        return f"{first.cell} on {first.machine}" if first.quantity == SECONDS else first.cell


@dataclass(frozen=True)
class Change:
    """A step with the points on both sides of it. kind: "worse", "better", or "changed" within the factor."""

    kind: str
    last: Point
    first: Point
    step: Step


def points_of_results(fresh: Fresh, commit: str) -> list[Point]:
    """The test errors and seconds of a sweep's finished runs. Those that do not say when they were run have none."""
    rows = records_of(fresh.runs)
    points = []
    for row, cell in zip(rows, cell_names(rows), strict=True):
        origin = fresh.origins.get(row["run_id"], {})
        if row["status"] != "done" or not origin.get("started"):
            continue
        for quantity, value in ((TEST_ERROR, row["test_error"]), (SECONDS, origin.get("seconds"))):
            if value is not None:
                points.append(Point(
                    str(origin["started"]), commit, str(origin.get("hardware") or ""), fresh.sweep, cell, quantity,
                    float(value), fresh.device, str(origin.get("sources") or ""),
                ))  # fmt: skip
    return points


def points_of_speeds(speeds: Iterable[Speed], commit: str) -> list[Point]:
    """The times of updates, as multiples of the reference loop."""
    from glorot.training.cell import now, provenance

    origin = provenance(now(), None, None)
    return [
        Point(origin["started"], commit, origin["hardware"], "Speed", one.name, RATIO, round(one.ratio, 3))
        for one in speeds
    ]


def read(folder: Path) -> list[Point]:
    """All points, in order of time. Raises ResultsError where the file is torn or foreign; none where there is none."""
    points = []
    for row in read_rows(folder / NAME, COLUMNS):
        if not row["value"] or not row["when"]:
            raise ResultsError(f"{folder / NAME}: expected a time and a value in each line; restore it (git checkout)")
        points.append(Point(**{**row, "value": float(row["value"])}))  # type: ignore[arg-type]
    return sorted(points, key=lambda point: point.when)


def append(folder: Path, points: Iterable[Point]) -> int:
    """Add the points that are not there; how many these were. The lines that are there stay as they are, to the byte.

    Raises ResultsError where the file is torn, foreign, cannot be written, or is being written by another.
    """
    import filelock

    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_of(folder):
            known = {(point.curve, point.when) for point in read(folder)}
            new = [point for point in points if (point.curve, point.when) not in known]
            text = csv_text([cells_of(vars(point), COLUMNS) for point in new], list(COLUMNS))
            before = read_file(path) if path.exists() else b""
            if new:
                write_bytes(path, before + (text.partition("\n")[2] if before else text).encode())
            return len(new)
    except filelock.Timeout:
        raise ResultsError(f"another glorot is writing to {folder}; try again when it has ended") from None
    except (OSError, NotImplementedError) as error:
        raise ResultsError(f"cannot write {path}: {error}; choose another folder with --history") from error


def curves(points: Sequence[Point]) -> list[Curve]:
    """By title, quantity and cell, in the order in which they first came."""
    found: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        found.setdefault(point.curve, []).append(point)
    return [Curve(group, _steps(group)) for group in found.values()]


def _steps(points: Sequence[Point]) -> list[Step]:
    """Test errors of a CPU have no noise: each change is a step."""
    values = [point.value for point in points]
    if points[0].quantity != TEST_ERROR or points[0].device != "cpu":
        return steps(values)
    changes = [index for index in range(1, len(values)) if values[index] != values[index - 1]]
    return [Step(index, values[index - 1], values[index]) for index in changes]


def changes(all_curves: Iterable[Curve]) -> list[Change]:
    """All steps, the newest first."""
    found = []
    for curve in all_curves:
        for step in curve.steps:
            kind = beyond(step.before, step.after, FACTORS.get(curve.points[0].quantity, 1.0)) or "changed"
            found.append(Change(kind, curve.points[step.index - 1], curve.points[step.index], step))
    return sorted(found, key=lambda change: change.first.when, reverse=True)


def current_commit(environment: Mapping[str, str] = os.environ) -> str:
    """The commit that CI names, or that git has here ("-dirty" where files were changed); empty where there is none."""
    for name in COMMITS:
        if environment.get(name):
            return environment[name][:12]
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
