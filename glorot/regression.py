"""Results against a baseline -> verdicts: does glorot still compute what it did, as well and as fast?

A baseline is a file of the form of runs.csv, made from finished runs by ``glorot check SWEEP --update`` and committed.
Runs are matched by their settings, and compared in one of two ways:

- exactly, where the same bits are promised: the run_id is the baseline's (it stands for the settings, the device
  and the versions of kernels and data set) and the device is the CPU. Any number that differs is ``changed``.
- statistically, elsewhere. A test error is ``worse`` or ``better`` only beyond a relative factor *and* significantly:
  with tens of thousands of examples a difference too small to matter is significant, and with few examples a large
  one is chance. One run against one: two-proportion z-test on the test examples. That test knows nothing of how
  much a run depends on its seed, so where both sides have several seeds, Welch's t-test over them takes its place.

Speed is compared as a ratio: the time of an update to that of a loop of the same reading, writing and arithmetic, in
the same process and taking turns, so that another machine, or a busy one, changes both.
"""

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot import results
from glorot.errors import GlorotError, ResultsError
from glorot.results import OUTCOME_COLUMNS, RUN_COLUMNS, SETTINGS_COLUMNS, Store, write_text
from glorot.statistics import MOST_EXAMPLES, SIGNIFICANT, two_proportions, welch

if TYPE_CHECKING:
    import pandas as pd

    from glorot.bench import Setting

FACTOR = 1.05  # of a test error
# Of a ratio of times. Its median varies by 3 % on an idle machine, 15 % on a busy one, 30 % between processors.
SPEED_FACTOR = 1.5

KINDS = ("worse", "changed", "missing", "better", "new", "same")  # what needs attention comes first
BAD = ("worse", "changed", "missing")
NONE = "\N{EN DASH}"

Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of one cell.

    kind: one of KINDS. cell: its name. baseline, found: both numbers as text; NONE where there is none. why: how
    that was decided.
    """

    kind: str
    cell: str
    baseline: str
    found: str
    why: str

    @property
    def line(self) -> str:
        return f"{self.kind:8}{self.cell}: {self.baseline} -> {self.found} ({self.why})"


# Fresh results, and baselines. ---------------------------------------------------------------------


@dataclass(frozen=True)
class Fresh:
    """The stored runs of a sweep on one device, in grid order.

    not_run: run_ids of the sweep that have no row. left_out: how many rows belong to other settings or versions.
    tested: how many examples each test set really has (see `_test_set`), where that is stored.
    """

    sweep: str
    device: str
    runs: "pd.DataFrame"
    not_run: list[str]
    left_out: int
    tested: dict[tuple, int] = field(default_factory=dict)


def fresh_results(folder: Path, file: Path | None = None, device: str | None = None) -> Fresh:
    """The runs in a sweep's folder that belong to the sweep as it is now: its sweep.yaml, or the file given.

    device: its kind, needed only where there are runs of two. Raises SweepError, and ResultsError where nothing is
    there.
    """
    from glorot.kernels import DEVICES
    from glorot.search import all_runs
    from glorot.sweep import expand, stored_sweep

    if not (folder / "runs.csv").is_file() or not (file or folder / "sweep.yaml").is_file():
        raise ResultsError(
            f"nothing was measured: expected results in {folder}, found none; run the sweep first: glorot run SWEEP"
        )
    sweep = stored_sweep(folder, file)
    store = Store(folder)
    stored = store.read_runs()
    rows = stored.set_index("run_id", drop=False)
    known = store.rows()
    expected = {
        kind: [run.run_id for run in all_runs(sweep, expand(sweep, kind), known)]
        for kind in ([device] if device else DEVICES[1:])
    }
    found = [kind for kind, run_ids in expected.items() if rows.index.isin(run_ids).any()]
    if not found:
        raise ResultsError(
            f"nothing was measured: none of the runs of sweep {sweep.name} is in {folder}, which holds {len(stored)} "
            "of other settings or versions; run the sweep first: glorot run SWEEP"
        )
    if len(found) > 1:
        raise ResultsError(f"{folder}: expected runs on one device, found {', '.join(found)}; choose with --device")
    stored_ids, run_ids = set(rows.index), expected[found[0]]
    runs = rows.loc[[run_id for run_id in run_ids if run_id in stored_ids]].reset_index(drop=True)
    not_run = [run_id for run_id in run_ids if run_id not in stored_ids]
    return Fresh(sweep.name, found[0], runs, not_run, len(rows) - len(runs), _tested(store, runs))


def _tested(store: Store, runs: "pd.DataFrame") -> dict[tuple, int]:
    read = store.read_correct
    found = {_test_set(row): read(row["run_id"]) for row in _rows(runs) if row["status"] == "done"}
    return {key: len(correct) for key, correct in found.items() if correct is not None}


def _test_set(row: Row) -> tuple:
    """What says which test examples a run was measured on; a stand-in's "data" has its content."""
    return row["dataset"], row.get("data"), row["test_examples"]


