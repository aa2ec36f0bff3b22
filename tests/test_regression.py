"""The regression gate: every verdict, both rules behind a "worse", the statistics, and the command's exit codes.

tests/golden/regression.md is compared as whole text; after a change that is meant, make it anew with

    GLOROT_GOLDEN=write python -m pytest tests/test_regression.py
"""

import csv
import math
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from stored import table_rows

from glorot.errors import GlorotError, ResultsError
from glorot.gate import regression, speed
from glorot.gate import verdicts as told
from glorot.gate.regression import compare
from glorot.gate.speed import Speed
from glorot.gate.verdicts import Verdict, exit_code
from glorot.results.rows import HISTORY_COLUMNS, OUTCOME_COLUMNS, RUN_COLUMNS
from glorot.results.store import Store, settings_of
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand

GOLDEN = Path(__file__).parent / "golden"


def a_run(run_id="a", test_error: float | None = 20.0, **changes):
    record = {
        "run_id": run_id, "method": "Tanh N", "dataset": "shapeset", "activation": "tanh",
        "initializer": "normalized", "depth": 2, "width": 30, "hidden": "30-30", "loss": "cross_entropy",
        "batch_size": 10, "learning_rate": 0.03, "seed": 0, "updates": 100, "evaluate_every": 50,
        "valid_examples": 1000, "test_examples": 10_000, "device": "cpu", "status": "done", "updates_done": 100,
        "train_loss": 1.25, "valid_loss": 1.5, "valid_error": 19.5, "test_loss": 1.75, "test_error": test_error,
    }  # fmt: skip
    return record | changes


def diverged(run_id="a", **changes):
    lost = dict.fromkeys(("train_loss", "valid_loss", "valid_error", "test_loss"))
    return a_run(run_id, None, **lost, **{"status": "diverged", "updates_done": 7} | changes)


def failed(run_id="a", **changes):
    return diverged(run_id, status="failed", updates_done=0, **changes)


def frame(*records):
    return pd.DataFrame(records, columns=list(RUN_COLUMNS) + [c for c in records[0] if c not in RUN_COLUMNS])


def verdicts(old, new, factor=None):
    return compare(frame(*new), frame(*old), factor)


def kinds(old, new, factor=None):
    return [verdict.kind for verdict in verdicts(old, new, factor)]


# Exact -----------------------------------------------------------------------------------------------


def test_the_same_bits_are_the_same():
    (verdict,) = verdicts([a_run()], [a_run()])
    assert verdict.line == "same    Tanh N, shapeset: 20.00 % -> 20.00 % (bit for bit)"
    assert kinds([diverged()], [diverged()]) == ["same"]


@pytest.mark.parametrize("column", list(OUTCOME_COLUMNS))
def test_any_number_that_differs_by_a_bit_is_a_change(column):
    old = a_run()
    other = {"status": "diverged", "updates_done": 99}.get(column) or math.nextafter(old[column], 0)
    (verdict,) = verdicts([old], [{**old, column: other}])
    assert verdict.kind == "changed"
    assert f"{column} {old[column]} -> {other}" in verdict.why


def test_a_change_for_the_better_is_a_change_too():
    (verdict,) = verdicts([a_run(test_error=20.0)], [a_run(test_error=10.0)])
    assert (verdict.kind, verdict.baseline, verdict.found) == ("changed", "20.00 %", "10.00 %")
    assert "RESULTS_VERSION" in told.closing([verdict])


def test_labels_are_free_to_change():
    (verdict,) = verdicts([a_run()], [a_run(method="My tanh")])
    assert (verdict.kind, verdict.cell) == ("same", "My tanh, shapeset")


def test_on_another_device_than_the_cpu_no_bits_are_promised():
    assert kinds([a_run(device="cuda")], [a_run(device="cuda", test_loss=1.76)]) == ["same"]
    assert kinds([a_run(device="cuda")], [a_run(device="cuda", test_error=30.0)]) == ["worse"]
    assert kinds([a_run("a")], [a_run("b", device="cuda", test_error=20.1)]) == ["same"]


# Statistical -----------------------------------------------------------------------------------------


