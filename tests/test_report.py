"""Tables. The files in tests/golden are compared as whole text; after a change that is meant, make them anew with

    GLOROT_GOLDEN=write python -m pytest tests/test_report.py

and read the difference in git.
"""

import csv
import io
import itertools
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import check_golden, error, store_runs, table_of, texts

from glorot.errors import GlorotError
from glorot.execution.plan import plan_of_stored
from glorot.execution.status import read_status
from glorot.reporting import report, summary
from glorot.results.store import Store, settings_of
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand

METHODS = """
  method:
    Tanh: {activation: tanh, initializer: standard}
    Tanh N: {activation: tanh, initializer: normalized}
    Sigmoid: {activation: sigmoid, initializer: standard}
"""
BASE = "base: {dataset: shapeset, depth: 5, width: 300, learning_rate: 0.03, updates: 60_000}\n"


# Whole tables --------------------------------------------------------------------------------------


def test_one_data_set_one_seed(tmp_path):
    text = "name: quickstart\ndescription: |\n  The paper's effect\n  in minutes\n" + BASE + "grid:" + METHODS
    sweep = config.parse(text, "x.yaml")
    outcomes = {("Tanh",): error(69.104), ("Tanh N",): error(65.625), ("Sigmoid",): error(83.335)}
    store_runs(tmp_path, expand(config.parse(text, "x.yaml", ["updates=100"])), outcomes)
    stored = store_runs(tmp_path, expand(sweep), outcomes)
    assert len(stored) == 6
    check_golden("quickstart", report.table(stored, sweep, expand(sweep)))


def test_seeds_diverged_failed_and_missing(tmp_path):
    text = "name: seeds\n" + BASE + "grid:" + METHODS + "  dataset: [shapeset, mnist, cifar10]\n  seed: [0, 1, 2]\n"
    labels = itertools.product(["Tanh", "Tanh N", "Sigmoid"], ["shapeset", "mnist", "cifar10"], "012")
    outcomes = {label: error(10 + 3.5 * index % 7 + index) for index, label in enumerate(labels)}
    outcomes |= dict.fromkeys([("Tanh", "mnist", seed) for seed in "012"], "diverged")
    outcomes["Tanh", "cifar10", "1"] = "diverged"
    outcomes |= dict.fromkeys([("Tanh N", "mnist", seed) for seed in "012"], "failed")
    outcomes["Tanh N", "cifar10", "0"] = "failed"
    for seed in "012":
        del outcomes["Sigmoid", "shapeset", seed]
    del outcomes["Sigmoid", "mnist", "2"]
    outcomes["Sigmoid", "cifar10", "0"] = "diverged"
    outcomes["Sigmoid", "cifar10", "1"] = "failed"
    del outcomes["Sigmoid", "cifar10", "2"]
    check_golden("seeds", table_of(tmp_path, text, outcomes))


def test_validation_errors_are_of_as_many_examples_as_there_are(tmp_path):
    """Six of 16 rows wrong against none is no significant difference: p = 0.007. Of 10,000 it would be one."""
    text = (
        "name: x\nbase: {dataset: {boolean: {function: majority, bits: 4}}, hidden: [2], learning_rate: 1, "
        "updates: 9}\ngrid:" + METHODS
    )
    outcomes = {("Tanh",): error(1), ("Tanh N",): error(1), ("Sigmoid",): error(38.5)}
    table = table_of(tmp_path, text, outcomes, "valid_error")
    assert texts(table) == {"Tanh": ["**0.00**"], "Tanh N": ["**0.00**"], "Sigmoid": ["**37.50**"]}
    assert "Examples validated: 16" in table.notes


@pytest.mark.parametrize(
    ("function", "wrong", "at_chance"),
    [
        ("{bits: 4}", 37.5, True),  # 6 of 16 rows, where 8 is chance
        ("{bits: 4}", 6.25, False),
        ('{table: "0000"}', 25.0, True),  # of one class, no error is below chance
        ('{table: "0000"}', 0.0, False),
        ("{bits: 2}", 0.0, False),  # of four rows, none wrong is not significant, and yet all there is to learn
    ],
)
def test_whether_a_choice_was_at_chance_is_of_as_many_examples(tmp_path, function, wrong, at_chance):
    text = (
        f"name: x\nbase: {{dataset: {{boolean: {function}}}, hidden: [2], updates: 9}}\ngrid:{METHODS}"
        "  learning_rate: [1, 0.1]\nselect: {over: learning_rate}"
    )
    table = table_of(tmp_path, text, {("Tanh", rate): error(wrong + 1) for rate in ("1", "0.1")})
    assert [cell.at_chance for (cell,) in table.cells] == [at_chance, False, False]


