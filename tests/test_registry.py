"""Named choices: NAME or {NAME: {parameter: value}}, as text of one form, in sweeps, results and kernels."""

import csv

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import TOLERANCE, random_examples, random_layers

from glorot import kernels
from glorot.models.activations import ACTIVATIONS
from glorot.registry import Family, Number, OneOf, Registry, Switch, fields_of, parsed, text_of
from glorot.sweeps.config import parse
from glorot.sweeps.runs import expand
from glorot.sweeps.written import dump

PLAIN, MADE = "a plain one", Family(lambda **given: given, {
    "gain": Number(1, 0, 10, low_open=True), "count": Number(3, 1, 9, whole=True),
    "fan": OneOf("in", ("in", "out")), "fast": Switch(False),
})  # fmt: skip
CHOICES: Registry = Registry("thing", {"plain": PLAIN, "made": MADE})


@given(
    gain=st.floats(1e-30, 10), count=st.integers(1, 9), fan=st.sampled_from(["in", "out"]),
    fast=st.booleans(),
)  # fmt: skip
def test_there_and_back(**given):
    text = CHOICES.canonical({"made": given})
    assert (parsed(text), CHOICES.canonical(text), CHOICES.canonical(fields_of(text))) == (("made", given), text, text)
    assert CHOICES[text] == given
    assert text in CHOICES


def test_defaults_are_always_named():
    assert CHOICES.canonical("made") == 'made(gain=1.0, count=3, fan="in", fast=false)'
    assert CHOICES.canonical({"made": None}) == CHOICES.canonical({"made": {"count": 3.0}}) == CHOICES.canonical("made")
    assert (CHOICES.canonical("plain"), CHOICES["plain"], list(CHOICES)) == ("plain", PLAIN, ["plain", "made"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("plan", 'expected one of plain, made; found "plan"; did you mean plain?'),
        (["plain"], 'expected one of plain, made, or {NAME: {parameter: value}}; found ["plain"]'),
        ({"made": 3}, "expected the parameters of made by name (gain, count, fan, fast), found 3"),
        ({"plain": {"gain": 1}}, 'plain: unknown parameter "gain"; it has none'),
        ({"made": {"gian": 1}}, 'made: unknown parameter "gian"; allowed: gain, count, fan, fast; did you mean gain?'),
        ({"made": {"gain": 0}}, "made: gain: expected a number above 0 and up to 10, found 0"),
        ({"made": {"gain": float("nan")}}, "made: gain: expected a number above 0 and up to 10, found nan"),
        ({"made": {"count": 1.5}}, "made: count: expected a whole number from 1 to 9, found 1.5"),
        ({"made": {"fan": "inn"}}, 'made: fan: expected one of in, out; found "inn"; did you mean in?'),
        ({"made": {"fast": 1}}, "made: fast: expected true or false, found 1"),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(ValueError, match=r"expected|unknown") as caught:
        CHOICES.canonical(value)
    assert str(caught.value) == message


@given(st.text(max_size=30))
def test_any_text_is_refused_or_read(text):
    try:
        assert CHOICES[CHOICES.canonical(text)] is not None
    except ValueError:
        assert text not in CHOICES


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_text_of_no_activation_changes(name):
    """Old names have no parameters: their run_ids stay."""
    assert name in ACTIVATIONS or ACTIVATIONS.parameters(name)


SWEEP = """\
name: slopes
base: {dataset: shapeset, width: 8, depth: 2, learning_rate: 0.1, updates: 20, valid_examples: 50, test_examples: 50}
grid:
  activation: [tanh, {leaky_relu: {slope: 0.2}}, leaky_relu, "elu(alpha=2)"]
"""


def test_a_sweep_over_parameters():
    sweep = parse(SWEEP, "slopes.yaml")
    runs = expand(sweep)
    assert [run.settings.activation for run in runs] == [
        "tanh", "leaky_relu(slope=0.2)", "leaky_relu(slope=0.01)", "elu(alpha=2.0)",
    ]  # fmt: skip
    assert [run.method for run in runs] == ["Tanh", "Leaky ReLU 0.2", "Leaky ReLU 0.01", "ELU 2"]
    assert expand(parse(dump(sweep), "again.yaml")) == runs
    assert len({run.run_id for run in runs}) == 4


def test_in_real_processes(tmp_path, glorot):
    """Run, skip, report, pick by --only, look before training."""
    (tmp_path / "slopes.yaml").write_text(SWEEP)
    assert glorot("run", "slopes.yaml", "--only", "activation=leaky_relu(slope=0.2)").returncode == 0
    again = glorot("run", "slopes.yaml", "--only", "activation=leaky_relu(slope=0.2)")
    assert "1 done, 0 to do" in again.stderr
    assert "Leaky ReLU 0.2" in glorot("report", "slopes").stdout
    with open(tmp_path / "results" / "slopes" / "runs.csv") as file:
        assert (
            next(row for row in csv.DictReader(file) if row["method"] == "Leaky ReLU 0.2")["activation"]
            == "leaky_relu(slope=0.2)"
        )
    looked = glorot("inspect", "--activation", "leaky_relu(slope=0.5)", "--initializer", "he_normal", "--width", "20")
    assert "Leaky ReLU 0.5" in looked.stdout
    refused = glorot("run", "slopes.yaml", "--set", "activation={leaky_relu: {slop: 1}}")
    assert refused.returncode == 2


@pytest.mark.parametrize("slope", [0.2, 0.02, 1.0])
def test_kernels_have_the_parameter_in_them(slope):
    """Two networks of one process with other parameters are not mistaken for each other."""
    layers, examples = random_layers((6, 5, 3)), random_examples(4, 6, 3)
    made = kernels.create("cpu", (6, 5, 3), text_of("leaky_relu", {"slope": slope}), "cross_entropy", 4, 0.1, 1)
    made.parameters = layers
    wanted = naive.ACTIVATIONS["leaky_relu"]
    naive.ACTIVATIONS["leaky_relu"] = (lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1.0, slope))
    try:
        np.testing.assert_allclose(
            made.evaluate(examples)[0],
            naive.evaluate(layers, examples, "leaky_relu", "cross_entropy")[0],
            atol=TOLERANCE,
        )
        made.train(examples)
        after = naive.sgd_step(layers, examples, "leaky_relu", "cross_entropy", 0.1)
    finally:
        naive.ACTIVATIONS["leaky_relu"] = wanted
    for found, (W, b) in zip(made.parameters, after, strict=True):
        np.testing.assert_allclose(found.W, W, atol=TOLERANCE)
        np.testing.assert_allclose(found.b, b, atol=TOLERANCE)
