"""Our results beside the paper's Table 1. Golden files: see test_report.py."""

import csv
import io
import shutil

import numpy as np
import pytest
from stored import check_golden, store_runs

from glorot.errors import ResultsError
from glorot.paper.table1 import ROWS, TABLE_1, paper_table
from glorot.reporting import report
from glorot.reporting.significance import SEED_TESTS
from glorot.sweeps import config
from glorot.sweeps.runs import expand

PAPER = """
method:
    Softsign: {activation: softsign, initializer: standard}
    Tanh: {activation: tanh, initializer: standard}
    Tanh N: {activation: tanh, initializer: normalized}
    My ReLU: {activation: relu, initializer: he_uniform}
"""
STAND_IN = "{name: small_imagenet, content: CONTENT, about: 'stand-in: 440 of our photographs'}".replace(
    "CONTENT", "ab" * 32
)


def table_of(folder, name, base, grid, outcomes, more="", correct=lambda run_id: None):
    text = f"name: {name}\nbase: {{{base}}}\ngrid:\n{grid}{more}"
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    stored = store_runs(folder / name, runs, outcomes)
    return report.table(stored, sweep, runs, "test_error", correct)


def error(percent):
    return {"test_error": percent, "valid_error": percent - 1}


METHODS = "  method:" + PAPER.partition("method:")[2]


def tables(folder):
    """Shapeset, chosen as in the paper; MNIST twice, short and long; a stand-in of Small-ImageNet with another loss."""
    rate = "  learning_rate: [0.1, 0.03, 0.01]\n"
    select = "select: {over: learning_rate}\n"
    chosen = {
        (method, rate): error(10 + i + 5 * (rate != "0.03"))
        for i, method in enumerate(["Softsign", "Tanh", "Tanh N", "My ReLU"])
        for rate in ["0.1", "0.03", "0.01"]
    }
    chosen["Softsign", "0.1"] = error(5.0)
    base = "dataset: shapeset, updates: 5_000_000"
    yield table_of(folder, "shapes", base, METHODS + rate, chosen, select)
    base = "dataset: mnist, learning_rate: 0.1, width: 300, updates: "
    outcomes = {("Softsign",): error(1.7), ("Tanh",): error(3.0), ("Tanh N",): error(2.0), ("My ReLU",): error(1.0)}
    yield table_of(folder, "quick", base + "1_000", METHODS, outcomes)
    yield table_of(folder, "long", base + "600_000", METHODS, outcomes | {("Tanh",): error(1.75), ("Softsign",): None})
    base = f"dataset: {STAND_IN}, learning_rate: 0.1, updates: 20_000, depth: 4, loss: quadratic"
    seeds = {(m, s): error(60 + int(s) + 20 * (m == "Tanh")) for m in ["Tanh", "Tanh N"] for s in "012"}
    seeds["Tanh N", "2"] = "diverged"
    seeds |= {("Softsign", s): "diverged" for s in "012"}
    seeds = {key: value for key, value in seeds.items() if value}
    yield table_of(folder, "photos", base, METHODS + "  seed: [0, 1, 2]\n", seeds, correct=lambda _: np.ones(440, bool))


def test_several_sweeps_in_one_table(tmp_path):
    table = paper_table(list(tables(tmp_path)))
    assert table.rows == ["Softsign", "Tanh", "Tanh N"]
    assert table.datasets == ["shapeset", "mnist", "small_imagenet"]
    check_golden("paper", table)
    rows = {(row["row"], row["column"]): row for row in csv.DictReader(io.StringIO(table.csv()))}
    assert rows["Tanh", "MNIST"]["sweep"] == "long"  # the most updates
    assert rows["Softsign", "MNIST"]["sweep"] == "quick"  # the only result
    assert float(rows["Tanh", "MNIST"]["difference"]) == pytest.approx(1.75 - 1.76)
    assert rows["Tanh N", "ImageNet"]["best"] == "false"  # it leaves out a seed that diverged


def test_the_paper_s_own_protocol_needs_no_excuse(tmp_path):
    grid = "  activation: [tanh, sigmoid]\n"
    outcomes = {("tanh",): error(27.15), ("sigmoid",): error(82.61)}
    base = "dataset: shapeset, updates: 5_000_000, learning_rate: 0.01"
    table = paper_table([table_of(tmp_path, "same", base, grid, outcomes)])
    assert table.text("Tanh", "shapeset") == "**27.15** (paper 27.15, +0.00)"
    assert not [note for note in table.notes if " - the paper: " in note]
    assert "Updates: 5,000,000, as in the paper" in table.notes
    assert "Runs per cell: 1, as in the paper" in table.notes