def test_the_examples_are_as_many_as_were_tested():
    """A stand-in of 440 test examples: 20 % against 24 % is no difference there, of 10,000 it is one."""
    old = frame(a_run("a", 20.0, dataset="small_imagenet", data="stand-in: photographs"))
    new = frame(a_run("b", 24.0, dataset="small_imagenet", data="stand-in: photographs"))
    assert [one.kind for one in compare(new, old)] == ["worse"]
    assert [
        one.kind for one in compare(new, old, None, {("small_imagenet", "stand-in: photographs", 10_000): 440})
    ] == ["same"]


def test_a_boolean_function_has_as_many_examples_as_rows():
    """None of 16 wrong against six is no significant difference, whatever was asked for."""
    old, new = (
        a_run(name, wrong, dataset='boolean(function="majority", bits=4)') for name, wrong in [("a", 0.0), ("b", 37.5)]
    )
    assert kinds([old], [new]) == ["same"]


@pytest.mark.parametrize(
    ("old", "new", "examples", "kind", "why"),
    [
        (20.0, 20.0, 10_000, "same", r"two-proportion test, p = 1"),
        (20.0, 24.0, 10_000, "worse", r"two-proportion test, p = \S+e-\d\d"),
        (24.0, 20.0, 10_000, "better", r"two-proportion test, p = \S+e-\d\d"),
        # Significant, but within the factor. (The data sets have 10,000 test examples, so the error must be large.)
        (80.0, 83.0, 10_000, "same", r"p = \S+, within the factor 1.05"),
        (83.0, 80.0, 10_000, "same", r"p = \S+, within the factor 1.05"),
        # Beyond the factor, but by chance.
        (20.0, 24.0, 200, "same", r"p = 0\.\d+: beyond the factor 1.05, not significant"),
        (2.0, 2.2, 10_000, "same", r"p = 0\.\d+: beyond the factor 1.05, not significant"),
        # No factor is beyond nothing, in either direction, without an error of its own.
        (0.0, 0.0, 10_000, "same", r"p = 1"),
        (0.0, 0.5, 10_000, "worse", r"p = \S+e-\d\d"),
        (100.0, 100.0, 10_000, "same", r"p = 1"),
    ],
)
def test_worse_needs_a_factor_and_significance(old, new, examples, kind, why):
    (verdict,) = verdicts([a_run("a", old, test_examples=examples)], [a_run("b", new, test_examples=examples)])
    assert verdict.kind == kind
    assert re.search(why, verdict.why), verdict.why


def test_the_factor_can_be_chosen():
    assert kinds([a_run("a", 20.0)], [a_run("b", 24.0)], factor=1.25) == ["same"]
    assert kinds([a_run("a", 80.0)], [a_run("b", 83.0)], factor=1.0) == ["worse"]


@pytest.mark.parametrize("factor", [0.0, 0.99, -2.0, math.nan, math.inf])
def test_a_factor_that_would_hide_everything_is_refused(factor):
    with pytest.raises(GlorotError, match="expected a factor of at least 1"):
        verdicts([a_run()], [a_run()], factor)
    with pytest.raises(GlorotError, match="expected a factor of at least 1"):
        speed.compare([], [], factor)


def test_more_test_examples_than_there_are_give_no_significance():
    """With 10,000 it is p = 0.02; the setting, taken at its word, would make it certain."""
    old, new = a_run("a", 2.0, test_examples=10**9), a_run("b", 2.48, test_examples=10**9)
    assert kinds([old], [new]) == ["same"]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (a_run("a"), diverged("b"), "worse"),
        (diverged("a"), a_run("b"), "better"),
        (diverged("a"), diverged("b", updates_done=9), "same"),
        (a_run("a"), failed("b"), "missing"),
        (diverged("a"), failed("b"), "missing"),
        (a_run("a"), failed("a"), "missing"),
        (a_run("a"), diverged("a"), "changed"),
        (diverged("a"), a_run("a"), "changed"),
        (a_run("a"), a_run("b", None), "missing"),  # done, it says, but without a number
    ],
)
def test_transitions_of_the_status(old, new, kind):
    assert kinds([old], [new]) == [kind]


