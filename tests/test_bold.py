"""What stands under a table about its bold numbers."""

import csv
import io
import math

import pytest

from glorot.reporting import report
from glorot.reporting.bold import bold_notes
from glorot.reporting.significance import SEED_TESTS, Sample, pooled
from glorot.reporting.summary import Cell, marked
from glorot.results.store import Store, settings_of
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand


def a_cell(*values, examples=10_000, moves=None):
    """A cell of these errors, by seed."""
    sample = Sample(values, examples, "mnist", None, tuple(range(len(values))), moves)
    return Cell(sample.mean, None, len(values), 0, 0, 0, sample=sample)


def notes(columns, value="test_error", over_seeds="pooled"):
    """columns: label -> its cells, as many in each."""
    lines = marked([*zip(*columns.values(), strict=True)], over_seeds)
    return bold_notes(dict(zip(columns, zip(*lines, strict=True), strict=True)), value, over_seeds, "table.csv")


def test_nothing_is_said_of_bold_where_nothing_was_compared():
    assert notes({"MNIST": [a_cell(1.0)]}) == []
    assert notes({"MNIST": [a_cell(1.0, examples=None), a_cell(2.0, examples=None)]}) == []


def test_how_large_a_difference_the_seeds_could_show():
    """Spreads of 1 and 1: t = 5.598 at four degrees of freedom, times sqrt(2 / 3), is 4.6."""
    low, high = (2.0, 3.0, 4.0), (12.0, 13.0, 14.0)
    told = notes({"MNIST": [a_cell(*low), a_cell(*high)]})
    assert told == [
        "Bold: the lowest error in the column, and every error that does not differ from it significantly "
        "(p >= 0.005, Student's t-test over seeds; the p-values are in table.csv)",
        "With 3 seeds, the smallest difference that counts as significant is 4.6 points at the mean spread of the "
        "seeds",
    ]
    wild = (10.0, 20.0, 30.0)
    told = notes({"MNIST": [a_cell(*low), a_cell(*high), a_cell(*wild)]})
    assert "for single pairs 4.6 to 32.5" in told[1]
    assert pooled(low, wild).least == pytest.approx(32.5, abs=0.1)


@pytest.mark.parametrize(("over_seeds", "name"), SEED_TESTS.items())
def test_the_test_asked_for_is_named(over_seeds, name):
    told = notes({"MNIST": [a_cell(2.0, 3.1, 4.0), a_cell(12.0, 13.0, 14.2)]}, over_seeds=over_seeds)
    assert f"(p >= 0.005, {name};" in told[0]
    loss = notes({"MNIST": [a_cell(2.0, 3.1, examples=None), a_cell(2.5, 3.0, examples=None)]}, "test_loss", over_seeds)
    assert loss[0].startswith("Bold: the lowest loss in the column, and every loss that")
    assert "points" not in " ".join(loss)


def test_columns_of_which_every_error_is_bold():
    told = notes({"MNIST": [a_cell(2.0), a_cell(2.01)], "CIFAR-10": [a_cell(40.0), a_cell(50.0)]})
    assert "Every error of MNIST is bold: no difference is significant. That does not mean that there is none" in told
    told = notes({"MNIST": [a_cell(2.0), a_cell(2.01)], "CIFAR-10": [a_cell(40.0), a_cell(40.1)]})
    assert any(note.startswith("Every error of MNIST and CIFAR-10 is bold") for note in told)


def test_single_runs_and_the_moment():
    """2.807 sqrt(2) 0.8 = 3.2. A run that stands still, at chance, says nothing of the others."""
    told = notes({"Shapeset": [a_cell(38.0, moves=0.8), a_cell(44.0, moves=0.8), a_cell(83.0, moves=0.0)]})
    assert told[1] == (
        "One run per cell: p takes only the choice of test examples into account. A run's error also changes from one "
        "evaluation to the next: its standard deviation over the last 10 is 0.80 points. At one moment in 200, two "
        "equally good runs differ by more than 3.2 points, and other seeds add to that"
    )
    told = notes({
        "Shapeset": [a_cell(38.0, moves=0.6), a_cell(44.0, moves=0.8)],
        "MNIST": [a_cell(2.0, 2.1), a_cell(3.0, 3.2)],
        "CIFAR-10": [a_cell(50.0), a_cell(60.0)],
    })  # fmt: skip
    assert told[-1].startswith("One run per cell (Shapeset and CIFAR-10): p takes")
    assert "over the last 10 is 0.71 points (Shapeset). At" in told[-1]


SWEEP = """
name: x
base: {dataset: shapeset, width: 30, learning_rate: 0.1, updates: 100, evaluate_every: 10}
grid:
  activation: [tanh, sigmoid]
  seed: [0, 1, 2]
table: {rows: activation, test: TEST}
"""


def stored_table(folder, text, curve=(), losses=(), value=None, found=(10.0, 30.0, 50.0)):
    """Both methods' errors differ by 3, 3.1 and 2.9 points, seed by seed; seeds alone differ by tens.

    curve: the test error of each evaluation, from update 0 on. losses: the training loss of each; else it rises.
    """
    sweep = config.parse(text, "x.yaml")
    store = Store(folder)
    for run in expand(sweep):
        seed = run.settings.seed
        error = found[seed] + (run.settings.activation == "sigmoid") * [3.0, 3.1, 2.9][seed % 3]
        rows = [
            {"update": 10 * i, "examples": 100 * i, "test_error": error, "train_loss": (losses or range(99))[i]}
            for i, error in enumerate(curve)
        ]
        store.write_run({**settings_of(run), "status": "done", "test_error": error, "valid_error": error}, {}, rows)
    store.write_sweep(written.dump(sweep, folder))
    return report.stored_table(folder, value=value)


