"""The scorecard of published numbers, worked by hand, and as a user meets it; golden: published-scorecard.*."""

import pytest
from stored import table_of
from test_document import SUFFIXES, check_golden
from test_report import error

from glorot.errors import ResultsError
from glorot.paper import claims_of_published
from glorot.reporting import writers

SWEEP = """
name: theirs
base: {dataset: mnist, activation: tanh, learning_rate: 0.03, updates: 60_000}
grid:
  method: {A: {width: 10}, B: {width: 20}, C: {width: 30}, D: {width: 40}, E: {width: 50}}
  depth: [1, 2]
  seed: [0, 1, 2]
published:
  source: Somebody (2001), table 2
  values:
    A: {depth 1: 1.0, depth 2: 3}
    B: {depth 1: 2.0, depth 2: 3}
    C: {depth 1: 3.5}
    D: {depth 1: 4}
    F: {depth 1: 9}
table: {rows: method, columns: depth}
"""
MEANS = {"A": 10.0, "B": 30.0, "C": 20.0, "D": 20.5}


@pytest.fixture
def table(tmp_path):
    outcomes = {(row, "1", seed): error(mean + int(seed)) for row, mean in MEANS.items() for seed in "012"}
    return table_of(tmp_path, SWEEP, outcomes | {("A", "2", "0"): error(5.0)})


def test_each_pair_of_a_column(table):
    """Ours: A < C < D < B, and C and D too close to tell. Published: A < B < C < D, and A = B of depth 2."""
    rows = claims_of_published.scorecard([table]).records.rows
    found = {(row["claim"].replace(" has a lower test error than ", " < "), row["where"]): row for row in rows}
    assert {key: (row["verdict"], row["why"]) for key, row in found.items()} == {
        ("A < B", "depth 1"): ("held", ""),
        ("A < C", "depth 1"): ("held", ""),
        ("A < D", "depth 1"): ("held", ""),
        ("B < C", "depth 1"): ("not held", ""),
        ("B < D", "depth 1"): ("not held", ""),
        ("C < D", "depth 1"): ("not measured", "no significant difference"),
    }
    assert found["B < C", "depth 1"]["paper"] == "2 against 3.5"
    assert found["B < C", "depth 1"]["runs"] == "3 runs of 60,000 updates"


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_as_text(table, form):
    text = writers.FORMS[form](claims_of_published.scorecard([table]))
    check_golden(f"published-scorecard.{SUFFIXES[form]}", text)


def test_what_is_not_there(tmp_path):
    rows = claims_of_published.scorecard([table_of(tmp_path, SWEEP, {})]).records.rows
    assert {(row["verdict"], row["why"]) for row in rows} == {
        ("not measured", f"{one}: not run") for one in ("A", "B", "C")
    }
    with pytest.raises(ResultsError, match="published numbers of two rows of its table, found none"):
        claims_of_published.scorecard([table_of(tmp_path, SWEEP.partition("published")[0], {})])


TINY = """
name: tiny
base: {dataset: shapeset, depth: 1, width: 4, learning_rate: 0.1, updates: 20, evaluate_every: 20, valid_examples: 20,
       test_examples: 20}
grid: {activation: [tanh, sigmoid]}
published: {source: Me, values: {Tanh: {Shapeset: 1}, Sigmoid: {Shapeset: 2}}}
"""


def test_command(tmp_path, glorot):
    """Of a sweep that has such numbers it is the scorecard, and in the report in one file."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    ended = glorot("report", "tiny", "--scorecard")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "## Scorecard of tiny")
    assert (tmp_path / "results/tiny/scorecard.md").read_text() == ended.stdout
    assert "Scorecard of Glorot" in glorot("report", "tiny", "--scorecard", "--of", "paper").stdout
    assert glorot("report", "tiny", "--html").returncode == 0
    assert "Scorecard of tiny" in (tmp_path / "results/tiny/report.html").read_text("utf-8")
    (tmp_path / "tiny.yaml").write_text(TINY.partition("published")[0])
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    none = glorot("report", "tiny", "--scorecard", "--of", "published")
    assert (none.returncode, "found none" in none.stderr) == (2, True)