def seeds(version, *errors, **changes):
    return [
        diverged(f"{version}{seed}", seed=seed) if error is None else a_run(f"{version}{seed}", error, seed=seed)
        for seed, error in enumerate(errors)
    ]


def test_several_seeds_are_one_cell():
    (verdict,) = verdicts(seeds("a", 20.0, 20.2, 19.8), seeds("b", 24.0, 24.1, 23.9))
    p = stats.ttest_ind([20.0, 20.2, 19.8], [24.0, 24.1, 23.9], equal_var=False).pvalue
    assert verdict == Verdict(
        "worse", "Tanh N, shapeset, 3 seeds", "20.00 %", "24.00 %", f"Welch's t-test over seeds, p = {p:.2g}"
    )


def test_seeds_tell_more_than_test_examples():
    """Every seed by itself would be a significant change of 20 %; between seeds such changes are common."""
    old, new = (20.0, 24.0, 28.0), (24.0, 28.0, 32.0)
    assert kinds(seeds("a", *old), seeds("b", *new)) == ["same"]
    for i in range(3):
        assert kinds([a_run("a", old[i])], [a_run("b", new[i])])[0] == "worse"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ((20.0, 20.0, 20.0), (24.0, 24.0, 24.0), "worse"),  # no variance
        ((20.0, 20.0, 20.0), (20.0, 20.0, 20.0), "same"),
        ((20.0, 20.1, 20.2), (20.5, 20.6, 20.7), "same"),  # within the factor
        ((20.0, 20.1, None), (20.0, None, None), "worse"),
        ((20.0, None, None), (20.0, 20.1, None), "better"),
        ((None, None), (None, None), "same"),
        ((None, None), (20.0, None), "better"),
        ((20.0, None), (24.0, None), "worse"),  # one number each: by the test examples
    ],
)
def test_seeds_without_variance_and_diverged_ones(old, new, kind):
    assert kinds(seeds("a", *old), seeds("b", *new)) == [kind]


def test_seeds_are_compared_one_by_one_where_bits_are_promised():
    old = seeds("a", 20.0, 20.2)
    assert kinds(old, old) == ["same", "same"]
    assert [verdict.cell for verdict in verdicts(old, old)] == ["Tanh N, shapeset, seed 0", "Tanh N, shapeset, seed 1"]


# Missing and new -------------------------------------------------------------------------------------


def test_missing_and_new_cells():
    found = verdicts([a_run("a"), a_run("b", depth=3)], [a_run("a"), a_run("c", depth=4)])
    assert [verdict.line for verdict in found] == [
        "same    Tanh N, shapeset, depth 2: 20.00 % -> 20.00 % (bit for bit)",
        "missing Tanh N, shapeset, depth 3: 20.00 % -> \N{EN DASH} (not in the results)",
        "new     Tanh N, shapeset, depth 4: \N{EN DASH} -> 20.00 % (not in the baseline)",
    ]
    assert told.closing(found) == "3 cells: 1 same, 1 new, 1 missing"


def test_a_failed_run_is_never_green():
    assert kinds([a_run("a")], [a_run("a"), failed("b", depth=3)]) == ["same", "missing"]


def test_names_tell_cells_apart_by_as_little_as_possible():
    old = [
        a_run("a", size="small"), a_run("b", size="large", depth=3, hidden="30-30-30"),
        a_run("c", size="large", depth=3, hidden="30-30-30", learning_rate=0.1),
        a_run("d", dataset="mnist", size="small", width=None, hidden="30-20"),
    ]  # fmt: skip
    assert [verdict.cell for verdict in verdicts(old, old)] == [
        "Tanh N, shapeset, size small, learning rate 0.03",
        "Tanh N, shapeset, size large, learning rate 0.03",
        "Tanh N, shapeset, size large, learning rate 0.1",
        "Tanh N, mnist, size small, learning rate 0.03",
    ]


def test_two_table_rows_one_run_are_refused():
    with pytest.raises(ResultsError, match=r"the baseline: expected each run once, found a and b"):
        verdicts([a_run("a"), a_run("b", device="cuda")], [a_run("a")])