def one(folder, name, base, test_error):
    grid = "  activation: [tanh]\n"
    return table_of(folder, name, f"dataset: mnist, learning_rate: 0.1, {base}", grid, {("tanh",): error(test_error)})


def test_of_equal_runs_the_lowest_validation_error_is_shown(tmp_path):
    """As a sweep's select would choose; but a mean over seeds stands before one run."""
    first = one(tmp_path, "first", "updates: 600, evaluate_every: 300", 90.0)
    second = one(tmp_path, "second", "updates: 600, evaluate_every: 200", 60.0)
    for order in ([first, second], [second, first]):
        assert paper_table(order).text("Tanh", "mnist").startswith("60.00")
    seeds = {(seed,): error(70 + int(seed)) for seed in "012"}
    base = "dataset: mnist, learning_rate: 0.1, activation: tanh, updates: 600"
    third = table_of(tmp_path, "third", base, "  seed: [0, 1, 2]\n", seeds)
    assert paper_table([second, third, first]).text("Tanh", "mnist").startswith("71.00")


RATE = "dataset: mnist, updates: 600, activation: tanh, learning_rate: 0.1"


def seeds_of(folder, name, outcomes, base=RATE, more=""):
    grid = f"  seed: [{', '.join(outcomes)}]\n"
    return table_of(folder, name, base, grid, {(seed,): outcome for seed, outcome in outcomes.items()}, more)


@pytest.mark.parametrize("seeds", ["0", "012"], ids=["fewer seeds than the others", "more seeds"])
def test_further_seeds_join_a_cell(tmp_path, seeds):
    """Of equal settings, however often they were looked at; a seed that both have counts once; what chose is told."""
    base, rates = "dataset: mnist, updates: 600, activation: tanh", ("0.3", "0.1", "0.01")
    outcomes = {(rate, seed): error(70 + int(seed) + 10 * (rate != "0.1")) for rate in rates for seed in seeds}
    grid = f"  learning_rate: [{', '.join(rates)}]\n  seed: [{', '.join(seeds)}]\n"
    select = "select: {over: [learning_rate], by: valid_error}\n"
    chosen = table_of(tmp_path, "chosen", base, grid, outcomes, select)
    outcomes = {"0": error(90), "3": error(75), "4": error(76)}
    more = seeds_of(tmp_path, "more", outcomes, f"{RATE}, evaluate_every: 200, probes: {{every: 300}}")
    other = seeds_of(tmp_path, "other", {"5": error(10)}, RATE.replace("0.1", "0.2"))
    for order in ([chosen, more, other], [other, more, chosen]):
        together = paper_table(order)
        ours = together.found["Tanh", "mnist"]
        assert [run.settings.seed for run in ours.cell.shown] == [*map(int, seeds), 3, 4]
        assert ours.cell.mean == pytest.approx((sum(70 + int(seed) for seed in seeds) + 75 + 76) / (len(seeds) + 2))
        assert ours.sweeps == ("chosen", "more")
        assert f"Runs per cell: {len(seeds) + 2} - the paper: 1" in together.notes
        assert "Sweep: chosen and more" in together.notes
        assert "learning_rate 0.1, chosen by validation error" in "\n".join(together.notes)
        assert next(csv.DictReader(io.StringIO(together.csv())))["sweep"] == "chosen;more"


@pytest.mark.parametrize(
    ("first", "second", "text", "counts"),
    [
        ({"0": 70, "1": 71, "2": None}, {"2": 72}, "71.00 ± 0.58 ", []),
        ({"0": 70, "1": 71, "2": "failed"}, {"2": 72, "3": None}, "71.00 ± 0.58 ", []),
        ({"0": 70, "1": 71, "2": "diverged"}, {"2": 72}, "70.50 ± 0.50 ", ["1 of 3 diverged"]),
        ({"0": 70, "1": 71, "2": None}, {"3": 72}, "71.00 ± 0.58 ", ["3 of 4 seeds"]),
    ],
    ids=["not run", "failed", "diverged", "not run anywhere"],
)
def test_the_run_with_an_outcome_counts(tmp_path, first, second, text, counts):
    one, other = (
        seeds_of(tmp_path, name, {seed: error(of) if isinstance(of, int) else of for seed, of in outcomes.items()})
        for name, outcomes in (("one", first), ("other", second))
    )
    for order in ([one, other], [other, one]):
        together = paper_table(order)
        assert together.text("Tanh", "mnist").replace("*", "").startswith(text)
        assert together.found["Tanh", "mnist"].cell.counts() == counts