SELECT = (
    "name: select\n"
    + BASE
    + "grid:"
    + METHODS
    + """
  dataset: [shapeset, mnist]
  learning_rate: [0.1, 0.03, 0.01]
  seed: [0, 1]
select: {over: [learning_rate], by: valid_error}
"""
)


def test_selection_by_validation_error(tmp_path):
    """By hand. Tanh on Shapeset: 0.03 is best by validation (21 against 22 and 23), 0.1 by test (20 against 30)."""

    def setting(method, dataset, rate, *pairs):
        return {
            (method, dataset, rate, str(seed)): pair
            if isinstance(pair, str)
            else {"valid_error": pair[0], "test_error": pair[1]}
            for seed, pair in enumerate(pairs)
        }

    outcomes = {
        **setting("Tanh", "shapeset", "0.1", (22.0, 20.0), (22.0, 20.0)),
        **setting("Tanh", "shapeset", "0.03", (20.0, 29.0), (22.0, 31.0)),
        **setting("Tanh", "shapeset", "0.01", (23.0, 40.0), (23.0, 40.0)),
        # A tie, but for the order of the seeds: the first in grid order.
        **setting("Tanh", "mnist", "0.1", "diverged", "diverged"),
        **setting("Tanh", "mnist", "0.03", (1.1, 2.0), (1.2, 2.5)),
        **setting("Tanh", "mnist", "0.01", (1.2, 3.0), (1.1, 3.5)),
        # The lowest mean, but one seed diverged: never while another setting is sound.
        **setting("Tanh N", "shapeset", "0.1", (5.0, 5.0), "diverged"),
        **setting("Tanh N", "shapeset", "0.03", (15.0, 16.0), (15.0, 16.5)),
        # Only one setting with anything at all, and that incomplete.
        **setting("Tanh N", "mnist", "0.01", (1.5, 1.75)),
        **setting("Tanh N", "mnist", "0.1", "failed", "failed"),
        # Nothing sound: the last resort, then nothing.
        **setting("Sigmoid", "shapeset", "0.1", (80.0, 82.5), "diverged"),
        **setting("Sigmoid", "mnist", "0.1", "diverged", "diverged"),
        **setting("Sigmoid", "mnist", "0.03", "diverged", "diverged"),
        **setting("Sigmoid", "mnist", "0.01", "diverged"),
    }
    table = table_of(tmp_path, SELECT, outcomes)
    assert texts(table) == {
        "Tanh": ["**30.00** ± 1.00", "**2.25** ± 0.25"],  # two seeds: Welch's p is 0.03
        "Tanh N": ["**16.25** ± 0.25", "**1.75** (1 of 2 seeds)"],
        "Sigmoid": ["82.50 (1 of 2 diverged)", "diverged (5 of 6 runs)"],
    }
    assert [cell.chosen.get("learning_rate") for line in table.cells for cell in line] == [
        "0.03", "0.03", "0.03", "0.01", "0.1", None,
    ]  # fmt: skip
    check_golden("select", table)


def test_selection_over_two_axes_by_a_loss(tmp_path):
    text = (
        BASE.replace("depth: 5, ", "").replace("learning_rate: 0.03, ", "")
        + "grid:"
        + METHODS
        + "  depth: [4, 5]\n  learning_rate: [0.1, 0.01]\nselect: {over: [learning_rate, depth], by: valid_loss}\n"
    )
    outcomes = {
        (method, depth, rate): error(50 + int(depth) + float(rate), valid_loss=loss)
        for method in ["Tanh", "Tanh N", "Sigmoid"]
        for (depth, rate), loss in zip(itertools.product("45", ["0.1", "0.01"]), [4.0, 3.0, 2.0, 5.0], strict=True)
    }
    table = table_of(tmp_path, text, outcomes)
    assert texts(table) == {"Tanh": ["**55.10**"], "Tanh N": ["**55.10**"], "Sigmoid": ["**55.10**"]}
    assert table.cells[0][0].chosen == {"learning_rate": "0.1", "depth": "5"}
    assert "Hidden layers: 5 x 300, chosen for each cell" in table.notes


