"""Variances before training, against the naive oracle, numbers worked by hand and the paper's theory."""

import itertools
import json
import math
import re

import numpy as np
import pytest
from click.testing import CliRunner
from naive import ACTIVATIONS as NAIVE
from naive import forward, naive_deltas

from glorot import kernels
from glorot.cli.main import cli
from glorot.datasets import Examples
from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import DRAWN, INITIALIZERS
from glorot.models.network import initial_parameters
from glorot.training import inspection
from glorot.training.theory import Regime, near_zero, singular_value_theory


def seen(sizes, activation, initializer, n=60, loss="cross_entropy"):
    """What is seen of a network of these sizes, with its layers and examples."""
    made = kernels.create("cpu", sizes, activation, loss, 10, 0.1, 1)
    made.parameters = initial_parameters(sizes, initializer, 3)
    rng = np.random.default_rng(4)
    some = Examples(rng.integers(0, 256, (n, sizes[0]), dtype=np.uint8), rng.integers(0, sizes[-1], n).astype(np.uint8))
    found = inspection.layers_seen(made, some, activation, INITIALIZERS[initializer], sizes)
    return found, made.parameters, some


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_measured_is_the_oracles(activation):
    found, layers, some = seen((20, 17, 33, 40, 5), activation, "normalized")
    zs, inputs = forward(layers, some.pixels, activation)
    deltas = naive_deltas(layers, some, activation, "cross_entropy")
    for one, below, delta in zip(found, inputs, deltas, strict=True):
        each = [np.outer(d, a) for d, a in zip(delta, below, strict=True)]
        assert one.weight_gradient.measured == pytest.approx(np.square(each).mean(), rel=1e-3)
        assert one.gradient.measured == pytest.approx(np.square(delta).mean(), rel=1e-3)
    for one, a in zip(found[:-1], inputs[1:], strict=True):
        assert one.activation.measured == pytest.approx(a.var(), rel=1e-3)
        assert (one.saturation is None) == (activation == "relu")
    slopes = NAIVE[activation][1](zs[1][:30])
    values = np.linalg.svd(slopes[:, :, None] * layers[1].W, compute_uv=False)
    assert found[1].jacobian.measured == pytest.approx(values.mean(), rel=1e-3)
    assert (found[0].jacobian, found[-1].activation, found[-1].jacobian, found[-1].saturation) == (None,) * 4


def test_theory_worked_by_hand():
    """Sizes 4, 2, 3, 2, standard: n Var[W] = 1/3; fan_out Var[W] = 3 / (3 * 2) and 2 / (3 * 3)."""
    found, _, some = seen((4, 2, 3, 2), "tanh", "standard")
    x = np.square(some.pixels / 255).mean()
    out = found[-1].gradient.measured
    assert [one.gain for one in found] == pytest.approx([1 / 3] * 3)
    assert [one.activation.theory for one in found[:-1]] == pytest.approx([x / 3, x / 9])
    assert [one.gradient.theory for one in found] == pytest.approx([out / 9, out * 2 / 9, out])
    assert [one.weight_gradient.theory for one in found] == pytest.approx(
        [x * out / 9, x / 3 * out * 2 / 9, x / 9 * out]
    )


@pytest.mark.parametrize("initializer", [name for name in DRAWN if name not in ("sparse", "identity")])  # few weights
def test_linear_units_follow_the_theory(initializer):
    """Within sampling error: of 300 x 300 weights a few percent a layer."""
    found, *_ = seen((300, 300, 300, 300), "linear", initializer)
    for one in found[:-1]:
        assert one.activation.measured == pytest.approx(one.activation.theory, rel=0.25)
        assert one.weight_gradient.measured == pytest.approx(one.weight_gradient.theory, rel=0.25)
        if one.jacobian:
            assert one.jacobian.measured == pytest.approx(one.jacobian.theory, rel=0.02)
    for one, above in itertools.pairwise(found):
        assert one.gradient.measured / above.gradient.measured == pytest.approx(
            one.gradient.theory / above.gradient.theory, rel=0.1
        )