# Exit codes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (["same"], 0), (["same", "better", "new"], 0), (["better"], 0), (["worse"], 1), (["changed", "same"], 1),
        (["same", "missing"], 1), (["missing"], 2), (["new"], 2), (["missing", "new"], 2), ([], 2),
    ],
)  # fmt: skip
def test_exit_codes(found, code):
    found = [Verdict(kind, "x", "1", "2", "") for kind in found]
    assert exit_code(found) == code
    assert ("nothing was measured" in told.closing(found)) == (code == 2)
    suite = ElementTree.fromstring(told.junit("x", found))
    assert (int(suite.get("failures")) + int(suite.get("errors")) > 0) == (code != 0)
    assert ("passed" in told.summary("x", found)) == (code == 0)


# The statistics against scipy ------------------------------------------------------------------------

counts = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_two_proportions(first, second):
    """The z-test with pooled variance is the chi-square test of the 2 x 2 table without correction."""
    (k_1, n_1), (k_2, n_2) = first, second
    p = regression.two_proportions(k_1, n_1, k_2, n_2)
    if k_1 + k_2 in (0, n_1 + n_2):
        assert p == 1
    else:
        table = [[k_1, n_1 - k_1], [k_2, n_2 - k_2]]
        assert p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-6, abs=1e-290)


errors = st.lists(st.integers(0, 10_000).map(lambda n: n / 100), min_size=2, max_size=6)


@given(errors, errors)
def test_welch(old, new):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scipy's, about numbers that are nearly identical
        expected = stats.ttest_ind(old, new, equal_var=False).pvalue
    p = regression.welch(old, new).p
    assert 0 <= p <= 1
    if len(set(old)) > 1 or len(set(new)) > 1:
        assert p == pytest.approx(expected)
        assert p == pytest.approx(regression.welch(new, old).p)
    else:
        assert p == (old[0] == new[0])


def test_false_alarms_are_rare():
    """Two samples of 10,000 from the same rate, 2,000 times: the test alone would cry wolf in half a percent."""
    random = np.random.default_rng(0)
    for rate in (0.02, 0.7):
        pairs = random.binomial(10_000, rate, (2_000, 2))
        alarms = sum(regression.two_proportions(a, 10_000, b, 10_000) < regression.SIGNIFICANT for a, b in pairs)
        assert 1 <= alarms <= 25


# Reports ---------------------------------------------------------------------------------------------

EVERY = [
    Verdict("same", "Tanh N, shapeset", "20.00 %", "20.00 %", "bit for bit"),
    Verdict("new", "Tanh | pipe, *shapeset*", told.NONE, "30.00 %", "not in the baseline"),
    Verdict("worse", "Sigmoid, shapeset", "70.00 %", "80.00 %", "two-proportion test, p = 1e-60"),
    Verdict("better", "Softsign, shapeset", "30.00 %", "20.00 %", "two-proportion test, p = 2e-58"),
    Verdict("missing", "ReLU\x1b <b>", "20.00 %", told.NONE, "not in the results"),
    Verdict("changed", "ReLU N", "20.00 %", "20.00 %", "test_loss 1.75 -> 1.7500000000000002"),
]


def test_summary_is_as_documented():
    text = told.summary("regression", EVERY)
    path = GOLDEN / "regression.md"
    if os.environ.get("GLOROT_GOLDEN") == "write":
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode(), f"{path} differs; see the head of this file"


def test_junit_parses_and_counts():
    suites = ElementTree.fromstring(told.junit("regression", EVERY).encode())
    suite = suites.find("testsuite")
    assert suites.tag == "testsuites"
    for element in (suites, suite):
        assert [element.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "3", "0", "1"]
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert len(cases) == 6
    assert cases["Sigmoid, shapeset"].find("failure").get("message") == EVERY[2].line
    assert cases["Tanh | pipe, *shapeset*"].find("skipped") is not None
    assert cases["Tanh N, shapeset"].find("failure") is None
    assert "ReLU� <b>" in cases


@given(st.text())
def test_junit_takes_any_text(text):
    xml = told.junit(text, [Verdict("worse", text, text, text, text)])
    assert ElementTree.fromstring(xml.encode()).find("testsuite/testcase/failure") is not None


