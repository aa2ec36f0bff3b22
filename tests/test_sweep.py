"""Expansion of a sweep: which runs, in which order, under which ids."""

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from other import another

from glorot.datasets import catalogue
from glorot.errors import SweepError
from glorot.sweeps import config, written
from glorot.sweeps import runs as sweep
from glorot.sweeps.about import Role
from glorot.sweeps.fields import ABOUT, FIELDS
from glorot.sweeps.settings import Settings
from glorot.sweeps.values import Probes

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
TEXT = """
name: small
base: {dataset: shapeset, activation: tanh, learning_rate: 0.03, updates: 100, depth: 2, width: 10}
grid:
  method:
    Mine:   {initializer: standard}
    Yours:  {initializer: normalized}
  learning_rate: [0.1, 0.01, 1e-05]
"""
FIXED = {
    "dataset": "shapeset", "activation": "tanh", "initializer": "normalized", "loss": "cross_entropy",
    "hidden": (300, 300, 300, 300, 300), "batch_size": 10, "learning_rate": 0.03, "updates": 60_000, "seed": 0,
    "evaluate_every": 10_000, "valid_examples": 10_000, "test_examples": 10_000,
}  # fmt: skip


def runs_of(text, **options):
    return sweep.expand(config.parse(text, "s.yaml"), **options)


def ids_of(text, **options):
    return [run.run_id for run in runs_of(text, **options)]


# Expansion. ----------------------------------------------------------------------------------------


def test_expand():
    runs = runs_of(TEXT)
    assert [run.labels for run in runs] == [
        {"method": method, "learning_rate": rate} for method in ("Mine", "Yours") for rate in ("0.1", "0.01", "1e-05")
    ]
    assert [run.method for run in runs] == ["Mine"] * 3 + ["Yours"] * 3
    assert runs[4].settings == Settings(
        dataset="shapeset",
        activation="tanh",
        initializer="normalized",
        learning_rate=0.01,
        updates=100,
        hidden=(10, 10),
    )
    assert {run.device for run in runs} == {"cpu"}
    assert {run.device for run in runs_of(TEXT, device="cuda")} == {"cuda"}
    assert (runs[0].value("learning_rate"), runs[0].value("method"), runs[0].value("hidden")) == (
        "0.1",
        "Mine",
        "10-10",
    )
    assert (runs[0].value("depth"), runs[0].value("dataset")) == ("2", "shapeset")
    with pytest.raises(KeyError):
        runs[0].value("test_error")


def test_no_axes_is_one_run():
    runs = runs_of(TEXT.split("grid:")[0])
    assert [(run.labels, run.method) for run in runs] == [({}, "Tanh")]


@settings(deadline=None)
@given(
    st.permutations(["seed", "batch_size", "updates", "method"]),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
    st.integers(0, 4),
)
def test_order_and_count(axes, lengths, used):
    grid = {}
    for axis, length in list(zip(axes, lengths, strict=True))[:used]:
        numbers = range(1, length + 1)
        grid[axis] = {f"m{n}": {"width": n} for n in numbers} if axis == "method" else list(numbers)
    runs = runs_of(TEXT.split("grid:")[0] + f"grid: {grid}")
    labels = [tuple(run.labels.values()) for run in runs]
    assert labels == list(itertools.product(*([str(label) for label in choices] for choices in grid.values())))
    assert all(list(run.labels) == list(grid) for run in runs)
    assert len({run.run_id for run in runs}) == len(runs) == math.prod(map(len, grid.values()))


@pytest.mark.parametrize(
    ("activation", "initializer", "label"),
    [
        ("tanh", "standard", "Tanh"),
        ("tanh", "normalized", "Tanh N"),
        ("sigmoid", "standard", "Sigmoid"),
        ("softsign", "normalized", "Softsign N"),
        ("tanh", "he_normal", "Tanh (He normal)"),
    ],
)
def test_derived_methods(activation, initializer, label):
    text = TEXT.split("grid:")[0] + f"grid: {{activation: [{activation}], initializer: [{initializer}]}}"
    assert [run.method for run in runs_of(text)] == [label]


def test_loss_is_named_only_where_it_varies():
    base = TEXT.split("grid:")[0]
    assert [run.method for run in runs_of(base + "grid: {loss: [quadratic]}")] == ["Tanh"]
    both = base + "grid: {initializer: [normalized], loss: [cross_entropy, quadratic]}"
    assert [run.method for run in runs_of(both)] == ["Tanh N", "Tanh N, quadratic"]
    assert [run.method for run in runs_of(both, only=["loss=quadratic"])] == ["Tanh N, quadratic"]