def read_baseline(path: Path) -> "pd.DataFrame":
    """A baseline as results.Store.read_runs gives runs.csv. Raises ResultsError: not there, torn, empty, foreign."""
    _check_there(path, "glorot check SWEEP")
    frame = results._frame(results._read(path, RUN_COLUMNS), RUN_COLUMNS)
    if frame.empty:
        raise ResultsError(f"{path}: expected a baseline of at least one run, found none; make it anew with --update")
    for row in _rows(frame):
        if not _measured(row):
            raise ResultsError(
                f"{path}: expected run {row['run_id']} to be done with a test error, or diverged; found "
                f"{row['status']} and {row['test_error']}; restore it (git checkout), or make it anew with --update"
            )
    return frame


def write_baseline(path: Path, fresh: Fresh) -> None:
    """Make the fresh results the baseline. Raises ResultsError where a run has none; the old one is then intact."""
    rows = _rows(fresh.runs)
    without = [f"{row['run_id']} ({row['method']}, {row['dataset']}) failed" for row in rows if not _measured(row)]
    without += [f"{run_id} was not run" for run_id in fresh.not_run]
    if without:
        shown = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        raise ResultsError(
            f"{path} is left as it is: expected a result of every run of sweep {fresh.sweep}; {shown}; finish the "
            "sweep first: glorot run SWEEP"
        )
    cells = [results._cells(row, RUN_COLUMNS) for row in rows]
    write_text(path, results._csv(cells, [str(column) for column in fresh.runs.columns]))


def _check_there(path: Path, command: str) -> None:
    if not path.is_file():
        raise ResultsError(
            f"there is no baseline: expected the file {path}; name it with --baseline, or make it with "
            f"`{command} --update`"
        )