@given(st.text())
def test_summary_takes_any_text(text):
    rows = told.summary("x", [Verdict("worse", text, "1", "2", text)]).splitlines()
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", rows[-1])) == 6


# Baselines -------------------------------------------------------------------------------------------

SWEEP = """
name: small
base: {dataset: shapeset, depth: 2, width: 30, learning_rate: 0.03, updates: 100}
grid:
  size: {one: {depth: 1}, two: {depth: 2}}
  activation: [tanh, sigmoid]
"""


def fresh_folder(tmp_path, outcomes=("done",) * 4, device="cpu", **changes):
    folder = tmp_path / "small"
    runs = expand(config.parse(SWEEP, "x.yaml"), device)
    store = Store(folder, [run.run_id for run in runs])
    store.write_sweep(written.dump(config.parse(SWEEP, "small.yaml")))
    for run, status in zip(runs, outcomes, strict=True):
        if status:
            error = 20.0 + run.settings.depth
            record = {"done": a_run(test_error=error), "diverged": diverged(), "failed": failed()}[status]
            outcome = {column: record[column] for column in OUTCOME_COLUMNS} | changes
            measured = {column: outcome[column] for column in HISTORY_COLUMNS if column in outcome}
            history = [] if status == "failed" else [{"update": outcome["updates_done"], "examples": 1000} | measured]
            store.write_run({**settings_of(run), **outcome}, {}, history)
    return folder


def test_update_and_back(tmp_path):
    folder, path = fresh_folder(tmp_path, ["done", "diverged", "done", "done"]), tmp_path / "baselines" / "small.csv"
    fresh = regression.fresh_results(folder)
    regression.write_baseline(path, fresh)
    before = path.read_bytes()
    header, *rows = (folder / "runs.csv").read_text().splitlines()  # the same form, and a count
    assert before.decode().splitlines() == [f"{header},rows in all", *(f"{row},4" for row in rows)]
    assert [one.kind for one in compare(fresh.runs, regression.read_baseline(path).runs)] == ["same"] * 4
    regression.write_baseline(path, regression.fresh_results(folder))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["small.csv"]


def test_stale_rows_are_left_out(tmp_path):
    folder = fresh_folder(tmp_path)
    Store(folder).write_run(a_run("stale"), {}, [])
    fresh = regression.fresh_results(folder)
    assert (len(fresh.runs), fresh.left_out, fresh.not_run, fresh.device) == (4, 1, [], "cpu")
    assert "stale" not in set(fresh.runs["run_id"])


def test_another_device_and_two(tmp_path):
    folder, path = fresh_folder(tmp_path), tmp_path / "b.csv"
    regression.write_baseline(path, regression.fresh_results(folder))
    fresh_folder(tmp_path, device="cuda", test_loss=1.76)
    with pytest.raises(ResultsError, match="expected runs on one device, found cpu, cuda; choose with --device"):
        regression.fresh_results(folder)
    fresh = regression.fresh_results(folder, device="cuda")
    found = compare(fresh.runs, regression.read_baseline(path).runs)
    assert [(one.kind, one.why) for one in found] == [("same", "two-proportion test, p = 1")] * 4


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (["done", "failed", "done", "done"], r"expected a result of every run .* \(Sigmoid, shapeset\) failed"),
        (["done", None, "done", "done"], "expected a result of every run .* was not run"),
    ],
)
def test_no_update_from_half_a_sweep(tmp_path, outcomes, message):
    folder, path = fresh_folder(tmp_path, outcomes), tmp_path / "small.csv"
    path.write_text("as it was")
    with pytest.raises(ResultsError, match=message):
        regression.write_baseline(path, regression.fresh_results(folder))
    assert path.read_text() == "as it was"


def test_no_results(tmp_path):
    with pytest.raises(ResultsError, match=r"nothing was measured: expected results in .*, found none"):
        regression.fresh_results(tmp_path)
    folder = fresh_folder(tmp_path)
    other = tmp_path / "other.yaml"
    other.write_text(SWEEP.replace("updates: 100", "updates: 101"))
    with pytest.raises(ResultsError, match="nothing was measured: none of the runs of sweep small is in"):
        regression.fresh_results(folder, other)