def test_a_plain_grid_and_an_axis_that_is_neither_row_nor_column(tmp_path):
    text = (
        "name: plain\n" + BASE.replace("depth: 5, ", "") + "grid:\n"
        "  activation: [tanh, sigmoid]\n  initializer: [standard, normalized]\n"
        "  depth: [4, 5]\n  dataset: [shapeset, small_imagenet]\n"
    )
    labels = itertools.product(["tanh", "sigmoid"], ["standard", "normalized"], "45", ["shapeset", "small_imagenet"])
    losses = [0.012345, 0.5, 1.0, 12.3456, 123.456, 1234.56, 0.00001234, 99999.6, 2e9, 0.0, 1, 2, 3, 4, 5, 6]
    outcomes = {label: error(10.0, test_loss=loss) for label, loss in zip(labels, losses, strict=True)}
    table = table_of(tmp_path, text, outcomes, "test_loss")
    assert table.rows[:4] == ["Tanh, depth 4", "Tanh, depth 5", "Tanh N, depth 4", "Tanh N, depth 5"]
    check_golden("plain", table)


# Rows, columns -------------------------------------------------------------------------------------


def rows_and_columns(text):
    sweep = config.parse(text, "x.yaml")
    table = report.table(Store("/nonexistent").records(), sweep, expand(sweep))
    assert {text for line in texts(table).values() for text in line} == {"–"}  # noqa: RUF001
    return table.rows, table.columns


@pytest.mark.parametrize(
    ("grid", "rows", "columns"),
    [
        ("activation: [tanh, relu]", ["Tanh", "ReLU"], ["Shapeset"]),
        ("activation: [tanh]\n  initializer: [standard, normalized]\ntable: {rows: [activation, initializer]}",
         ["Tanh", "Tanh N"], ["Shapeset"]),
        ("activation: [tanh]\n  initializer: [standard, normalized]\ntable: {rows: activation}",
         ["Tanh", "Tanh N"], ["Shapeset"]),
        ("activation: [tanh]\n  initializer: [standard, normalized]\ntable: {rows: dataset, columns: initializer}",
         ["Shapeset"], ["standard", "normalized"]),
        ("activation: [tanh]\n  initializer: [standard, normalized]\ntable: {rows: dataset, columns: depth}",
         ["Shapeset, Tanh", "Shapeset, Tanh N"], ["depth 5"]),
        ("activation: [tanh]\n  learning_rate: [0.1, 0.001]\ntable: {columns: learning_rate}",
         ["Tanh"], ["learning rate 0.1", "learning rate 0.001"]),
        ("activation: [tanh]\n  size: {small: {width: 10}, big: {width: 20}}",
         ["Tanh, small", "Tanh, big"], ["Shapeset"]),
        ("activation: [tanh]\n  dataset: {Digits: {dataset: mnist}, shapeset: {dataset: shapeset}}",
         ["Tanh"], ["Digits", "shapeset"]),
        ("activation: [tanh]\n  seed: [0, 1]\ntable: {columns: seed}", ["Tanh"], ["seed 0", "seed 1"]),
        ("activation: [tanh]\n  repeat: {a: {seed: 0}, b: {seed: 1}}", ["Tanh"], ["Shapeset"]),
        ("activation: [tanh]\n  repeat: {a: {seed: 0, width: 10}, b: {seed: 1, width: 20}}",
         ["Tanh, a", "Tanh, b"], ["Shapeset"]),
        ("method: {A: {activation: tanh}}\n  loss: [cross_entropy, quadratic]",
         ["A, cross_entropy", "A, quadratic"], ["Shapeset"]),
        ("activation: [tanh]\n  initializer: [standard, normalized]\n  loss: [cross_entropy, quadratic]\n"
         "table: {rows: [activation, initializer, loss]}",
         ["Tanh", "Tanh, quadratic", "Tanh N", "Tanh N, quadratic"], ["Shapeset"]),
        ("activation: [tanh]\n  loss: {mse: {loss: quadratic}, slow: {loss: quadratic, learning_rate: 0.01}, "
         "ce: {loss: cross_entropy}}\ntable: {rows: [method, loss]}",
         ["Tanh, quadratic, mse", "Tanh, quadratic, slow", "Tanh, ce"], ["Shapeset"]),
    ],
)  # fmt: skip
def test_labels(grid, rows, columns):
    base = "base: {dataset: shapeset, learning_rate: 0.1, updates: 10}\n"
    assert rows_and_columns(base + "grid:\n  " + grid + "\n") == (rows, columns)