def test_layers_of_a_label_replace_those_of_base():
    text = TEXT.split("grid:")[0] + "grid: {net: {A: {hidden: [7, 5]}, B: {}, C: {depth: 1}, D: {width: 3}}}"
    assert [run.settings.hidden for run in runs_of(text)] == [(7, 5), (10, 10), (10,), (3, 3)]


@pytest.mark.parametrize(
    ("grid", "first", "second"),
    [
        ("net: {A: {}, B: {width: 10}}", "net=A", "net=B"),
        ("net: {A: {depth: 2}, B: {hidden: [10, 10]}}\n  seed: [3]", "net=A, seed=3", "net=B, seed=3"),
    ],
)
def test_same_run_twice(grid, first, second):
    with pytest.raises(SweepError) as caught:
        runs_of(TEXT.split("grid:")[0] + f"grid:\n  {grid}")
    assert str(caught.value) == f"sweep small: [{first}] and [{second}] are the same run; remove one of them"


SECOND_ORDER = ["Tanh", "Tanh, diagonal Hessian", "Tanh, gradient variance"]


@pytest.mark.parametrize(
    ("name", "count", "methods"),
    [
        ("quickstart", 3, ["Tanh", "Tanh N", "Sigmoid"]),
        ("lecture", 9, ["Tanh", "Tanh N", "Sigmoid"]),
        ("table1", 100, ["Softsign", "Softsign N", "Tanh", "Tanh N", "Sigmoid"]),
        ("second-order", 270, [*SECOND_ORDER, *(one.replace("Tanh", "Tanh N") for one in SECOND_ORDER)]),
        ("pretraining", 2, ["Tanh", "Tanh, pre-trained"]),
        ("regression-mnist", 5, ["Softsign N", "Tanh", "Tanh N", "Tanh N, quadratic", "Sigmoid"]),
    ],
)
def test_experiments(name, count, methods):
    runs = sweep.expand(config.load(EXPERIMENTS / f"{name}.yaml"))
    assert len(runs) == count
    assert list(dict.fromkeys(run.method for run in runs)) == methods


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_all_experiments(path):
    """Their file's name is theirs, they say what they are, and their labels are the ones that would be derived."""
    found = config.load(path)
    assert (found.name, bool(found.description)) == (path.stem, True)
    runs = sweep.expand(found)
    also = [name for name in sweep.NAMED_IN_METHODS if len({getattr(run.settings, name) for run in runs}) > 1]
    for run in runs if {run.settings.model for run in runs} == {"mlp"} else ():
        derived = sweep.method_label(run.settings, also)
        assert run.method == derived or run.method.startswith(f"{derived}, ")  # "Sigmoid, 4 layers"
    assert config.parse(written.dump(found), "again.yaml") == found


# run_id. -------------------------------------------------------------------------------------------


def test_golden_run_id():
    """Stored results are found by it: where this fails, raise RESULTS_VERSION or mend what changed."""
    as_it_was = Settings(**FIXED, inputs="unit")
    assert sweep.run_id(as_it_was, "cpu", version=1) == "27ad6e1ec9c2"
    assert sweep.run_id(Settings(**FIXED), "cpu") == "2b85a30a85cb"  # Shapeset's second version, its own inputs


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: small", "name: other\ndescription: else"),
        ("Mine: ", "A rose: "),
        ("  method:", "  rows:"),
        ("depth: 2, width: 10", "hidden: [10, 10]"),
        ("{dataset: shapeset, activation: tanh,", "{activation: tanh, dataset: shapeset,"),
        ("0.1, 0.01", "1e-1, 0.010"),
        ("updates: 100", "updates: 1e2, seed: 0"),
        ("updates: 100", "updates: 100, loss: cross_entropy, batch_size: 10, evaluate_every: 20_000"),
    ],
)
def test_ids_do_not_depend_on(old, new):
    assert TEXT.count(old) == 1
    assert ids_of(TEXT.replace(old, new)) == ids_of(TEXT)


def test_ids_do_not_depend_on_the_rest_of_the_grid():
    more = TEXT.replace("[0.1,", "[0.5, 0.1,")
    assert set(ids_of(TEXT)) < set(ids_of(more))
    turned = "grid:\n  learning_rate: [0.1, 0.01, 1e-05]\n  initializer: [normalized, standard]"
    assert set(ids_of(TEXT.split("grid:")[0] + turned)) == set(ids_of(TEXT))


@pytest.mark.parametrize("field", Settings.model_fields)
def test_ids_depend_on_every_field(field):
    changed = sweep.run_id(another(field, FIXED)[1], "cpu")
    assert (changed == sweep.run_id(Settings(**FIXED), "cpu")) == (ABOUT[field].role is Role.SERVES)


def test_ids_depend_on_the_last_bit_of_a_number():
    nearly = FIXED | {"learning_rate": math.nextafter(0.03, 1)}
    assert sweep.run_id(Settings(**nearly), "cpu") != sweep.run_id(Settings(**FIXED), "cpu")


