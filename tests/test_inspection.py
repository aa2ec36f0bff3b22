"""Variances before training, against the naive oracle, numbers worked by hand and the paper's theory."""

import itertools
import json
import math
import re

import naive_layers
import numpy as np
import pytest
from click.testing import CliRunner
from naive import ACTIVATIONS as NAIVE
from naive import forward, naive_deltas

from glorot import kernels
from glorot.cli.main import cli
from glorot.datasets import Examples
from glorot.datasets.inputs import INPUTS
from glorot.models import lenet5
from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import DRAWN, INITIALIZERS
from glorot.models.layers import initial_layers
from glorot.models.losses import LOSSES
from glorot.models.network import initial_parameters
from glorot.training import inspection, inspection_of_maps
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


# LeNet-5. ---------------------------------------------------------------------------------------------------


def lenet_seen(activation, initializer, loss="cross_entropy", n=6, seed=0):
    """What is seen of LeNet-5, with its layers, parameters, and the images and labels that it saw."""
    layers = lenet5.layers(10, LOSSES[loss].rbf)
    made = kernels.create_convolutional(layers, (28, 28), activation, loss, 10, 0.1, 1, INPUTS["ink"].levels(None))
    made.parameters = initial_layers(layers, initializer, seed)
    rng = np.random.default_rng(4)
    some = Examples(rng.integers(0, 256, (n, 784), dtype=np.uint8), rng.integers(0, 10, n).astype(np.uint8))
    images = inspection_of_maps.seen_images(made, some, (28, 28), (1, 32, 32))
    found = inspection_of_maps.layers_seen(made, some, images, activation, INITIALIZERS[initializer], layers)
    return found, layers, made.parameters, images[:, 0], some.labels


@pytest.mark.parametrize(
    ("activation", "loss"), [pytest.param("tanh", "cross_entropy", marks=pytest.mark.slow), ("relu", "rbf_map")]
)
def test_measured_in_lenet5_is_the_oracles(activation, loss):
    found, layers, parameters, images, labels = lenet_seen(activation, "normalized", loss)
    inputs, zs = naive_layers.forward(layers, parameters, images, activation)
    deltas = naive_layers.backward(layers, parameters, images, labels, activation, loss)[1]
    squares = [np.zeros(W.shape) for W, _ in parameters]
    for image, label in zip(images, labels, strict=True):
        steps = naive_layers.backward(layers, parameters, image[None], label[None], activation, loss)[0]
        squares = [total + dW**2 for total, (dW, _) in zip(squares, steps, strict=True)]
    for one, z, delta in zip(found, zs, deltas, strict=True):
        assert one.gradient.measured == pytest.approx(np.square(delta).mean(), rel=1e-3)
        if one.parameters:
            assert one.z.measured == pytest.approx(z.var(), rel=1e-3)
    for one, a in zip(found[:-1], inputs[1:], strict=True):
        assert one.activation.measured == pytest.approx(a.var(), rel=1e-3)
    for one, square in zip(found, squares, strict=False):
        assert one.weight_gradient.measured == pytest.approx(square.mean() / len(labels), rel=1e-3)
    assert [one.name for one in found] == ["C1", "S2", "C3", "S4", "C5", "F6", "output"]
    assert [one.units for one in found] == [4704, 1176, 1600, 400, 120, 84, 10]
    assert sum(one.parameters for one in found) == (60_000 if loss == "rbf_map" else 60_850)


def test_theory_of_lenet5_worked_by_hand():
    """lecun_uniform: fan_in Var[W] = 1 everywhere. A unit of S2 goes to C3 over 60 kernels of 25 weights at 100 places,
    shared by 6 x 196 units; Var[W] is 1/75, 1/100 or 1/150."""
    found, *_ = lenet_seen("tanh", "lecun_uniform")
    gradients = {one.name: one.gradient.theory for one in found}
    assert [one.gain for one in found] == pytest.approx([1] * 7)
    assert gradients["output"] == found[-1].gradient.measured
    assert gradients["F6"] / gradients["output"] == pytest.approx(10 / 84)
    assert gradients["S4"] / gradients["C5"] == pytest.approx(120 / 400)
    assert gradients["C3"] / gradients["S4"] == pytest.approx(1 / 4)
    assert gradients["S2"] / gradients["C3"] == pytest.approx(16 * 100 / (6 * 196))
    c1, s2 = found[:2]
    assert c1.weight_gradient.theory == pytest.approx(784 * c1.activation.theory * gradients["C1"])
    assert s2.weight_gradient.theory == pytest.approx(196 * 4 * c1.activation.theory * gradients["S2"])


def test_linear_layers_without_neighbours_follow_the_theory():
    """Dense layers and C5, where nothing is shared, from what arrives in them; gradients over many networks."""
    many = [lenet_seen("linear", "normalized", n=20, seed=seed)[0] for seed in range(8)]
    for l in (4, 5):
        measured = np.mean([one[l].activation.measured / one[l - 1].activation.measured for one in many])
        assert measured == pytest.approx(many[0][l].gain, rel=0.25)
    for l in (0, 1, 2, 3):  # also those of maps: the weights of a layer are drawn anew
        ratios = [one[l].gradient.measured / one[l + 1].gradient.measured for one in many]
        assert np.mean(ratios) == pytest.approx(many[0][l].gradient.theory / many[0][l + 1].gradient.theory, rel=0.35)


def test_lenet5_as_text():
    ended = inspected("--model", "lenet5", "--activation", "tanh", "--initializer", "normalized")
    assert ended.exit_code == 0, ended.output
    assert "LeNet-5: Tanh, normalized initialization" in ended.output
    assert "60,765 parameters" in ended.output  # nine classes
    assert re.search(r"\nS2 +1176 ", ended.output)
    assert "Jacobian" not in ended.output
    assert "nan" not in ended.output


def test_lenet5_with_rbf_units(tmp_path):
    figure = tmp_path / "x.png"
    arguments = ["--model", "lenet5", "--activation", "tanh", "--initializer", "lenet_uniform", "--loss", "rbf_map"]
    ended = inspected(*arguments, "--json", "--figure", str(figure))
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert found["parameters"] == 60_000
    assert found["layers"][-1]["weight_gradient"] is None
    assert figure.stat().st_size > 5000
    assert "nan" not in inspected(*arguments).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "lenet5", "--initializer", "normalized", "--depth", "3"], "has sizes of its own"),
        (["--model", "lenet5", "--initializer", "normalized", "--ones", "3"], "has sizes of its own"),
        (["--model", "lenet5", "--initializer", "lsuv"], "expected model: mlp"),
        (["--model", "lenet5", "--initializer", "normalized", "--dataset", "cifar10"], "expected grey images"),
        (["--initializer", "normalized", "--loss", "rbf"], "of RBF units, which only lenet5 has"),
    ],
)
def test_mistakes_with_models(arguments, message, glorot):
    ended = glorot("inspect", "--activation", "tanh", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