def test_a_pipe_in_a_label_ends_no_cell(tmp_path):
    text = BASE + 'grid:\n  method: {"|z|": {activation: tanh}}\n'
    table = table_of(tmp_path, text, {("|z|",): error(12.0)})
    assert r"| \|z\|            |      12.00 |" in table.markdown()
    assert "|z|,Shapeset,test_error,12.0,,1,1,0,0,done,,false,,\n" in table.csv()


# Numbers and notes ---------------------------------------------------------------------------------


def sixty(count):
    return BASE + "grid:\n  activation: [tanh]\n  seed: [" + ", ".join(map(str, range(count))) + "]\n"


errors = st.floats(0, 100)


@given(st.lists(errors, min_size=1, max_size=6))
def test_mean_and_standard_error(values):
    sweep = config.parse(sixty(len(values)), "x.yaml")
    runs = expand(sweep)
    found = {run.run_id: {"status": "done", "test_error": x} for run, x in zip(runs, values, strict=True)}
    cell = summary.summarized(runs, found, "test_error")
    assert cell.mean == statistics.fmean(values)
    assert cell.done == len(values)
    if len(values) == 1:
        assert cell.standard_error is None
    else:
        variance = sum((x - cell.mean) ** 2 for x in values) / (len(values) - 1)
        assert cell.standard_error == pytest.approx(math.sqrt(variance / len(values)), abs=1e-12)


def test_numbers_in_csv_are_exact(tmp_path):
    table = table_of(tmp_path, sixty(2), {("tanh", "0"): error(0.1), ("tanh", "1"): error(0.2)})
    (row,) = csv.DictReader(io.StringIO(table.csv()))
    assert float(row["mean"]) == statistics.fmean([0.1, 0.2])
    assert float(row["standard_error"]) == table.cells[0][0].standard_error
    assert texts(table) == {"Tanh": ["0.15 ± 0.05"]}


def test_a_finished_run_without_the_value_counts_as_missing(tmp_path):
    table = table_of(
        tmp_path, sixty(2), {("tanh", "0"): error(1.0), ("tanh", "1"): error(1.0, test_loss=2.0)}, "test_loss"
    )
    assert texts(table) == {"Tanh": ["2.000 (1 of 2 seeds)"]}


def test_facts_that_are_not_uniform_are_lists_or_ranges(tmp_path):
    text = (
        "base: {dataset: shapeset, activation: tanh}\ngrid:\n  learning_rate: [0.1, 0.5, 0.2, 0.4, 0.3]\n"
        "  size: {a: {hidden: [30, 20], updates: 2000}, b: {depth: 2, width: 9, updates: 1000}}\n"
        "table: {rows: size}\n"
    )
    notes = table_of(tmp_path, text, {}).notes
    assert "Updates: 1,000, 2,000" in notes
    assert "Hidden layers: 30-20, 2 x 9" in notes
    assert not [note for note in notes if note.startswith("Learning rate")]  # the rows say it
    select = text + "select: {over: [learning_rate], by: valid_error}\n"
    assert "Learning rate: 0.1 to 0.5 (5 values), chosen for each cell" in table_of(tmp_path, select, {}).notes


@pytest.mark.parametrize("value", summary.VALUES)
def test_every_value_can_be_shown(tmp_path, value):
    table = table_of(tmp_path, sixty(1), {("tanh", "0"): error(1.0, **{value: 2.5})}, value)
    shown = "2.50" if value.endswith("error") else "2.500"
    assert texts(table) == {"Tanh": [shown]}
    assert table.markdown().splitlines()[2].startswith(f"| {summary.VALUES[value]}")
    assert ("Examples tested: 10,000" in table.notes) == value.startswith("test")
    assert ("Examples validated: 10,000" in table.notes) == value.startswith("valid")