def test_a_cost_whose_deltas_have_a_mean():
    """The quadratic cost's do; what arrives below is of their mean square, not of their variance."""
    found, *_ = seen((300, 300, 300, 50), "linear", "normalized", loss="quadratic")
    for one in found[:-1]:
        assert one.gradient.measured == pytest.approx(one.gradient.theory, rel=0.25)
        assert one.weight_gradient.measured == pytest.approx(one.weight_gradient.theory, rel=0.25)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "softplus"])
def test_units_that_are_not_the_identity_near_zero(activation):
    """Weights small enough that sigmoid and softplus units stay where they are straight."""
    found, *_ = seen((300, 300, 300, 300), activation, "normalized")
    for one in found[:-1]:
        assert one.activation.measured == pytest.approx(one.activation.theory, rel=0.35)
        assert one.gradient.measured == pytest.approx(one.gradient.theory, rel=0.35)


def test_near_zero():
    assert near_zero("sigmoid") == (0.5, 0.25, 0.25)
    assert near_zero("relu") == (0, 0, 1)
    assert {near_zero(name) for name in ("tanh", "softsign", "linear")} == {(0, 1, 1)}
    z = np.random.default_rng(0).standard_normal(10**6) * 2
    for regime in (near_zero("relu"), Regime(0.3, 0.1, -0.7)):
        f = regime.value + np.where(z < 0, regime.below, regime.above) * z
        assert regime.moments(4.0) == pytest.approx((f.mean(), np.square(f).mean()), rel=0.01)


@pytest.mark.parametrize("shape", [(200, 200), (100, 300), (300, 100)])
def test_singular_values(shape):
    uniform = INITIALIZERS["lecun_uniform"]
    W = uniform.sample(*shape, np.random.default_rng(0))
    wanted = np.linalg.svd(W, compute_uv=False).mean()
    assert singular_value_theory(*shape, uniform, near_zero("tanh")) == pytest.approx(wanted, rel=0.01)
    assert singular_value_theory(*shape, uniform, near_zero("sigmoid")) == pytest.approx(wanted / 4, rel=0.01)
    assert singular_value_theory(*shape, uniform, near_zero("relu")) is None


def test_the_papers_singular_values():
    of = {name: singular_value_theory(9, 9, INITIALIZERS[name], near_zero("tanh")) for name in INITIALIZERS}
    assert of["normalized"] == pytest.approx(8 / (3 * math.pi), rel=1e-6)
    assert of["standard"] == pytest.approx(0.490, abs=1e-3)
    assert of["orthogonal"] == 1


def inspected(*arguments):
    return CliRunner().invoke(cli, ["inspect", *arguments, "--examples", "40", "--format", "terminal"])


def test_text():
    ended = inspected("--activation", "tanh", "--initializer", "standard", "--depth", "3", "--width", "100")
    assert ended.exit_code == 0, ended.output
    assert "Tanh, standard initialization, hidden layers 3 x 100" in ended.output
    assert re.search(r"Gradients shrink by a factor 0\.[23]\d* a layer", ended.output)
    assert "would keep gradients level, in theory: 1 a layer" in ended.output
    assert max(map(len, ended.output.splitlines())) <= 100


def test_json():
    ended = inspected("--activation", "relu", "--initializer", "he_normal", "--hidden", "30,20", "--json")
    found = json.loads(ended.output)
    assert [one["fan_out"] for one in found["layers"]] == [30, 20, 9]
    assert found["layers"][1]["jacobian"]["theory"] is None
    assert found["gradient_factor_a_layer"]["theory"] == pytest.approx(20 / 30)


@pytest.mark.parametrize(("activation", "width"), [("linear", "200"), ("tanh", "60"), ("sigmoid", "3")])
def test_what_overflows_or_vanishes_is_said(activation, width):
    initializer = "standard" if activation == "sigmoid" else "standard_normal"
    arguments = ["--activation", activation, "--initializer", initializer, "--depth", "60", "--width", width]
    ended = inspected(*arguments)
    assert ended.exit_code == 0, ended.output
    assert "shrink" in ended.output or "grow" in ended.output or "nothing measurable" in ended.output
    json.loads(inspected(*arguments, "--json").output, parse_constant=pytest.fail)