def _rows(frame: "pd.DataFrame") -> list[Row]:
    """A frame's rows as plain Python values; None for what is missing."""
    import pandas as pd

    return [
        {str(column): None if pd.isna(value) else value for column, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _measured(row: Row) -> bool:
    """Whether a run has a result to compare. One that diverged has."""
    return row["status"] == "diverged" or (row["status"] == "done" and row["test_error"] is not None)


# Verdicts on results. ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """One run of the baseline and of the results; None where it is not there."""

    old: Row | None
    new: Row | None

    @property
    def row(self) -> Row:
        row = self.new or self.old
        assert row is not None
        return row

    @property
    def is_statistical(self) -> bool:
        """Whether both have a result and the same bits are not promised."""
        if not self.old or not self.new or not _measured(self.new):
            return False
        return self.old["run_id"] != self.new["run_id"] or self.new["device"] != "cpu"


def compare(
    runs: "pd.DataFrame",
    baseline: "pd.DataFrame",
    factor: float | None = None,
    tested: Mapping[tuple, int] | None = None,
) -> list[Verdict]:
    """A verdict for each cell, in the baseline's order; what is not in the baseline comes last.

    runs: as Fresh has them. baseline: as read_baseline gives it. factor: how many times as large a test error
    has to be to be worse (or, divided by it, better); at least 1, FACTOR by default.

    A cell is one run; but where runs are compared statistically, those that differ in their seed alone are one.
    """
    factor = _checked(factor, FACTOR)
    old, new = _by_settings(baseline, "the baseline"), _by_settings(runs, "the results")
    cells: dict[tuple, list[_Pair]] = {}
    for key in dict.fromkeys([*old, *new]):
        pair = _Pair(old.get(key), new.get(key))
        cell = tuple(item for item in key if item[0] != "seed") if pair.is_statistical else key
        cells.setdefault(cell, []).append(pair)
    columns = _telling_columns([pair.row for pairs in cells.values() for pair in pairs])
    return [_verdict(pairs, columns, factor, tested or {}) for pairs in cells.values()]


def _checked(factor: float | None, default: float) -> float:
    factor = default if factor is None else factor
    if not 1 <= factor < math.inf:  # nothing would ever be beyond NaN
        raise GlorotError(f"expected a factor of at least 1, found {factor:g}")
    return factor


def _by_settings(frame: "pd.DataFrame", what: str) -> dict[tuple, Row]:
    """Rows by all settings that decide, but not by device or version."""
    rows: dict[tuple, Row] = {}
    for row in _rows(frame):
        key = tuple((column, row[column]) for column in SETTINGS_COLUMNS if column != "device")
        if key in rows:
            raise ResultsError(
                f"{what}: expected each run once, found {rows[key]['run_id']} and {row['run_id']} with equal settings; "
                "keep one of them"
            )
        rows[key] = row
    return rows


def _telling_columns(rows: Sequence[Row]) -> list[str]:
    """The columns that tell the runs apart: method, data set, and as few as possible of the others."""
    columns = ["method", "dataset"]
    axes = [column for column in dict.fromkeys(column for row in rows for column in row) if column not in RUN_COLUMNS]
    for column in [*axes, *(column for column in SETTINGS_COLUMNS if column not in ("dataset", "device"))]:
        known, more = ({tuple(row.get(c) for c in cs) for row in rows} for cs in (columns, [*columns, column]))
        if len(more) > len(known):
            columns.append(column)
    return columns


def _name(row: Row, columns: Iterable[str]) -> str:
    bare = ("method", "dataset", "activation", "initializer", "loss")
    texts = [(column, row.get(column)) for column in columns]
    return ", ".join(
        str(value) if column in bare else f"{column.replace('_', ' ')} {value}"
        for column, value in texts
        if value is not None
    )


def _verdict(pairs: Sequence[_Pair], columns: Sequence[str], factor: float, tested: Mapping[tuple, int]) -> Verdict:
    pair = pairs[0]
    if pair.is_statistical:
        return _statistical_verdict(pairs, columns, factor, tested)
    name, old, new = _name(pair.row, columns), pair.old, pair.new
    if new is None:
        return Verdict("missing", name, _shown([old]), NONE, "not in the results")
    if not _measured(new):
        return Verdict("missing", name, _shown([old]), "failed", "the run failed" + ("" if old else "; new"))
    if old is None:
        return Verdict("new", name, NONE, _shown([new]), "not in the baseline")
    different = [f"{c} {_exact(old[c])} -> {_exact(new[c])}" for c in OUTCOME_COLUMNS if old[c] != new[c]]
    kind, why = ("changed", ", ".join(different)) if different else ("same", "bit for bit")
    return Verdict(kind, name, _shown([old]), _shown([new]), why)


def _exact(value: Any) -> str:
    return NONE if value is None else str(value)


def _shown(rows: Sequence[Row | None]) -> str:
    """The mean test error of the runs that are done; diverged, where there is none."""
    there = [row for row in rows if row]
    errors = [row["test_error"] for row in there if row["status"] == "done"]
    if not errors:
        return "diverged" if there else NONE
    diverged = f" ({len(there) - len(errors)} of {len(there)} diverged)" if len(errors) < len(there) else ""
    return f"{statistics.fmean(errors):.2f} %{diverged}"


def _statistical_verdict(
    pairs: Sequence[_Pair], columns: Sequence[str], factor: float, tested: Mapping[tuple, int]
) -> Verdict:
    """Of runs that differ in their seed alone, each with a result on both sides."""
    old, new = [pair.old for pair in pairs if pair.old], [pair.new for pair in pairs if pair.new]
    name = _name(new[0], columns)
    if len(pairs) > 1:
        name = f"{_name(new[0], [c for c in columns if c != 'seed'])}, {len(pairs)} seeds"
    kind, why = _statistical(old, new, factor, tested)
    return Verdict(kind, name, _shown(old), _shown(new), why)


def _statistical(
    olds: Sequence[Row], news: Sequence[Row], factor: float, tested: Mapping[tuple, int]
) -> tuple[str, str]:
    """Kind and reason."""
    diverged = [sum(row["status"] == "diverged" for row in rows) for rows in (olds, news)]
    old, new = ([row for row in rows if row["status"] == "done"] for rows in (olds, news))
    if diverged[1] > diverged[0]:  # no number to test, and no matter of degree
        return "worse", f"{diverged[1]} of {len(news)} diverged, {diverged[0]} before"
    fewer = "better" if diverged[1] < diverged[0] else "same"
    if not old:
        return fewer, f"{diverged[1]} of {len(news)} diverged, {diverged[0]} before"
    means = [statistics.fmean(row["test_error"] for row in rows) for rows in (old, new)]
    if len(old) > 1 and len(new) > 1:
        p = welch([row["test_error"] for row in old], [row["test_error"] for row in new])
        how = "Welch's t-test over seeds"
    else:
        p = two_proportions(*_mistakes(old, tested), *_mistakes(new, tested))
        how = "two-proportion test"
    beyond = _beyond(means[0], means[1], factor)
    if p < SIGNIFICANT:
        return beyond or fewer, f"{how}, p = {p:.2g}" + ("" if beyond else f", within the factor {factor:g}")
    return fewer, f"{how}, p = {p:.2g}" + (f": beyond the factor {factor:g}, not significant" if beyond else "")


def _beyond(old: float, new: float, factor: float) -> str | None:
    """Whether a number, of which less is better, is worse or better by more than the factor."""
    return "worse" if new > old * factor else "better" if new * factor < old else None


def _mistakes(rows: Sequence[Row], tested: Mapping[tuple, int]) -> tuple[int, int]:
    """(how many test examples were wrong, of how many)."""
    counts = [tested.get(_test_set(row), min(row["test_examples"], MOST_EXAMPLES)) for row in rows]
    wrong = [round(row["test_error"] * n / 100) for row, n in zip(rows, counts, strict=True)]
    return sum(wrong), sum(counts)


# Speed. --------------------------------------------------------------------------------------------

SPEED_COLUMNS: dict[str, type] = {
    "activation": str, "hidden": str, "batch_size": int, "threads": int,
    "ratio": float, "milliseconds": float, "hardware": str,
}  # fmt: skip
TIMED = ("activation", "hidden", "batch_size", "threads")  # what tells the settings apart
BATCHES = 64  # minibatches that are timed together


@dataclass(frozen=True)
class Speed:
    """How long an update takes: in milliseconds, and round by round as a multiple of the reference loop."""

    setting: "Setting"
    milliseconds: float
    ratios: list[float] = field(repr=False)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def key(self) -> tuple:
        fields = {**asdict(self.setting), "hidden": "-".join(map(str, self.setting.hidden))}
        return tuple(fields[column] for column in TIMED)


def speed_settings() -> "list[Setting]":
    """What is timed: the paper's network, the quickstart's, one of the gate's size, and large minibatches."""
    from glorot.bench import Setting

    return [
        Setting(),
        Setting(hidden=(300,) * 5),
        Setting(hidden=(70, 50), activation="sigmoid"),
        Setting(hidden=(300,) * 5, batch_size=100, activation="softsign"),
    ]


def measure_speed(setting: "Setting", rounds: int = 15) -> Speed:
    """Time updates of a network, and the reference loop, in turns."""
    from glorot import bench

    network = bench.our_kernels(setting)
    examples = bench.make_examples(setting, BATCHES * setting.batch_size)

    def ours(n: int) -> None:
        for _ in range(n // BATCHES):
            network.train(examples)

    timed = bench.contest({"ours": ours, "reference": _reference(setting)}, rounds, unit=BATCHES)
    ratios = [a / b for a, b in zip(timed.seconds["ours"], timed.seconds["reference"], strict=True)]
    return Speed(setting, 1e3 * timed.median("ours"), ratios)


def _reference(setting: "Setting") -> Callable[[int], None]:
    """What an update cannot do without, one after the other: read the weights, read and write them, multiply."""
    import numpy as np

    from glorot.kernels import floor
    from glorot.kernels.simd import LANES

    group = 8 * LANES
    weights = np.ones(-(-setting.weights // group) * group, np.float32)
    rounds = sum(setting.flops) // (2 * LANES * floor.ACCUMULATORS)

    def work(n: int) -> None:
        floor.read(weights, 0, len(weights), n)
        floor.read_and_write(weights, 0, len(weights), np.float32(1), n)
        floor.multiply_add(n * rounds)

    return work


def read_speed_baseline(path: Path) -> list[Row]:
    """Raises ResultsError: not there, torn, empty, foreign."""
    _check_there(path, "glorot check --bench")
    rows = _rows(results._frame(results._read(path, SPEED_COLUMNS), SPEED_COLUMNS))
    if not rows or not all(row["ratio"] and 0 < row["ratio"] < math.inf for row in rows):
        raise ResultsError(f"{path}: expected rows with ratios above 0, found others; make it anew with --update")
    return rows


def write_speed_baseline(path: Path, speeds: Sequence[Speed]) -> None:
    """Make these the baseline. Milliseconds and hardware are for people; nothing is compared with them."""
    from glorot.cell import now, provenance

    hardware = provenance(now(), None, None)["hardware"]
    rows = [
        dict(zip(SPEED_COLUMNS, (*one.key, round(one.ratio, 3), round(one.milliseconds, 4), hardware), strict=True))
        for one in speeds
    ]
    cells = [results._cells(row, SPEED_COLUMNS) for row in rows]
    write_text(path, results._csv(cells, list(SPEED_COLUMNS)))


def compare_speed(speeds: Sequence[Speed], baseline: Sequence[Row], factor: float | None = None) -> list[Verdict]:
    """A verdict for each setting: worse (or better) only if the median ratio is beyond the factor and a sign test
    over the rounds says that it is no chance."""
    factor = _checked(factor, SPEED_FACTOR)
    old = {tuple(row[column] for column in TIMED): row for row in baseline}
    new = {one.key: one for one in speeds}
    return [_speed_verdict(key, old.get(key), new.get(key), factor) for key in dict.fromkeys([*old, *new])]


def _speed_verdict(key: tuple, old: Row | None, new: Speed | None, factor: float) -> Verdict:
    activation, hidden, batch_size, threads = key
    name = f"{activation}, {hidden}, minibatch {batch_size}, {threads} thread{'s' if threads > 1 else ''}"
    before = f"{old['ratio']:.2f}" if old else NONE
    if new is None:
        return Verdict("missing", name, before, NONE, "not measured")
    now, timed = f"{new.ratio:.2f} x reference", f"{new.milliseconds:.3f} ms an update"
    if old is None:
        return Verdict("new", name, before, now, f"{timed}; not in the baseline")
    slower = sum(ratio > old["ratio"] for ratio in new.ratios)
    p = sign_test(slower, len(new.ratios))
    kind = _beyond(old["ratio"], new.ratio, factor) if p < SIGNIFICANT else None
    return Verdict(kind or "same", name, before, now, f"{timed}, slower in {slower} of {len(new.ratios)} rounds")


def sign_test(k: int, n: int) -> float:
    """Two-sided p-value of k of n signs, each as likely as not."""
    tail = sum(math.comb(n, i) for i in range(max(k, n - k), n + 1))
    return min(1.0, 2 * tail / 2**n)


# What is told. -------------------------------------------------------------------------------------


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: well; 1: something is worse, changed or missing; 2: nothing was measured on both sides."""
    if not _anything_measured(verdicts):
        return 2
    return 1 if any(verdict.kind in BAD for verdict in verdicts) else 0


def _anything_measured(verdicts: Iterable[Verdict]) -> bool:
    return any(verdict.kind not in ("missing", "new") for verdict in verdicts)


def lines(verdicts: Iterable[Verdict]) -> str:
    """A line a cell."""
    return "".join(f"{verdict.line}\n" for verdict in verdicts)


def closing(verdicts: Sequence[Verdict]) -> str:
    """The counts, and what to do about what changed."""
    counts = Counter(verdict.kind for verdict in verdicts)
    parts = ", ".join(f"{counts[kind]} {kind}" for kind in reversed(KINDS) if counts[kind])
    text = f"{len(verdicts)} {'cell' if len(verdicts) == 1 else 'cells'}: {parts or 'none'}"
    if not _anything_measured(verdicts):
        return f"{text}; nothing was measured that is in the baseline"
    if counts["changed"]:
        text += (
            "; the same bits were promised, so a change that is meant raises RESULTS_VERSION in glorot/sweep.py: "
            "then run the sweep again, and check it with --update"
        )
    return text


def summary(title: str, verdicts: Sequence[Verdict]) -> str:
    """Markdown: the closing line, and a table with what needs attention first."""
    outcome = {0: "passed", 1: "failed", 2: "measured nothing"}[exit_code(verdicts)]
    text = [f"## {_escaped(title)}: {outcome}", "", closing(verdicts), ""]
    text += ["| verdict | cell | baseline | now | |", "|:--|:--|--:|--:|:--|"]
    for verdict in sorted(verdicts, key=lambda verdict: KINDS.index(verdict.kind)):
        kind = f"**{verdict.kind}**" if verdict.kind in BAD else verdict.kind
        cells = [kind, *map(_escaped, (verdict.cell, verdict.baseline, verdict.found, verdict.why))]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def _escaped(text: str) -> str:
    """Text that stays in its cell of a markdown table and is no markup."""
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", " ".join(text.split()))


def junit(title: str, verdicts: Sequence[Verdict]) -> str:
    """JUnit XML: a test case a cell. If nothing was measured, one more that is an error."""
    from xml.etree import ElementTree as xml

    cases = [(verdict.cell, *_junit_result(verdict)) for verdict in verdicts]
    if not _anything_measured(verdicts):
        cases.append(("anything measured", "error", closing(verdicts)))
    tags = Counter(tag for _, tag, _ in cases)
    counts = {"tests": len(cases), "failures": tags["failure"], "errors": tags["error"], "skipped": tags["skipped"]}
    attributes = {key: str(count) for key, count in counts.items()}
    suites = xml.Element("testsuites", attributes)
    suite = xml.SubElement(suites, "testsuite", {"name": _legal(title), **attributes})
    for name, tag, message in cases:
        case = xml.SubElement(suite, "testcase", classname=_legal(title), name=_legal(name))
        if tag == "system-out":
            xml.SubElement(case, tag).text = _legal(message)
        else:
            xml.SubElement(case, tag, message=_legal(message))
    xml.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(suites, encoding="unicode") + "\n"


def _junit_result(verdict: Verdict) -> tuple[str, str]:
    tag = "failure" if verdict.kind in BAD else "skipped" if verdict.kind == "new" else "system-out"
    return tag, verdict.line


def _legal(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