def test_an_unknown_value_is_refused(tmp_path):
    with pytest.raises(
        GlorotError, match=r"expected a value of test_error, .*; found 'test_eror'; did you mean test_error"
    ):
        table_of(tmp_path, sixty(1), {}, "test_eror")


def test_two_devices_are_never_averaged():
    sweep = config.parse(sixty(1), "x.yaml")
    runs = [*expand(sweep, "cpu"), *expand(sweep, "cuda")]
    with pytest.raises(GlorotError, match="expected one device, found cpu, cuda"):
        report.table(Store("/nonexistent").records(), sweep, runs)


def test_a_sweep_of_which_each_device_ran_a_part(tmp_path):
    """A cell that only the other device has is shown, and is not missing; where both have one, that of the device that
    ran more."""
    text = sixty(1).replace("[tanh]", "[tanh, relu, sigmoid]")
    sweep = replace(config.parse(text, "x.yaml"), name=tmp_path.name)
    (tmp_path / "sweep.yaml").write_text(written.dump(sweep))
    cpu, cuda = ({run.labels["activation"]: run for run in expand(sweep, device)} for device in ("cpu", "cuda"))
    store = Store(tmp_path)
    for run, percent in (
        (cpu["tanh"], 10.0),
        (cuda["tanh"], 20.0),
        (cuda["relu"], 30.0),
        (cpu["sigmoid"], 40.0),
        (cuda["sigmoid"], 50.0),
    ):
        store.write_run({**settings_of(run), "status": "done", **error(percent)}, {}, [])
    table = report.stored_table(tmp_path)
    assert list(texts(table).values()) == [["**20.00**"], ["30.00"], ["50.00"]]
    (tmp_path / "runs.csv").unlink()
    store = Store(tmp_path)
    for run, percent in ((cpu["tanh"], 10.0), (cuda["relu"], 30.0), (cpu["sigmoid"], 40.0)):
        store.write_run({**settings_of(run), "status": "done", **error(percent)}, {}, [])
    table = report.stored_table(tmp_path)
    assert list(texts(table).values()) == [["**10.00**"], ["30.00"], ["40.00"]]
    assert "Device: cpu, cuda" in table.notes
    plan = plan_of_stored(sweep, tmp_path.parent)
    assert {status for status, runs in read_status(tmp_path, plan.selected).by_status.items() if runs} == {"done"}


def test_no_runs_is_an_error():
    sweep = config.parse(sixty(1), "x.yaml")
    with pytest.raises(GlorotError, match="at least one run"):
        report.table(Store("/nonexistent").records(), sweep, [])


def test_write(tmp_path):
    table = table_of(tmp_path, sixty(1), {("tanh", "0"): error(1.0)})
    table.write(tmp_path)
    assert (tmp_path / "table.md").read_bytes().decode() == table.markdown()
    assert (tmp_path / "table.csv").read_bytes().decode() == table.csv()


# Bold, and the examples tested ---------------------------------------------------------------------

LOCAL = "{name: small_imagenet, content: " + "ab" * 32 + ", about: 'stand-in: 440 photographs'}"


def bold_table(folder, text, outcomes, wrong, value=None):
    """wrong: labels -> how many of the first of 440 test examples a run gets wrong; none: not stored."""
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    stored = store_runs(folder, runs, outcomes)
    arrays = {
        run.run_id: np.arange(440) >= wrong[labels] for run in runs if (labels := (*run.labels.values(),)) in wrong
    }
    return report.table(stored, sweep, runs, value, arrays.get)


def test_bold_by_mcnemar_and_the_examples_really_tested(tmp_path):
    """By hand: 9 more of the same examples wrong is p = 2 / 2^9 = .0039, 8 more .0078: told apart, and not."""
    text = "name: bold\n" + BASE.replace("shapeset", LOCAL).replace("60_000", "20_000") + "grid:" + METHODS
    wrong = {("Tanh",): 49, ("Tanh N",): 40, ("Sigmoid",): 48}
    outcomes = {labels: error(100 * n / 440) for labels, n in wrong.items()}
    table = bold_table(tmp_path, text, outcomes, wrong)
    assert [line[0].mark.best for line in table.cells] == [False, True, True]
    assert [line[0].mark.p for line in table.cells] == [pytest.approx(2 / 2**9), None, pytest.approx(2 / 2**8)]
    assert "Examples tested: 440" in table.notes
    check_golden("bold", table)