HEADER = ",".join(RUN_COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a line end"),
        (HEADER + "\n", "expected a baseline of at least one row"),
        ("not,ours\n1,2\n", "expected the columns"),
        ("<html>\n", "expected the columns"),
        ("\xff\n", "expected"),
    ],
)
def test_bad_baselines(tmp_path, text, message):
    path = tmp_path / "b.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ResultsError, match=message) as caught:
        regression.read_baseline(path)
    assert str(path) in str(caught.value)


def test_a_baseline_torn_anywhere_is_refused(tmp_path):
    folder, path = fresh_folder(tmp_path), tmp_path / "b.csv"
    regression.write_baseline(path, regression.fresh_results(folder))
    whole = path.read_bytes()
    assert len(whole) > 500
    for length in range(0, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ResultsError):
            regression.read_baseline(path)


@pytest.mark.parametrize("record", [failed(), a_run("a", None)])
def test_a_baseline_of_what_has_no_result_is_refused(tmp_path, record):
    Store(tmp_path).write_run(record, {}, [])
    with pytest.raises(ResultsError, match=r"run a, (failed: no result|done: test_error empty)"):
        regression.read_baseline(tmp_path / "runs.csv")


@pytest.mark.parametrize("error", [math.inf, -1.0, 101.0])
def test_an_error_that_cannot_be_is_no_result(error):
    """Of two of them a test would have said NaN, and so "same"."""
    new = [a_run(f"n{seed}", error, seed=seed, device="cuda") for seed in (0, 1)]
    found = verdicts([a_run(f"o{seed}", seed=seed) for seed in (0, 1)], new)
    assert [verdict.kind for verdict in found] == ["missing", "missing"]
    assert f"a test error of {error} %" in found[0].why


def test_the_committed_baselines_are_those_of_the_shipped_sweeps():
    """A change of the sweep, of RESULTS_VERSION or of a data set's version needs `glorot check ... --update`."""
    root = Path(__file__).parent.parent
    for name in ("regression", "regression-mnist"):
        runs = expand(config.load(root / "experiments" / f"{name}.yaml"))
        baseline = regression.read_baseline(root / "results" / "baselines" / f"{name}.csv").runs
        assert list(baseline["run_id"]) == [run.run_id for run in runs]
        assert set(baseline["device"]) == {"cpu"}
    settings = [Speed(setting, 1, [1]).key for setting in speed.settings()]
    stored, _ = speed.read_baseline(root / "results" / "baselines" / "bench.csv")
    assert [tuple(row[column] for column in speed.TIMED) for row in stored] == settings


def test_the_shipped_sweep_covers_the_papers_activations_initializers_and_losses():
    from glorot.models.losses import OF_LINEAR_UNITS as LOSSES

    runs = expand(config.load(Path(__file__).parent.parent / "experiments" / "regression.yaml"))
    cells = {(run.settings.activation, run.settings.initializer, run.settings.loss) for run in runs}
    papers = {"sigmoid", "tanh", "softsign", "relu", "softplus", "linear"}  # the lecture's two among them
    assert cells == {(a, i, loss) for a in papers for i in ("standard", "normalized") for loss in LOSSES}


# Through real processes ------------------------------------------------------------------------------

GLOROT = [sys.executable, "-m", "glorot"]

TINY = """\
name: tiny
base: {dataset: shapeset, depth: 2, width: 8, learning_rate: 0.03, updates: 30, valid_examples: 50, test_examples: 2000}
grid: {activation: [tanh, sigmoid]}
"""


def call(*arguments, cwd, command=None, code=0):
    done = subprocess.run([*(command or GLOROT), *map(str, arguments)], cwd=cwd, capture_output=True, encoding="utf-8",
                          timeout=300)  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with tiny.yaml, its results and a baseline of them."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "tiny.yaml").write_text(TINY)
    call("run", "tiny.yaml", "-q", cwd=folder)
    call("check", "tiny", "--update", cwd=folder)
    return folder


@pytest.fixture
def place(measured, tmp_path):
    shutil.copytree(measured, tmp_path / "place")
    return tmp_path / "place"


BASELINE = Path("results/baselines/tiny.csv")