@pytest.mark.parametrize("test", ["pooled", "welch", "paired", "blocks"])
def test_a_sweep_says_by_which_test(tmp_path, test):
    """Seeds that matter alike to both methods hide the difference from all but the tests paired by seed."""
    table = stored_table(tmp_path, SWEEP.replace("TEST", test))
    assert table.source.sweep.table.test == test
    assert [line[0].mark.best for line in table.cells] == [True, test in ("pooled", "welch")]
    assert SEED_TESTS[test] in table.markdown()
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert [row["test"] for row in rows] == ["", SEED_TESTS[test]]


def test_the_moves_of_a_single_run_are_its_history_s(tmp_path):
    """Update 0 does not count. Steps of 1, 1, -2, three times: sqrt(18 / 8), each of two moments."""
    curve = [90, *[20, 21, 19] * 4]
    table = stored_table(tmp_path, SWEEP.replace("[0, 1, 2]", "[0]").replace("TEST", "welch"), curve)
    moves = [line[0].sample.moves for line in table.cells]
    assert moves == [pytest.approx(math.sqrt(18 / 8 / 2))] * 2
    assert f"over the last 10 is {moves[0]:.1f} points" in table.markdown()


def test_at_chance_a_run_moves_by_chance_alone(tmp_path):
    """It goes from one answer to another, whose errors differ. That says nothing of runs that have learned."""
    one = SWEEP.replace("[0, 1, 2]", "[0]").replace("TEST", "welch")
    table = stored_table(tmp_path, one, [90, *[83.3, 88.9] * 6], found=[81.0])
    assert [line[0].sample.moves is None for line in table.cells] == [False, True]  # 81 and 84 %; chance is 83.3


BEST = [90, 60, 40, *[20, 24] * 2, 22, 22]  # the mean of five is 22 at best: updates 30 to 70
ONE = SWEEP.replace("[0, 1, 2]", "[0]").replace("TEST", "welch")
LOST = "22.00 % (updates 30 to 70), 84.00 % at the end"


def test_what_was_better_before_is_told(tmp_path):
    """Each seed by itself, also beside one that diverged."""
    table = stored_table(tmp_path / "one", ONE, [*BEST, *[84] * 6])
    assert table.rows == ["Tanh", "Sigmoid"]
    assert f"(the field schedule) may help\n  - Tanh: {LOST}\n  - Sigmoid: {LOST}\n- " in table.markdown()
    table = stored_table(tmp_path / "three", SWEEP.replace("TEST", "welch"), [*BEST, *[84] * 6])
    assert [f"Tanh, seed {seed}: {LOST}" in table.markdown() for seed in range(4)] == [True, True, True, False]
    store = Store(tmp_path / "three")
    run = table.cells[0][0].shown[0]
    store.write_run({**settings_of(run), "status": "diverged"}, {}, [])
    assert f"Tanh, seed 1: {LOST}" in report.stored_table(tmp_path / "three").markdown()


def test_ten_runs_are_named(tmp_path):
    sweep = SWEEP.replace("[0, 1, 2]", "[0, 1, 2, 3, 4, 5]").replace("TEST", "welch")
    told = stored_table(tmp_path, sweep, [*BEST, *[84] * 6], found=range(10, 70, 10)).markdown()
    assert (told.count(LOST), "\n  - and 2 more\n" in told) == (10, True)


def test_where_the_training_loss_fell_it_is_overfitting(tmp_path):
    told = stored_table(tmp_path, ONE, [*BEST, *[27] * 6], [1 / (1 + i) for i in range(20)]).markdown()
    assert "the network overfits; fewer updates or more training examples may help\n  - Tanh: 22.00 %" in told
    assert "learning rate is too high" not in told


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ([*BEST, *[27] * 5], True),
        ([*BEST, *[26.9] * 5], False),
        ([10, 90, *[60] * 5, *[20] * 5], False),  # update 0 does not count
        ([90, *[20] * 4, *[84] * 5], False),  # too few evaluations
        ([94, *[83.3] * 8, *[88.9] * 8], False),  # never better than chance
        ([*BEST, *[84] * 4, math.nan], False),
        ([90, math.nan, *BEST[2:], *[84] * 5], False),
        ([], False),
    ],
)
def test_what_counts_as_worse(tmp_path, curve, told):
    table = stored_table(tmp_path, ONE.replace("updates: 100", "updates: 200"), curve)
    assert [bool(line[0].worsened) for line in table.cells] == [told, told]
    assert ("Worse at the end" in table.markdown()) == told


def test_few_examples_move_an_error_by_chance(tmp_path):
    """At 22 %, z = 2.807 times sqrt(2 * .22 * .78 / n) is 16.4 points with n = 100."""
    sweep = ONE.replace("evaluate_every: 10", "evaluate_every: 10, test_examples: 100")
    for end, told in ((38, False), (39, True)):
        table = stored_table(tmp_path / str(end), sweep, [*BEST, *[end] * 5])
        assert [bool(line[0].worsened) for line in table.cells] == [told, told]


def test_of_a_loss_nothing_is_told(tmp_path):
    table = stored_table(tmp_path, ONE, [*BEST, *[84] * 6], value="valid_loss")
    assert [line[0].worsened for line in table.cells] == [[], []]
