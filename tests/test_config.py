"""Sweep files: what is read, what is refused and in which words, and the way back to YAML."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from glorot.datasets.catalogue import DATASETS
from glorot.datasets.inputs import INPUTS
from glorot.errors import SweepError
from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import DRAWN
from glorot.models.losses import OF_LINEAR_UNITS as LOSSES
from glorot.sweeps import config, written, yaml_nodes
from glorot.sweeps.about import label_of
from glorot.sweeps.fields import DEFAULTS, FIELDS, check_field
from glorot.sweeps.settings import Settings
from glorot.sweeps.sweep import Choice, Search, Select, Sweep, Table
from glorot.sweeps.values import OWN

EXPERIMENTS = sorted((Path(__file__).parent.parent / "experiments").glob("*.yaml"))
BASE = "base: {dataset: shapeset, activation: tanh, learning_rate: 0.03, updates: 100}\n"
NO_RATE = "base: {dataset: shapeset, activation: tanh, updates: 100}\n"


def problems(text, overrides=()):
    with pytest.raises(SweepError) as caught:
        config.parse(text, "s.yaml", overrides)
    return str(caught.value)


# Reading YAML. -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("5_000_000", 5_000_000),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1_000.5", 1000.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.5e+3", 1500.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        # What YAML 1.1 takes for something else, and the leftovers of other notations, are text.
        *((text, text) for text in ["no", "on", "Yes", "1:30", "2010-05-13", "0777", "0x1f", "1__0", "_1", "1_"]),
        *((text, text) for text in ["nan", "inf", "1e", "e5", "1e5.0", "tRue", "00.5"]),
        ('"12"', "12"),
        ("'true'", "true"),
        ("[1, [a, {b: 2}]]", [1, ["a", {"b": 2}]]),
    ],
)
def test_scalars(text, value):
    found = yaml_nodes.parse(text, "s").plain()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.yaml:1: expected a value, found nothing: it is empty"),
        ("# only a comment\n", "s.yaml:1: expected a value, found nothing: it is empty"),
        ("a: 1\nb: 2\n\na: 3", 's.yaml:4: the key "a" is there twice, first at s.yaml:1; remove one'),
        ("a:\n  b: {c: 1,\n  c: 2}", 's.yaml:3: the key "c" is there twice, first at s.yaml:2; remove one'),
        ("a: !x 1", 's.yaml:1: tags are not supported, found "!x"; write a plain value'),
        (
            "\na: !!python/object/apply:os.system [ls]",
            "s.yaml:2: tags are not supported, found "
            '"tag:yaml.org,2002:python/object/apply:os.system"; write a plain value',
        ),
        ("a: !!int '3'", 's.yaml:1: tags are not supported, found "tag:yaml.org,2002:int"; write a plain value'),
        ("a: &x 1\nb: *x", "s.yaml:1: anchors are not supported, found &x"),
        ("a: 1\nb: *x", "s.yaml:2: aliases are not supported, found *x; write the value again"),
        ("&k a: 1", "s.yaml:1: anchors are not supported, found &k"),
        ("a: 1\n<<: {b: 2}", "s.yaml:2: merge keys (<<) are not supported; write the fields out"),
        ("1: a", "s.yaml:1: expected text as a key, found 1; put it in quotes if it is meant"),
        ("true: a", "s.yaml:1: expected text as a key, found true; put it in quotes if it is meant"),
        ("~: a", "s.yaml:1: expected text as a key, found nothing; put it in quotes if it is meant"),
        ("? [a]\n: b", 's.yaml:1: expected text as a key, found ["a"]; put it in quotes if it is meant'),
        ("a: 1\n---\nb: 2", "s.yaml:2: expected one YAML document, found a second one"),
        ("a: 1\nb: .nan", "s.yaml:2: b: expected a finite number, found .nan"),
        ("a: -.inf", "s.yaml:1: a: expected a finite number, found -.inf"),
        ("base: {learning_rate: .inf}", "s.yaml:1: base.learning_rate: expected a finite number, found .inf"),
        ("a: 1e999", "s.yaml:1: a: expected a finite number, found 1e999, which is too large"),
        ("a: " + "9" * 5000, "s.yaml:1: a: expected a number of at most 100 characters, found 5000"),
        ("[" * 30, "s.yaml:1: expected at most 20 levels of nesting, found more"),
        ("a:\n  " + "[" * 100_000, "s.yaml:2: expected at most 20 levels of nesting, found more"),
        ('a: "\\ud800"', "s.yaml:1: expected Unicode text, found half a surrogate pair"),
        (
            "a: b\n\tc: d",
            "s.yaml:2: not valid YAML: found character '\\t' that cannot start any token, while "
            "scanning for the next token",
        ),
        (
            "a: [1,\n",
            "s.yaml:2: not valid YAML: expected the node content, but found '<stream end>', while parsing a flow node",
        ),
        ("a: b\nc: \x00", "s.yaml:2: not valid YAML: found the character U+0000"),
    ],
)
def test_refused_yaml(text, message):
    assert problems(text) == message


def test_escape_that_crashes_pyyaml():
    assert problems('a: "\\UFFFFFFFF"').startswith("s.yaml:1: not valid YAML: ")


def test_bomb_is_harmless():
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert problems(bomb) == "s.yaml:1: anchors are not supported, found &a0"


def test_files(tmp_path):
    def refused(path):
        with pytest.raises(SweepError) as caught:
            config.load(path)
        return str(caught.value)

    path = tmp_path / "s.yaml"
    assert refused(path) == f"{path}: no such file; `glorot list` shows the shipped sweeps"
    assert refused(tmp_path) == f"{tmp_path}: cannot be read: expected a file, found a folder"
    assert refused("a\0b") == "a\0b: cannot be read: embedded null byte"
    path.write_bytes(b"name: x\nbase: \xff")
    assert refused(path) == f"{path}:2: expected text in UTF-8, found invalid start byte"
    path.write_text("name: x", "utf-16")
    assert refused(path) == f"{path}:1: expected text in UTF-8, found invalid start byte"
    path.write_text("#" * (2**20 + 1))
    assert refused(path) == f"{path}: expected a sweep file of at most 1,048,576 bytes, found a larger one"
    path.write_text(BASE, "utf-8-sig")
    assert config.load(path).name == "s"
    bad_stem = tmp_path / "my sweep.yaml"
    bad_stem.write_text(BASE)
    assert refused(bad_stem).startswith(f"{bad_stem}:1: name: expected up to 100 letters, digits")


# The sweep. ----------------------------------------------------------------------------------------

ALL_FIELDS = ", ".join(FIELDS)
ADD_RATE = 'add e.g. "learning_rate: 0.03" to base, or "learning_rate: [0.1, 0.03, 0.01]" to grid'
BESIDE = "depth and width cannot stand beside hidden, which gives all layer sizes; keep one or the other"
NAME = "expected up to 100 letters, digits, '-', '_', '.', with a letter or digit first"

RATES = "grid: {learning_rate: [0.1, 0.2]}\nselect: {over: learning_rate}\n"
CASES = {
    "not a mapping": (
        "[1]",
        "s.yaml:1: expected a mapping with keys of name, description, plugins, base, grid, select, search, table, "
        "published; found [1]",
    ),
    "unknown top key": (
        BASE + "gird: {}",
        "s.yaml:2: gird: unknown key; allowed: name, description, plugins, base, grid, select, search, table, "
        "published; did you mean grid?",
    ),
    "unknown base key": (
        "base:\n  learningrate: 1",
        f"s.yaml:2: base.learningrate: unknown key; allowed: {ALL_FIELDS}; did you mean learning_rate?",
    ),
    "unknown label key": (
        BASE + "grid:\n  method:\n    Tanh N: {activaton: tanh}",
        f"s.yaml:4: grid.method.Tanh N.activaton: unknown key; allowed: {ALL_FIELDS}; did you mean activation?",
    ),
    "unknown odd key": ('base: {"a\\nb": 1}', f's.yaml:1: "base.a\\nb": unknown key; allowed: {ALL_FIELDS}'),
    "base null": ("base:\n", f"s.yaml:1: base: expected a mapping with keys of {ALL_FIELDS}; found nothing"),
    "true is no number": (
        BASE.replace("100", "true"),
        "s.yaml:1: base.updates: expected a whole number from 0 to 1000000000000, found true",
    ),
    "text is no number": (
        BASE.replace("100", '"100"'),
        's.yaml:1: base.updates: expected a whole number from 0 to 1000000000000, found "100"',
    ),
    "half an update": (
        BASE.replace("100", "1.5"),
        "s.yaml:1: base.updates: expected a whole number from 0 to 1000000000000, found 1.5",
    ),
    "no octal": (
        BASE.replace("100", "0100"),
        's.yaml:1: base.updates: expected a whole number from 0 to 1000000000000, found "0100"',
    ),
    "rate 0": (
        BASE.replace("0.03", "0"),
        "s.yaml:1: base.learning_rate: expected a number above 0 and up to 1000000, found 0",
    ),
    "rate true": (
        BASE.replace("0.03", "true"),
        "s.yaml:1: base.learning_rate: expected a number above 0 and up to 1000000, found true",
    ),
    "rate huge": (
        BASE.replace("0.03", "9" * 40),
        "s.yaml:1: base.learning_rate: expected a number above 0 and up to 1000000, found 1e+40",
    ),
    "activation": (
        BASE.replace("tanh", "Tanhh"),
        f's.yaml:1: base.activation: expected one of {", ".join(ACTIVATIONS)}; found "Tanhh"; did you mean tanh?',
    ),
    "data set": (
        BASE.replace("shapeset", "[mnist]"),
        f's.yaml:1: base.dataset: expected one of {", ".join(DATASETS)}, or your own as {OWN}; found ["mnist"]',
    ),
    "width": (
        "base: {width: 1_000_001}",
        "s.yaml:1: base.width: expected a whole number from 1 to 1000000, found 1000001",
    ),
    "depth": ("base: {depth: 1001}", "s.yaml:1: base.depth: expected a whole number from 0 to 1000, found 1001"),
    "seed": (
        "base: {seed: -1}",
        "s.yaml:1: base.seed: expected a whole number from 0 to 9223372036854775807, found -1",
    ),
    "hidden": (
        "base: {hidden: [10, 0]}",
        "s.yaml:1: base.hidden: expected a list of up to 1000 layer sizes such as [1000, 800], "
        "each a whole number from 1 to 1000000; found [10, 0]",
    ),
    "hidden mapping": (
        "base: {hidden: {a: 1}}",
        "s.yaml:1: base.hidden: expected a list of up to 1000 layer sizes such as [1000, 800], "
        "each a whole number from 1 to 1000000; found a mapping",
    ),
    "two problems": (
        "base:\n  seed: -1\n  loss: 3",
        "s.yaml:2: base.seed: expected a whole number from 0 to 9223372036854775807, found "
        "-1\ns.yaml:3: base.loss: expected one of cross_entropy, sigmoid_cross_entropy, "
        "quadratic, rbf, rbf_map, or {NAME: {parameter: value}}; found 3",
    ),
    "depth beside hidden": ("base:\n  hidden: [10]\n  depth: 3", f"s.yaml:3: base: {BESIDE}"),
    "depth beside hidden in a label": (
        BASE + "grid:\n  net:\n    A:\n      width: 3\n      hidden: [10]",
        f"s.yaml:6: grid.net.A: {BESIDE}",
    ),
    "axis depth, base hidden": (
        "base: {hidden: [10]}\ngrid:\n  depth: [1, 2]\n  dataset: [mnist]\n  activation: [tanh]\n  "
        "learning_rate: [1]\n  updates: [1]",
        "s.yaml:3: grid.depth: sets depth, but base has hidden, which gives all layer sizes; keep one",
    ),
    "missing": (NO_RATE, f"s.yaml:1: base.learning_rate: missing, and it has no default; {ADD_RATE}"),
    "no base": (
        "name: x\ngrid: {dataset: [mnist], activation: [tanh], updates: [5]}",
        f"s.yaml:1: base.learning_rate: missing, and it has no default; {ADD_RATE}",
    ),
    "missing in a label": (
        NO_RATE + "grid:\n  speed:\n    fast: {learning_rate: 1}\n    slow: {}",
        's.yaml:5: grid.speed.slow: learning_rate is missing here and in base; add e.g. "learning_rate: 0.03"',
    ),
    "grid null": (
        BASE + "grid:\n",
        "s.yaml:2: grid: expected a mapping of axes, found nothing; leave grid out for a single run",
    ),
    "grid list": (
        BASE + "grid: [1]",
        "s.yaml:2: grid: expected a mapping of axes, found [1]; leave grid out for a single run",
    ),
    "axis scalar": (
        BASE + "grid:\n  seed: 3",
        "s.yaml:3: grid.seed: expected a list of values, or a mapping of label -> fields; found 3",
    ),
    "axis empty list": (
        BASE + "grid:\n  seed: []",
        "s.yaml:3: grid.seed: expected at least one value, found an empty list",
    ),
    "axis empty mapping": (
        BASE + "grid:\n  method: {}",
        "s.yaml:3: grid.method: expected at least one label, found an empty mapping",
    ),
    "label null": (
        BASE + "grid:\n  method:\n    Tanh:\n",
        f"s.yaml:4: grid.method.Tanh: expected a mapping with keys of {ALL_FIELDS}; found nothing",
    ),
    "many problems": (
        BASE + "grid:\n  seed:" + 25 * "\n  - -1",
        "".join(
            f"s.yaml:{line}: grid.seed: expected a whole number from 0 to 9223372036854775807, found -1\n"
            for line in range(4, 24)
        )
        + "and 5 more problems",
    ),
    "doubled value": (
        BASE + "grid:\n  learning_rate:\n  - 0.1\n  - 1\n  - 1e-1",
        "s.yaml:6: grid.learning_rate: the value 0.1 is there twice, first at s.yaml:4; remove one",
    ),
    "doubled label": (
        BASE + "grid:\n  m:\n    A: {}\n    A: {}",
        's.yaml:5: the key "A" is there twice, first at s.yaml:4; remove one',
    ),
    "wrong value in an axis": (
        BASE + "grid:\n  seed: [1,\n    a]",
        's.yaml:4: grid.seed: expected a whole number from 0 to 9223372036854775807, found "a"',
    ),
    "axis that is no field": (
        BASE + "grid:\n  sed: [1]",
        f"s.yaml:3: grid.sed: expected a mapping of label -> fields, or the name of a field: {ALL_FIELDS}; "
        "found a list; did you mean seed?",
    ),
    "axis that does not set its field": (
        BASE + "grid:\n  seed:\n    A: {width: 3}",
        "s.yaml:4: grid.seed.A: an axis called seed must set seed; add it, or call the axis something else",
    ),
    "axis name": (
        BASE + "grid:\n  a=b: {A: {}}",
        "s.yaml:3: grid.a=b: expected an axis name of up to 64 letters, digits, '_', '-', a letter first",
    ),
    "axis called like a result": (
        BASE + "grid:\n  test_error: {A: {}}",
        "s.yaml:3: grid.test_error: results have a column of this name; call the axis something else",
    ),
    "label": (
        BASE + 'grid:\n  m:\n    "A\\n": {}',
        's.yaml:4: "grid.m.A\\n": expected a label of up to 100 printable characters, found "A\\n"',
    ),
    "two axes, one field": (
        BASE + "grid:\n  m: {A: {seed: 1}}\n  seed: [1, 2]",
        "s.yaml:4: grid.seed: sets seed, but the axis m sets seed; only one axis can",
    ),
    "two axes, hidden and width": (
        BASE + "grid:\n  hidden: [[5]]\n  width: [1]",
        "s.yaml:4: grid.width: sets width, but the axis hidden sets hidden; only one axis can",
    ),
    "too many runs": (
        BASE + f"grid:\n  seed: {list(range(1000))}\n  width: {list(range(1, 102))}",
        "s.yaml:2: grid: expected at most 100000 runs, found more; shorten an axis",
    ),
    "select by": (
        BASE + "grid: {seed: [1]}\nselect: {over: seed, by: test_error}",
        's.yaml:3: select.by: expected one of valid_error, valid_loss, train_loss; found "test_error"',
    ),
    "select over": (
        BASE + "grid: {seed: [1]}\nselect:\n  over: [sed]",
        's.yaml:4: select.over: expected one of seed; found "sed"; did you mean seed?',
    ),
    "select over nothing": (
        BASE + "grid: {seed: [1]}\nselect: {over: []}",
        "s.yaml:3: select.over: expected one or more of seed; found an empty list",
    ),
    "select over twice": (
        BASE + "grid: {seed: [1]}\nselect: {over: [seed, seed]}",
        's.yaml:3: select.over: "seed" is there twice; remove one',
    ),
    "select without over": (
        BASE + "grid: {seed: [1]}\nselect: {}",
        "s.yaml:3: select.over: missing; name one or more axes of the grid: seed",
    ),
    "search without select": (
        BASE + "search: {updates: 50}",
        "s.yaml:2: search: it is there to choose by, but nothing is chosen; add e.g. select: {over: [AXIS]}",
    ),
    "search key": (
        BASE + RATES + "search: {update: 50}",
        "s.yaml:4: search.update: unknown key; allowed: updates, seeds; did you mean updates?\n"
        "s.yaml:4: search.updates: missing; say how many updates the short runs have",
    ),
    "search updates": (
        BASE + RATES + "search: {updates: few}",
        's.yaml:4: search.updates: expected a whole number from 0 to 1000000000000, found "few"',
    ),
    "search as long as the runs": (
        BASE + RATES + "search: {updates: 100}",
        "s.yaml:4: search.updates: expected fewer updates than the runs themselves have (100), found 100; "
        "lower it (--set search.updates=N), or leave search out",
    ),
    "search as long as some run": (
        BASE + "grid: {size: {a: {updates: 1000}, b: {}, c: {updates: 2000}}, width: [1, 2]}\n"
        "select: {over: width}\nsearch: {updates: 500}",
        "s.yaml:4: search.updates: expected fewer updates than the runs themselves have (100), found 500; "
        "lower it (--set search.updates=N), or leave search out",
    ),
    "search over updates": (
        BASE + "grid: {updates: [1000, 2000]}\nselect: {over: updates}\nsearch: {updates: 50}",
        "s.yaml:4: search: select is over the axis updates, which sets updates; a search gives all its runs the same",
    ),
    "search seeds": (
        BASE + RATES + "search: {updates: 50, seeds: 200}",
        "s.yaml:4: search.seeds: expected a whole number from 1 to 100; found 200",
    ),
    "search no seeds": (
        BASE + RATES.replace("grid: {", "grid: {seed: [3, 4], ") + "search: {updates: 50, seeds: 0}",
        "s.yaml:4: search.seeds: expected a whole number from 1 to 2, the number of the grid's seeds; found 0",
    ),
    "table rows": (
        BASE + "table: {rows: metod}",
        f's.yaml:2: table.rows: expected one of method, {ALL_FIELDS}; found "metod"; did you mean method?',
    ),
    "table columns": (
        BASE + "table:\n  columns: [dataset]",
        f's.yaml:3: table.columns: expected one of method, {ALL_FIELDS}; found ["dataset"]',
    ),
    "table rows and columns": (
        BASE + "table: {rows: dataset}",
        's.yaml:2: table.columns: "dataset" is in rows already; name another axis or field',
    ),
    "table value": (
        BASE + "table: {value: accuracy}",
        "s.yaml:2: table.value: expected one of train_loss, valid_error, test_error, valid_loss, "
        'test_loss; found "accuracy"',
    ),
    "table test": (
        BASE + "table: {test: pared}",
        's.yaml:2: table.test: expected one of pooled, welch, paired, blocks; found "pared"; did you mean paired?',
    ),
    "table key": (
        BASE + "table: {row: method}",
        "s.yaml:2: table.row: unknown key; allowed: rows, columns, value, test; did you mean rows?",
    ),
    "name": (BASE + "name: ../x", f's.yaml:2: name: {NAME}; found "../x"'),
    "name number": (BASE + "name: 2010", f"s.yaml:2: name: {NAME}; found 2010"),
    "name hidden": (BASE + "name: .x", f's.yaml:2: name: {NAME}; found ".x"'),
    "description": (
        BASE + "description: [a]",
        's.yaml:2: description: expected text, found ["a"]; put it in quotes if it is meant',
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_refused_sweep(text, message):
    assert problems(text) == message


def test_defaults():
    sweep = config.parse(BASE, "some/folder/first-try.yaml")
    assert sweep == Sweep(
        name="first-try",
        description="",
        base={
            "dataset": "shapeset",
            "model": "mlp",
            "preprocessing": "none",
            "optimizer": "sgd",
            "schedule": "constant",
            "pretraining": "none",
            "activation": "tanh",
            "initializer": "standard",
            "bias": 0.0,
            "loss": "cross_entropy",
            "depth": 5,
            "width": 1000,
            "batch_size": 10,
            "learning_rate": 0.03,
            "updates": 100,
            "seed": 0,
            "evaluate_every": 20_000,
            "valid_examples": 10_000,
            "test_examples": 10_000,
            "checkpoint_minutes": 5.0,
        },
        grid={},
        select=None,
        table=Table(("method",), "dataset", "test_error", "pooled"),
    )
    with pytest.raises(AttributeError):
        sweep.name = "x"


def test_whole_sweep():
    text = (
        "name: a\ndescription: b\nbase: {dataset: mnist, updates: 5e6, width: 30, learning_rate: "
        "1}\ngrid:\n  size: {small: {hidden: [7, 5]}, usual: {}, deep: {depth: 9}}\n  activation: "
        "[tanh, relu]\nselect: {over: activation}\ntable: {rows: [size, activation], columns: "
        "loss, value: test_loss}\n"
    )
    sweep = config.parse(text, "s.yaml")
    assert list(sweep.grid) == ["size", "activation"]
    assert sweep.grid["size"][0] == Choice("small", {"hidden": (7, 5)})
    assert sweep.grid["activation"][1] == Choice("relu", {"activation": "relu"})
    assert sweep.base["updates"] == 5_000_000
    assert type(sweep.base["learning_rate"]) is float
    assert "activation" not in sweep.base  # the axis always sets it
    assert sweep.select == Select(("activation",), "valid_error")
    assert sweep.table == Table(("size", "activation"), "loss", "test_loss")


def test_axis_depth_with_base_width():
    sweep = config.parse(BASE.replace("}", ", width: 20}") + "grid: {depth: [1, 2]}", "s.yaml")
    assert sweep.base["width"] == 20
    assert "depth" not in sweep.base


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_load(path):
    sweep = config.load(path)
    assert sweep.name == path.stem
    assert config.parse(written.dump(sweep), "x.yaml") == sweep


def test_lecture_can_be_cut_down():
    path = next(path for path in EXPERIMENTS if path.stem == "lecture")
    base = config.load(path, ["updates=2000", "width=100"]).base
    assert (base["updates"], base["width"], base["depth"]) == (2000, 100, 5)


# --set. --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "field", "value"),
    [
        (["width=7"], "width", 7),
        (["learning_rate=1e-3"], "learning_rate", 1e-3),
        (["updates=5_000"], "updates", 5000),
        (["hidden=[30, 20]"], "hidden", (30, 20)),
        (["seed=1", "seed=2"], "seed", 2),
        (["loss= quadratic"], "loss", "quadratic"),
    ],
)
def test_set(overrides, field, value):
    assert config.parse(BASE.replace("}", ", depth: 3}"), "s.yaml", overrides).base[field] == value


def test_set_gives_what_base_lacks():
    assert config.parse(NO_RATE, "s.yaml", ["learning_rate=1"]).base["learning_rate"] == 1
    assert config.parse("grid: {}", "s.yaml", ["learning_rate=1", "dataset=mnist", "activation=relu", "updates=1"])


GRID = "grid:\n  method: {Tanh: {activation: tanh}, Deep: {activation: tanh, depth: 9}}\n  seed: [1, 2]\n"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("width", "--set width: expected KEY=VALUE, found no '='"),
        ("widht=3", f'--set widht=3: only fields of base can be set: {ALL_FIELDS}; found "widht"; did you mean width?'),
        (
            "base.width=3",
            f'--set base.width=3: only fields of base can be set: {ALL_FIELDS}; found "base.width"; '
            "did you mean width?",
        ),
        ("name=x", f'--set name=x: only fields of base can be set: {ALL_FIELDS}; found "name"'),
        ("width=abc", '--set width=abc: base.width: expected a whole number from 1 to 1000000, found "abc"'),
        ("width=", "--set width=: expected a value, found nothing: it is empty"),
        (
            "width=!!int 3",
            '--set width=!!int 3: tags are not supported, found "tag:yaml.org,2002:int"; write a plain value',
        ),
        (
            "width=[",
            "--set width=[: not valid YAML: expected the node content, but found '<stream end>', "
            "while parsing a flow node",
        ),
        (
            "activation=relu",
            "--set activation=relu: the axis method of the grid sets activation; to pick from it use "
            "--only method=Tanh",
        ),
        ("seed=1", "--set seed=1: the axis seed of the grid sets seed; to pick from it use --only seed=1"),
        (
            "hidden=[3]",
            "--set hidden=[3]: the axis method of the grid sets depth; to pick from it use --only method=Tanh",
        ),
    ],
)
def test_refused_set(option, message):
    assert problems(BASE + GRID, [option]) == message


def test_set_of_search():
    text = BASE + RATES + "search: {updates: 50}"
    sweep = config.parse(text, "s.yaml", ["updates=40", "search.updates=20"])
    assert (sweep.base["updates"], sweep.search.updates) == (40, 20)
    with_seeds = config.parse(text + "\n", "s.yaml", ["search.updates=20", "search.seeds=1"])
    assert with_seeds.search == Search(20, 1)


@pytest.mark.parametrize(
    ("text", "option", "message"),
    [
        ("", "search.updates=5", "--set search: expected a sweep with search, found one without; add it to the file"),
        (
            RATES + "search: {updates: 50}", "search.update=5",
            '--set search.update=5: only fields of search can be set: updates, seeds; found "update"; '
            "did you mean updates?",
        ),
        (
            RATES + "search: {updates: 50}", "search.updates=x",
            '--set search.updates=x: search.updates: expected a whole number from 0 to 1000000000000, found "x"',
        ),
        (
            RATES + "search: {updates: 50}", "updates=30",
            "s.yaml:4: search.updates: expected fewer updates than the runs themselves have (30), found 50; "
            "lower it (--set search.updates=N), or leave search out",
        ),
    ],
)  # fmt: skip
def test_refused_set_of_search(text, option, message):
    assert problems(BASE + text, [option]) == message


def test_set_width_beside_hidden():
    assert problems(BASE.replace("}", ", hidden: [3]}"), ["width=5"]) == f"--set width=5: base: {BESIDE}"


# Settings. -----------------------------------------------------------------------------------------


def test_settings():
    given_ = {"dataset": "mnist", "activation": "tanh", "learning_rate": 1, "updates": 10.0}
    found = Settings(**given_, depth=2, width=30)
    assert found == Settings(**given_, hidden=[30, 30])
    assert (found.hidden, found.depth, found.width) == ((30, 30), 2, 30)
    assert type(found.updates) is int
    assert Settings(**given_, hidden=(3, 4)).width is None
    assert Settings(**given_).hidden == (1000,) * 5
    with pytest.raises(ValidationError, match="frozen"):
        found.seed = 3
    with pytest.raises(ValidationError, match="cannot stand beside hidden"):
        Settings(**given_, hidden=(3,), depth=1)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings(**given_, depht=3)
    with pytest.raises(ValidationError, match="expected a whole number"):
        Settings(**given_, depth=True)


# Round trip and rubbish. ---------------------------------------------------------------------------

VALUES = {
    "dataset": st.sampled_from(list(DATASETS)),
    "activation": st.sampled_from(list(ACTIVATIONS)),
    "initializer": st.sampled_from(DRAWN),
    "loss": st.sampled_from(list(LOSSES)),
    "learning_rate": st.floats(1e-30, 1e6) | st.integers(1, 10**6),
    "updates": st.integers(1, 10**12),
    "seed": st.integers(0, 2**63 - 1),
    "width": st.integers(1, 10**6),
    "hidden": st.lists(st.integers(1, 10**6), min_size=1, max_size=4).map(tuple),
    "evaluate_every": st.integers(1, 10**12),
    "inputs": st.sampled_from(list(INPUTS)),
    "checkpoint_minutes": st.floats(0, 1e6) | st.integers(0, 10**6),
}
TRICKY = [
    "no",
    "1e-3",
    "1_0",
    "~",
    "null",
    "<<",
    "=",
    "0777",
    "1:30",
    "a: b",
    "- a",
    "#",
    "2010-05-13",
    "é",
    "!x",
    "&a",
]
LABELS = st.sampled_from(TRICKY) | st.text(min_size=1, max_size=20).filter(
    lambda text: text.isprintable() and text == text.strip()
)
REQUIRED = ["dataset", "activation", "learning_rate", "updates"]


@st.composite
def sweep_texts(draw):
    """A valid sweep as YAML text: some list axes, and perhaps a mapping axis."""
    fields = draw(st.permutations(list(VALUES)))
    axes = fields[: draw(st.integers(0, 3))]
    if "hidden" in axes and "width" in axes:
        axes.remove("width")
    grid = {}
    for axis in axes:
        values = draw(
            st.lists(VALUES[axis].map(lambda v, a=axis: check_field(a, v)), min_size=1, max_size=3, unique=True)
        )
        if draw(st.booleans()):
            grid[axis] = values
        else:
            labels = draw(st.lists(LABELS, min_size=len(values), max_size=len(values), unique=True))
            grid[axis] = {label: {axis: value} for label, value in zip(labels, values, strict=True)}
    layers = draw(st.sampled_from(["width", "hidden"] if "width" not in axes else ["width"]))
    wanted = {*REQUIRED, *draw(st.sets(st.sampled_from(list(VALUES))))} - {"width", "hidden"} | {layers}
    top = {
        "name": draw(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9_-])?", fullmatch=True)),
        "description": draw(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TRICKY)),
        "base": {field: draw(VALUES[field]) for field in sorted(wanted)},
        "grid": grid,
    }
    if axes:
        top["select"] = {"over": draw(st.lists(st.sampled_from(axes), min_size=1, unique=True))}
        if not {"updates"} & {*axes} and top["base"]["updates"] > 1 and draw(st.booleans()):
            top["search"] = {"updates": top["base"]["updates"] - 1, "seeds": 1}
    return yaml_nodes.write(top)


@settings(deadline=None)
@given(sweep_texts())
def test_dump_loads_back(text):
    sweep = config.parse(text, "s.yaml")
    dumped = written.dump(sweep)
    again = config.parse(dumped, "other.yaml")
    assert again == sweep
    assert [list(again.grid), list(again.base)] == [list(sweep.grid), list(sweep.base)]
    assert written.dump(again) == dumped


@settings(deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-10**40, 10**40) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TRICKY),
    lambda inner: st.lists(inner) | st.dictionaries(LABELS, inner),
    max_leaves=10,
))  # fmt: skip
def test_written_yaml_reads_back(value):
    back = yaml_nodes.parse(yaml_nodes.write(value), "s").plain()
    assert back == value
    assert repr(back) == repr(value)  # True is not 1, nor 1.0


def only_sweep_errors(text):
    try:
        sweep = config.parse(text, "s.yaml")
    except SweepError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.startswith(("s.yaml:", "and ")) for line in lines)
    else:
        assert config.parse(written.dump(sweep), "s.yaml") == sweep


@settings(deadline=None)
@given(st.text() | st.text(st.sampled_from("{}[]:,-&*!|>'\"%@`#?<~ \n\tab01.e_\\x")))
@example('"\\UFFFFFFFF"')
@example("%YAML 99999999999999999999.1\n---\na")
@example("? ? ? a")
@example("base: {learning_rate: 1e-400}")
def test_random_text(text):
    only_sweep_errors(text)


SEED_TEXTS = [path.read_text() for path in EXPERIMENTS] + [BASE + GRID]
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "- ",
    "!",
    "&a ",
    "*a",
    "\n",
    "  ",
    "null",
    "true",
    "1e9",
    "hidden: [3]",
    "''",
    "grid",
]


@settings(deadline=None)
@given(st.data())
def test_mutated_sweeps(data):
    text = data.draw(st.sampled_from(SEED_TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 30)))
        text = text[:start] + data.draw(st.sampled_from([*PIECES, "", text[stop : stop + 40]])) + text[stop:]
    only_sweep_errors(text)


@settings(deadline=None)
@given(st.text(), st.text())
def test_random_options(key, value):
    for option in (key, f"{key}={value}", f"width={value}", f"hidden={value}"):
        try:
            config.parse(BASE, "s.yaml", [option])
            message = "--set worked"
        except SweepError as caught:
            message = str(caught)
        assert message.startswith("--set ")


def test_labels_and_defaults():
    assert [label_of(value) for value in (0.1, 1e-05, 3, (7, 5), "tanh")] == [
        "0.1",
        "1e-05",
        "3",
        "7-5",
        "tanh",
    ]
    assert all(check_field(name, value) == value for name, value in DEFAULTS.items())


def test_import_stays_light():
    """`glorot --help` has half a second: compilers and data frames are imported where they are used."""
    code = (
        "import sys; import glorot.sweeps.config, glorot.sweeps.runs; print([m for m in ('numba', 'pandas', "
        "'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