def change(path, **columns):
    """Change columns of the first row of a CSV file."""
    with open(path, encoding="utf-8") as file:
        header, first, *others = csv.reader(file)
    changed = {**dict(zip(header, first, strict=True)), **columns}
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, list(changed.values()), *others])


def drop(path):
    """Remove the first row of a CSV file."""
    header, _, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *others]))


@pytest.mark.parametrize("what", ["tiny", "results/tiny", "tiny.yaml"])
def test_check_finds_nothing(place, what):
    done = call("check", what, cwd=place)
    assert done.stdout.startswith("## tiny: passed\n")
    assert [(row[0], row[1], row[4]) for row in table_rows(done.stdout)[2:]] == [
        ("same", "Tanh, shapeset", "bit for bit"), ("same", "Sigmoid, shapeset", "bit for bit"),
    ]  # fmt: skip
    assert done.stderr == "2 cells: 2 same\n"


def test_check_finds_a_change(place):
    change(place / BASELINE, test_loss="2.5")
    done = call("check", "tiny", cwd=place, code=1)
    row = table_rows(done.stdout)[2]
    assert row[:2] == ["changed", "Tanh, shapeset"]
    assert "test_loss 2.5 -> " in row[4]
    assert "2 cells: 1 same, 1 changed; the same bits were promised" in done.stderr


def test_check_compares_versions_statistically(place):
    """An older version of the kernels: other run_ids."""
    change(place / BASELINE, run_id="older", test_loss="2.5")
    assert "two-proportion test" in call("check", "tiny", cwd=place).stdout
    change(place / BASELINE, test_error="10.0")
    worse = call("check", "tiny", "--format", "csv", cwd=place, code=1).stdout
    assert worse.splitlines()[1].startswith('worse,"Tanh, shapeset",10.00 %,')
    call("check", "tiny", "--factor", "100", cwd=place)
    change(place / BASELINE, test_error="100.0")
    better = table_rows(call("check", "tiny", cwd=place).stdout)[2]
    assert better[:3] == ["better", "Tanh, shapeset", "100.00 %"]
    call("check", "tiny", "--factor", "nan", cwd=place, code=2)


def test_check_finds_a_missing_and_a_new_cell(place):
    drop(place / "results/tiny/runs.csv")
    done = call("check", "tiny", cwd=place, code=1)
    assert ["missing", "Tanh, shapeset"] in [row[:2] for row in table_rows(done.stdout)]
    assert "note: 1 run of sweep tiny without a result yet" in done.stderr
    header, row = (place / "results/tiny/runs.csv").read_text().splitlines()
    (place / BASELINE).write_text(f"{header},rows in all\n{row},1\n")  # as of a smaller sweep
    call("run", "tiny.yaml", "-q", cwd=place)
    assert ["new", "Tanh, shapeset"] in [row[:2] for row in table_rows(call("check", "tiny", cwd=place).stdout)]


def test_check_of_a_failed_run(place):
    change(place / "results/tiny/runs.csv", status="failed")
    assert ["missing", "Tanh, shapeset"] in [
        row[:2] for row in table_rows(call("check", "tiny", cwd=place, code=1).stdout)
    ]
    before = (place / BASELINE).read_bytes()
    done = call("check", "tiny", "--update", cwd=place, code=2)
    assert "expected a result of every run of sweep tiny" in done.stderr
    assert (place / BASELINE).read_bytes() == before


def test_check_of_a_run_that_failed_when_it_was_made_again(place):
    """Its earlier result is kept, and says nothing of the code that failed."""
    first = (place / "results/tiny/runs.csv").read_text().splitlines()[1].split(",")[0]
    (place / "results/tiny/failures").mkdir()
    (place / f"results/tiny/failures/{first}.txt").write_text("MemoryError\n")
    rows = table_rows(call("check", "tiny", cwd=place, code=1).stdout)
    assert ["missing", "Tanh, shapeset", "failed"] in [[row[0], row[1], row[3]] for row in rows]
    assert "expected a result of every run" in call("check", "tiny", "--update", cwd=place, code=2).stderr