def test_joined_seeds_are_tested_as_pairs(tmp_path):
    """They stand in the order of their numbers, wherever they came from."""
    paired = "table: {test: paired}\n"
    low = [{"0": error(70), "1": error(71.5)}, {"2": error(72), "3": error(73.2)}]
    high = [{seed: error(of["test_error"] + 5 + 0.1 * int(seed)) for seed, of in outcomes.items()} for outcomes in low]
    normalized = f"{RATE}, initializer: normalized"
    tables = [
        seeds_of(tmp_path, "a", low[0], more=paired), seeds_of(tmp_path, "b", low[1], more=paired),
        seeds_of(tmp_path, "c", high[1], normalized, paired), seeds_of(tmp_path, "d", high[0], normalized, paired),
    ]  # fmt: skip
    found = paper_table(tables).found
    assert found["Tanh N", "mnist"].cell.mark.test == SEED_TESTS["paired"]
    assert not found["Tanh N", "mnist"].cell.mark.best


def test_a_run_on_few_examples_passes_for_no_run_of_the_paper_s(tmp_path):
    few = one(tmp_path, "few", "updates: 9_000, train_examples: 20", 80.0)
    note = "Training examples: the first 20 - the paper: all"
    assert note in paper_table([few]).notes
    everything = one(tmp_path, "all", "updates: 600", 5.0)
    assert paper_table([few, everything]).text("Tanh", "mnist").startswith("5.00")
    assert not [note for note in paper_table([everything]).notes if "Training examples" in note]


def test_a_narrow_long_run_does_not_take_the_place_of_a_wide_one(tmp_path):
    narrow = one(tmp_path, "narrow", "updates: 9_000_000, width: 20", 3.0)
    wide = one(tmp_path, "wide", "updates: 600", 5.0)
    assert paper_table([narrow, wide]).text("Tanh", "mnist").startswith("5.00")


def test_none_of_the_paper_s_cells_is_an_error(tmp_path):
    base = "dataset: shapeset, updates: 10, learning_rate: 0.01"
    table = table_of(tmp_path, "ours", base, "  activation: [relu]\n", {("relu",): error(1.0)})
    with pytest.raises(
        ResultsError, match=r"expected results with Softsign, .* found none; glorot run table1 has them"
    ):
        paper_table([table])


def test_the_paper_s_numbers_are_whole():
    assert all(list(column) == list(ROWS) for column in TABLE_1.values())
    assert sum(sum(column.values()) for column in TABLE_1.values()) == pytest.approx(789.42)


REAL = """\
name: NAME
base: {dataset: shapeset, depth: 2, width: 8, updates: UPDATES, evaluate_every: 10, learning_rate: 0.1,
       valid_examples: 50, test_examples: 50}
grid: {activation: [tanh, sigmoid]}
"""


@pytest.mark.slow
def test_in_real_processes(tmp_path, glorot):
    for name, updates in [("a", "10"), ("b", "20")]:
        (tmp_path / f"{name}.yaml").write_text(REAL.replace("NAME", name).replace("UPDATES", updates))
        assert glorot("run", f"{name}.yaml", "-q").returncode == 0
    one = glorot("report", "a", "--paper")
    assert (one.returncode, one.stderr) == (0, "")
    assert "| Tanh  " in one.stdout
    assert (tmp_path / "results/a/paper.md").read_text() == one.stdout
    both = glorot("report", "results/a", "b", "--paper")
    assert "- Updates: 20 - the paper: 5,000,000\n" in both.stdout
    assert both.stdout.count("; last 2 evaluations: mean ") == 2  # the end is one moment
    assert "evaluations: mean" not in one.stdout  # of one evaluation
    assert "- Inputs: pixels in [-1, 1]\n" in both.stdout
    assert (tmp_path / "results/paper.md").read_text() == both.stdout
    assert glorot("report", "--paper", "--format", "csv").stdout == (tmp_path / "results/paper.csv").read_text()
    refused = glorot("report", "a", "--paper", "--value", "valid_error")
    assert (refused.returncode, "--paper shows test errors" in refused.stderr) == (2, True)
    shutil.rmtree(tmp_path / "results" / "a")
    assert glorot("report", "b", "--paper").returncode == 0
