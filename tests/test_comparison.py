"""Two results side by side: differences by hand, settings that differ, and what a user sees."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from test_document import SUFFIXES, check_golden
from test_report import BASE, METHODS, error, store_runs

from glorot.errors import ResultsError
from glorot.reporting import comparison, report, writers
from glorot.reporting.significance import MCNEMAR, PROPORTIONS
from glorot.sweeps import config
from glorot.sweeps.runs import expand

SEEDS = "  seed: [0, 1, 2]\n"


def table_of(folder, text, outcomes):
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    stored = store_runs(folder / sweep.name, runs, outcomes)
    (folder / sweep.name).mkdir(exist_ok=True)
    (folder / sweep.name / "sweep.yaml").write_text(text)
    return sweep.name, report.table(stored, sweep, runs)


def outcomes(tanh, normalized):
    found = {("Tanh", seed): error(tanh + int(seed)) for seed in "012"}
    return found | {("Tanh N", seed): error(normalized + int(seed)) for seed in "012"}


@pytest.fixture
def named(tmp_path):
    one = "name: one\n" + BASE + "grid:" + METHODS + SEEDS
    two = one.replace("name: one", "name: two").replace("60_000", "80_000")
    lost = dict.fromkeys([("Sigmoid", seed) for seed in "012"], "diverged")
    here = outcomes(40, 30) | {("Sigmoid", seed): error(83.0 + int(seed)) for seed in "012"}
    return [table_of(tmp_path, one, here), table_of(tmp_path, two, outcomes(40.5, 10) | lost)]


def test_cell_by_cell(named):
    found = {one.row: one for one in comparison.pairs(named[0][1], "one", named[1][1], "two")}
    assert {row: one.difference for row, one in found.items()} == {"Tanh": 0.5, "Tanh N": -20.0, "Sigmoid": None}
    assert [one.verdict for one in found.values()] == [
        comparison.NO_DIFFERENCE, "lower in two", "diverged in two",
    ]  # fmt: skip
    # Student's t of 20 points: standard deviation 1 in both, so 20 / sqrt(2 / 3) with four degrees of freedom
    from scipy import stats

    assert found["Tanh N"].p == pytest.approx(2 * stats.t.sf(20 / (2 / 3) ** 0.5, 4))


def test_as_text(named):
    document = comparison.document(named)
    text = writers.FORMS["markdown"](document)
    assert "| Updates   | 60,000 | 80,000 |" in text
    assert text.count("\n| Updates") == 1
    assert "**lower in two**" in text
    rows = list(csv.DictReader(io.StringIO(writers.csv_text(document))))
    assert [(row["row"], row["difference"]) for row in rows] == [("Tanh", "0.5"), ("Tanh N", "-20.0"), ("Sigmoid", "")]


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_three_as_text(named, tmp_path, form):
    """In the first one's order, whatever the others lack; tests/golden/three.*."""
    some = {("Tanh N", seed): error(29.0 + int(seed)) for seed in "012"}
    text = "name: three\n" + BASE + "grid:" + METHODS.replace("Tanh:", "Softsign:") + SEEDS
    document = comparison.document([*named, table_of(tmp_path, text, some)])
    check_golden(f"three.{SUFFIXES[form]}", writers.FORMS[form](document))


@pytest.mark.parametrize(("version", "test"), [(2, MCNEMAR), (1, PROPORTIONS)])
def test_another_version_of_the_data_has_other_test_examples(tmp_path, version, test):
    """Example 7 of the one is not example 7 of the other."""
    sweep = config.parse("name: one\n" + BASE + "grid:\n  activation: [tanh]\n", "x.yaml")

    def table(percent, version):
        runs = [replace(run, version=version) for run in expand(sweep)]
        found = store_runs(tmp_path / str(percent), runs, {("tanh",): error(percent)})
        return report.table(found, sweep, runs, correct=lambda run_id: np.arange(100) >= percent)

    (pair,) = comparison.pairs(table(40.0, version), "old", table(30.0, 2), "new")
    assert pair.test == test


def test_a_diverged_seed_is_a_reason_for_no_test(named, tmp_path):
    lost = outcomes(60, 50) | {("Tanh", "2"): "diverged"}
    other = table_of(tmp_path, "name: lost\n" + BASE + "grid:" + METHODS + SEEDS, lost)
    found = {one.row: one.verdict for one in comparison.pairs(named[0][1], "one", other[1], "lost")}
    assert (found["Tanh"], found["Tanh N"]) == (comparison.NO_TEST, "lower in one")
    assert "- not tested: a seed diverged, " in writers.FORMS["markdown"](comparison.document([named[0], other]))


def test_with_itself(named):
    document = comparison.document([named[0], ("again", named[0][1])])
    text = writers.FORMS["markdown"](document)
    assert text.count(comparison.SAME_RUNS) == 3
    assert "All settings of the runs shown are the same" in text


def test_nothing_in_common(named, tmp_path):
    other = table_of(tmp_path, "name: three\n" + BASE + "grid:\n  activation: [softsign, relu]\n", {})
    with pytest.raises(ResultsError, match="the same row and column in both, found none"):
        comparison.document([named[0], other])
    with pytest.raises(ResultsError, match="the same row and column in three and another result, found none"):
        comparison.document([other, *named])


def test_command(named, tmp_path, glorot):
    ended = glorot("compare", "old=one", tmp_path / "two", "-o", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("## old and two\n\n### Settings that differ\n")
    three = glorot("compare", "old=one", tmp_path / "two", "again=one", "-o", tmp_path)
    assert (three.returncode, three.stdout.splitlines()[0]) == (0, "## old, two and again")
    wrong = glorot("compare", "one", "-o", tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "expected two sweeps or more" in wrong.stderr