def test_ids_depend_on_device_and_versions(monkeypatch):
    fixed = Settings(**FIXED)
    ids = [sweep.run_id(fixed, "cpu"), sweep.run_id(fixed, "cuda")]
    monkeypatch.setattr(sweep, "RESULTS_VERSION", sweep.RESULTS_VERSION + 1)
    ids.append(sweep.run_id(fixed, "cpu"))
    monkeypatch.undo()
    info = catalogue.DATASETS["shapeset"]
    newer = catalogue.DatasetInfo(**{**vars(info), "version": info.version + 1})
    monkeypatch.setitem(catalogue.DATASETS._made, "shapeset", newer)
    ids.append(sweep.run_id(fixed, "cpu"))
    assert len(set(ids)) == 4
    assert all(len(one) == 12 and int(one, 16) >= 0 for one in ids)


# --only and describe. ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "kept"),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        (["method=Yours"], [3, 4, 5]),
        (["learning_rate=0.1"], [0, 3]),
        (["learning_rate=1e-1"], [0, 3]),
        (["learning_rate=0.00001"], [2, 5]),
        (["learning_rate=0.1", "learning_rate=0.01"], [0, 1, 3, 4]),
        (["learning_rate=0.1", "method=Mine"], [0]),
        (["initializer=normalized"], [3, 4, 5]),
        (["hidden=[10, 10]", "depth=2", "width=1_0"], [0, 1, 2, 3, 4, 5]),
        (["hidden=10-10", "method=Mine", "method=Yours", "learning_rate=0.01"], [1, 4]),
    ],
)
def test_only(only, kept):
    runs = runs_of(TEXT)
    assert runs_of(TEXT, only=only) == [runs[i] for i in kept]


def test_only_by_derived_method():
    text = TEXT.split("grid:")[0] + "grid: {initializer: [standard, normalized]}"
    assert [run.method for run in runs_of(text, only=["method=Tanh N"])] == ["Tanh N"]


KEYS = ", ".join(dict.fromkeys(("method", "learning_rate", "dataset", *FIELDS)))


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["method"], "--only method: expected KEY=VALUE, found no '='"),
        (["metod=Mine"], f'--only metod=Mine: expected a key of {KEYS}; found "metod"; did you mean method?'),
        (
            ["method=mine"],
            '--only method=mine: expected method to be one of Mine, Yours; found "mine"; did you mean Mine?',
        ),
        (["seed=3"], '--only seed=3: expected seed to be one of 0; found "3"'),
        (
            ["learning_rate=[,"],
            '--only learning_rate=[,: expected learning_rate to be one of 0.1, 0.01, 1e-05; found "[,"',
        ),
        (
            ["method=Mine", "initializer=normalized"],
            "--only method=Mine --only initializer=normalized: no run matches all of these together",
        ),
    ],
)
def test_refused_only(only, message):
    with pytest.raises(SweepError) as caught:
        runs_of(TEXT, only=only)
    assert str(caught.value) == message


@settings(deadline=None)
@given(st.text(), st.text())
def test_random_only(key, value):
    for option in (key, f"{key}={value}", f"method={value}", f"learning_rate={value}", f"width={value}"):
        try:
            runs_of(TEXT, only=[option])
            message = "--only worked"
        except SweepError as caught:
            message = str(caught)
        assert message.startswith("--only ")


@pytest.mark.parametrize(
    ("only", "text"),
    [
        ([], "6 runs = 2 method x 3 learning_rate"),
        (["method=Mine"], "3 of 6 runs = 1 method x 3 learning_rate"),
        (["method=Mine", "learning_rate=0.1"], "1 of 6 runs = 1 method x 1 learning_rate"),
    ],
)
def test_describe(only, text):
    found = config.parse(TEXT, "s.yaml")
    assert sweep.describe(found, sweep.expand(found, only=only)) == text


def test_describe_without_a_product():
    found = config.parse(TEXT, "s.yaml")
    assert sweep.describe(found, sweep.expand(found)[1:]) == "5 of 6 runs"
    single = config.parse(TEXT.split("grid:")[0], "s.yaml")
    assert sweep.describe(single, sweep.expand(single)) == "1 run"


def test_optional_settings_decide_a_run_only_where_they_are_given():
    settings = Settings(dataset="shapeset", activation="tanh", learning_rate=0.1, updates=10, inputs="unit")
    ids = {
        sweep.run_id(settings.model_copy(update=changes), "cpu")
        for changes in ({}, {"probes": Probes(every=5)}, {"probes": Probes(every=6)}, {"train_examples": 100})
    }
    assert len(ids) == 4
    assert sweep.run_id(settings, "cpu", version=1) == "ec5f2f0cf859"  # as before there were such settings