def test_a_stand_in_s_examples_that_are_not_stored_are_not_guessed(tmp_path):
    text = BASE.replace("shapeset", LOCAL) + "grid:" + METHODS
    table = bold_table(tmp_path, text, {("Tanh",): error(10.0), ("Tanh N",): error(50.0)}, {})
    assert "Examples tested: up to 10,000" in table.notes
    assert "**" not in table.markdown()


def test_losses_are_bold_by_seeds_alone(tmp_path):
    one = BASE + "grid:" + METHODS
    losses = {("Tanh",): error(10.0, test_loss=2.0), ("Tanh N",): error(50.0, test_loss=3.0)}
    assert "**" not in bold_table(tmp_path, one, losses, {}, "test_loss").markdown()
    losses = {(m, s): error(1.0, test_loss=2.0 + (m == "Tanh") + int(s) / 50) for m in ["Tanh", "Tanh N"] for s in "01"}
    table = bold_table(tmp_path, one + "  seed: [0, 1]\n", losses, {}, "test_loss")
    assert [line[0].mark.best for line in table.cells] == [False, True, False]
    assert "Bold: the lowest loss in the column" in table.markdown()
    assert "Student's t-test over seeds" in table.markdown()
    # t = 14.1 at two degrees of freedom, times the standard error of a difference: sqrt(2 * 0.0002 / 2)
    assert "With 2 seeds, the smallest difference that counts as significant is 0.20 at the mean" in table.markdown()


def test_more_examples_asked_for_than_there_are(tmp_path):
    table = table_of(tmp_path, sixty(1).replace("updates", "test_examples: 50_000, updates"), {("tanh", "0"): error(1)})
    assert "Examples tested: 10,000" in table.notes


# Numbers of others ---------------------------------------------------------------------------------

PUBLISHED = """
name: beside
base: {activation: tanh, depth: 1, learning_rate: 0.03, updates: 60_000}
grid:
  method: {MLP: {width: 300}, "SVM, rbf": {width: 20}}
  dataset: [mnist, cifar10]
published:
  source: LeCun et al. (1998), table 1
  values:
    MLP: {mnist: 4.7, CIFAR-10: 60}
    SVM, rbf: {MNIST: 1.4}
    Boosted LeNet-4: {MNIST: 0.7}
"""


def test_published_numbers_stand_beside_ours(tmp_path):
    """By the table's labels or the sweep's; in the CSV too; as the stored sweep has them; not beside other values."""
    outcomes = {("MLP", "mnist"): error(4.523), ("SVM, rbf", "mnist"): error(1.5), ("SVM, rbf", "cifar10"): error(50.0)}
    table = table_of(tmp_path, PUBLISHED, outcomes)
    text = table.markdown()
    assert "4.52 (published 4.7, -0.18)" in text
    assert f"{summary.NOT_RUN} (published 60)" in text
    assert "**1.50** (published 1.4, +0.10)" in text
    assert "\n- In parentheses: published, and ours minus that. Source: LeCun et al. (1998), table 1\n" in text
    assert "\n- Published, but not in this table: Boosted LeNet-4 on MNIST 0.7\n" in text
    rows = {(row["row"], row["column"]): row["published"] for row in csv.DictReader(io.StringIO(table.csv()))}
    assert rows["SVM, rbf", "MNIST"] == "1.4"
    assert rows["SVM, rbf", "CIFAR-10"] == ""
    sweep = config.parse(PUBLISHED, "x.yaml")
    assert config.parse(written.dump(sweep), "y.yaml") == sweep
    assert "published" not in table_of(tmp_path, PUBLISHED, outcomes, "valid_error").markdown().lower()


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ("{values: {A: {B: 1}}}", "published.source: missing"),
        ("{source: S, values: {A: {B: x}}}", 'published.values.A.B: expected a number, found "x"'),
        ("{source: S, values: {A: 1}}", "published.values.A: expected a mapping of labels"),
        ("{source: 3, values: {A: {B: 1}}}", "published.source: expected text, found 3"),
        ("5", "published: expected a mapping with keys of source, values"),
    ],
)
def test_published_that_is_not(published, message):
    with pytest.raises(GlorotError) as caught:
        config.parse(PUBLISHED.partition("published")[0] + f"published: {published}", "x.yaml")
    assert message in str(caught.value)