def test_check_without_a_baseline(place):
    done = call("check", "tiny", "--baseline", "none.csv", cwd=place, code=2)
    assert "there is no baseline: expected the file none.csv" in done.stderr
    assert done.stdout == ""


def test_check_of_a_torn_baseline(place):
    path = place / BASELINE
    path.write_bytes(path.read_bytes()[:-20])
    done = call("check", "tiny", cwd=place, code=2)
    assert str(BASELINE) in done.stderr
    assert "cut off" in done.stderr
    call("check", "tiny", "--update", cwd=place)  # mends it
    call("check", "tiny", cwd=place)


def test_check_of_nothing_is_not_green(place):
    """Results of other settings, no results, and results that all failed."""
    usual = (place / "tiny.yaml").read_text()
    (place / "tiny.yaml").write_text(re.sub(r"updates: \d+", "updates: 20", usual))
    call("run", "tiny.yaml", "-q", "-o", "other", cwd=place)
    (place / "tiny.yaml").write_text(usual)
    reports = ["--junit", "j.xml", "--summary", "s.md"]
    done = call("check", "tiny", "-o", "other", "--baseline", BASELINE, *reports, cwd=place, code=2)
    assert "4 cells: 2 new, 2 missing; nothing was measured" in done.stderr
    assert ElementTree.parse(place / "j.xml").getroot().get("errors") == "1"
    assert "measured nothing" in (place / "s.md").read_text()
    assert "nothing was measured" in call("check", "tiny.yaml", "-o", "other", cwd=place, code=2).stderr
    assert "nothing was measured" in call("check", "tiny.yaml", "-o", "none", cwd=place, code=2).stderr
    assert "found none" in call("check", "tiny", "-o", "none", cwd=place, code=2).stderr


def test_update_gives_the_same_bytes(place):
    before = (place / BASELINE).read_bytes()
    done = call("check", "tiny", "--update", cwd=place)
    assert done.stderr == f"2 runs on cpu are the baseline now: {BASELINE}\n"
    assert (place / BASELINE).read_bytes() == before


def test_reports_of_check(place):
    call("check", "tiny", "--junit", "out/j.xml", "--summary", "out/s.md", cwd=place)
    suites = ElementTree.parse(place / "out/j.xml").getroot()
    assert [suites.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "0", "0", "0"]
    assert (place / "out/s.md").read_text().startswith("## tiny: passed\n\n2 cells: 2 same\n\n| verdict ")


@pytest.mark.parametrize("arguments", [[], ["tiny", "--bench"], ["tiny", "--update", "--junit", "j.xml"]])
def test_wrong_usage_of_check(place, arguments):
    assert "Usage" in call("check", *arguments, cwd=place, code=2).stderr


def test_check_names_one_sweep(place):
    shutil.copytree(place / "results/tiny", place / "results/again")
    assert "expected the results of one sweep" in call("check", "results", cwd=place, code=2).stderr


FAST_BENCH = """\
from glorot.bench import contest as bench
from glorot.bench.setting import Setting
from glorot.cli import main
from glorot.gate import speed
bench.ROUND_SECONDS, bench.PAUSE_SECONDS = 0.001, 0.0
speed.settings = lambda: [Setting(hidden=(8,), batch_size=2)]
main()
"""


@pytest.mark.slow
def test_check_of_speed(tmp_path):
    command = [sys.executable, "-c", FAST_BENCH, "check", "--bench"]
    assert "there is no baseline" in call(cwd=tmp_path, command=command, code=2).stderr
    assert "1 timings are the baseline now" in call("--update", cwd=tmp_path, command=command).stderr
    done = call("--factor", "1000", "--junit", "j.xml", cwd=tmp_path, command=command)
    assert table_rows(done.stdout)[2][:2] == ["same", "tanh, 8, minibatch 2, 1 thread"]
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("tests") == "1"
    change(tmp_path / "results/baselines/bench.csv", ratio="0.0001")
    assert table_rows(call(cwd=tmp_path, command=command, code=1).stdout)[2][0] == "worse"
    change(tmp_path / "results/baselines/bench.csv", ratio="10000.0")
    assert table_rows(call(cwd=tmp_path, command=command).stdout)[2][0] == "better"