def test_one_hidden_layer_is_said():
    ended = inspected("--activation", "tanh", "--initializer", "standard", "--depth", "1", "--width", "9")
    assert ended.output.endswith("One hidden layer: there is nothing for signals to shrink over.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--activation", "tahn", "--initializer", "standard"], "did you mean tanh"),
        (["--activation", "tanh", "--initializer", "normalised"], "did you mean normalized"),
        (["--activation", "tanh"], "Missing option '--initializer'"),
        (["--activation", "tanh", "--initializer", "standard", "--hidden", "3,x"], "1200,1000,800; found '3,x'"),
        (["--activation", "tanh", "--initializer", "standard", "--hidden", "3,0"], "1200,1000,800; found '3,0'"),
        (["--activation", "tanh", "--initializer", "standard", "--hidden", "3", "--width", "3"], "cannot stand beside"),
        (["--activation", "tanh", "--initializer", "standard", "--depth", "0"], "not in the range"),
    ],
)
def test_mistakes(arguments, message):
    ended = inspected(*arguments)
    assert ended.exit_code == 2
    assert message in ended.output


def test_a_data_set_that_is_not_there(glorot):
    ended = glorot("inspect", "--activation", "tanh", "--initializer", "standard", "--dataset", "mnist")
    assert ended.returncode == 2
    assert "glorot data fetch mnist" in ended.stderr


def test_a_network_that_is_too_large(glorot):
    ended = glorot("inspect", "--activation", "tanh", "--initializer", "standard", "--width", "1000000")
    assert ended.returncode == 2
    assert "fits into memory" in ended.stderr


def test_every_activation_has_a_regime():
    assert all(math.isfinite(number) for name in ACTIVATIONS for number in near_zero(name))


def test_pre_activations_of_many_inputs_of_1():
    """500 inputs of 1 with weights from N(0, 1): z has a standard deviation of sqrt(500) = 22.4."""
    one = inspection.inspect(inspection.ones(500), "sigmoid", "standard_normal", (1000,), examples=1)
    assert one.layers[0].z.theory == 500
    assert one.layers[0].z.measured == pytest.approx(500, rel=0.1)
    assert one.parameters == 501 * 1000 + 1001 * 10
    ended = inspected("--activation", "sigmoid", "--initializer", "standard_normal", "--ones", "500", "--depth", "1")
    assert "511,010 parameters, 2.044 MB" in ended.output
    assert re.search(r" 22\.\d\n", ended.output)


def test_two_methods_of_ones_own_folder(tmp_path):
    """ReLU's exact zeros are called so; He's initialization is what would help it. Drawn, too."""
    pytest.importorskip("PIL")
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("train/cats", "train/dogs", "valid/cats", "valid/dogs", "test/cats", "test/dogs"):
        (tmp_path / "own" / name).mkdir(parents=True)
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "own" / name / "one.png")
    arguments = ["--initializer", "standard", "--hidden", "30,30,30", "--data", str(tmp_path / "data")]
    ended = inspected("--activation", "relu", "--activation", "tanh", *arguments, "--dataset", str(tmp_path / "own"),
                      "--figure", str(tmp_path / "x.png"))  # fmt: skip
    assert ended.exit_code == 0, ended.output
    assert "of units such as ReLU: zero" in ended.output
    assert "The He initialization would keep gradients level" in ended.output
    assert "The normalized initialization would keep gradients level" in ended.output
    assert "\nown (unit inputs)" in ended.output
    assert (tmp_path / "x.png").stat().st_size > 5000
    ended = inspected("--activation", "relu", *arguments)
    assert re.search(r"ratio to below +zero\n", ended.output)
    assert "saturated" not in ended.output
