"""Back-propagation step by step against numbers worked by hand and the naive oracle, and chains of single units."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from click.testing import CliRunner

from glorot.cli.main import cli
from glorot.errors import SweepError
from glorot.models.losses import LOSSES
from glorot.training import chain, small_networks, steps
from glorot.training.small_networks import SmallNetwork
from glorot.training.theory import steepest

TWO_LAYERS = Path(__file__).parent.parent / "experiments" / "networks" / "two-layers.yaml"


def inspected(*arguments):
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)])


def test_the_two_layers_worked_by_hand():
    """Every z is 0: each a is 1/2 and each slope 1/4; C = (1/2 - 1)^2 / 2."""
    worked = steps.work(small_networks.load(TWO_LAYERS))
    first, last = worked.layers
    assert worked.costs == [1 / 8]
    assert (first.z == 0).all()
    assert (first.a == 1 / 2).all()
    assert (first.slope == 1 / 4).all()
    assert (last.z, last.a, last.delta) == (0, 1 / 2, (1 / 2 - 1) * 1 / 4)
    assert last.dW.tolist() == [[-1 / 16, -1 / 16]]
    assert last.db == [-1 / 8]
    assert first.delta.tolist() == [[2 * -1 / 8 / 4, -4 * -1 / 8 / 4]]
    assert first.dW.tolist() == [[-1 / 16, -2 / 16], [1 / 8, 2 / 8]]
    assert first.db.tolist() == [-1 / 16, 1 / 8]
    assert first.new_W.tolist() == [[2 + 1 / 16, -1 + 1 / 8], [1 - 1 / 8, -1 - 1 / 4]]
    assert last.new_b == [1 + 1 / 8]
    assert worked.difference < 1e-4
    assert worked.new_costs[0] < worked.costs[0]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["sigmoid", "softsign"])
def test_steps_are_the_oracles(activation, loss):
    rng = np.random.default_rng(1)
    W = [rng.standard_normal(shape) for shape in ((4, 3), (2, 4), (3, 2))]
    b = [rng.standard_normal(len(one)) for one in W]
    x, targets = rng.standard_normal((2, 3)), naive.one_hot([2, 0], 3)
    worked = steps.work(SmallNetwork(activation, loss, 0.5, W, b, x, targets))
    some = SimpleNamespace(pixels=x * 255, labels=[2, 0])  # the oracle divides by 255
    wanted = naive.gradients(list(zip(W, b, strict=True)), some, activation, loss)
    for one, (dW, db) in zip(worked.layers, wanted, strict=True):
        assert one.dW == pytest.approx(dW, abs=1e-6)
        assert one.db == pytest.approx(db, abs=1e-6)
        assert one.new_W == pytest.approx(one.W - 0.5 * dW, abs=1e-6)
        assert one.numerical_dW == pytest.approx(dW, abs=2e-4)
    assert worked.difference < 2e-4


def test_what_is_printed():
    ended = inspected("two-layers", "--steps")
    assert ended.exit_code == 0, ended.output
    for line in ("C = 0.125", "[  2 ]   [ -0.125 ]   [ 0.25 ]   [ -0.0625 ]", "[ 2.0625  -3.9375 ]   [ 1.125 ]"):
        assert line in ended.output
    assert max(map(len, ended.output.splitlines())) <= 120
    assert json.loads(inspected(TWO_LAYERS, "--steps", "--json").output)["layers"][1]["db"] == [-0.125]


LAYERS = "layers: [{weights: [[2, -1], [1, -1]]}, {weights: [[2, -4]]}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAYERS + "examples:\n  - inputs: [1]\n    targets: [1]\n", "3: example 1: inputs: expected 2 numbers, as many "
         "as the columns of layer 1's weights; found 1"),
        ("layers:\n  - weights: [[1, 2]]\n  - weights: [[1, 2]]\nexamples: [{inputs: [1, 2], targets: [1]}]",
         "3: layer 2: weights: row 1: expected 1 number, as many as the units of layer 1; found 2"),
        ("layers:\n  - weights: [[1, 2], [1]]\nexamples: []", "2: layer 1: weights: row 2: expected 2 numbers, as many "
         "as row 1; found 1"),
        ("layers:\n  - weights: [[1]]\n    biases: [1, 2]\nexamples: []", "3: layer 1: biases: expected 1 number, as "
         "many as the units of the layer; found 2"),
        (LAYERS + "examples: []", "2: examples: expected a list of 1 to 5, found a list of 0"),
        (LAYERS + "examples: [{inputs: [1, 2], targets: [2]}]", "expected numbers from 0 to 1, found [2]"),
        (LAYERS + "examples: [{inputs: [1, x], targets: [1]}]", "expected a list of 2 numbers"),
        (LAYERS + "exmaples: []", "unknown key \"exmaples\"; allowed: activation, loss, learning_rate, layers, "
         "examples; did you mean examples?"),
        (LAYERS, "expected the key examples"),
        ("activation: tahn\n" + LAYERS + "examples: [{inputs: [1, 2], targets: [1]}]", "did you mean tanh"),
        (LAYERS + "loss: cross_entropy\nexamples: [{inputs: [1, 2], targets: [0.5]}]", "with the sum 1"),
        (LAYERS + "learning_rate: -1\nexamples: [{inputs: [1, 2], targets: [0.5]}]", "above 0"),
        ("layers: 3\nexamples: []", "expected a list of 1 to 10, found 3"),
    ],
)  # fmt: skip
def test_mistakes_in_a_network(text, message, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(SweepError) as caught:
        small_networks.load(file)
    assert str(caught.value).startswith(f"{file}:")
    assert message in str(caught.value)


# Chains. -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(0.5,) * 4, (3.0, -2.0, 0.1, 7.0)])
def test_a_chain_is_the_oracles(weights):
    """dC/db1 with dC/da = 1 of the last unit, by a difference of the chain itself."""
    found = chain.chain("sigmoid", weights)

    def output(b1):
        a = naive.sigmoid(weights[0] + b1)
        for w in weights[1:]:
            a = naive.sigmoid(w * a)
        return a

    assert found.gradient == pytest.approx((output(1e-6) - output(-1e-6)) / 2e-6, rel=1e-4)
    assert found.gradient == pytest.approx(math.prod(one.value for one in found.factors))
    assert all(abs(one.value) <= one.bound for one in found.factors)
    assert [one.name for one in found.factors][:4] == ["f'(z1)", "w2", "f'(z2)", "w3"]


def test_the_largest_slopes():
    """1/4 of the sigmoid: with every unit there, weights below 4 vanish and above 4 explode."""
    assert steepest("sigmoid") == (0.25, 0)
    assert steepest("tanh") == steepest("softsign") == steepest("linear") == (1, 0)
    assert steepest("relu").slope == 1
    assert 0 < steepest("relu").z < 0.1
    for weight in (3.9, 4.0, 4.1):
        one = chain.chain("sigmoid", (weight,) * 10, steep=True)
        assert one.gradient == pytest.approx(0.25 * (weight / 4) ** 9)
        assert one.gradient == pytest.approx(one.factors[-1].bounds)


def test_chains_are_printed_and_drawn(tmp_path):
    ended = inspected("--chain", "1,1,1,1", "--weights", "0.5", "--weights", "8", "--steepest", "--activation",
                      "sigmoid", "--figure", tmp_path / "c.svg")  # fmt: skip
    assert ended.exit_code == 0, ended.output
    assert "dC/db1 = f'(z1) w2 f'(z2) w3 f'(z3) w4 f'(z4)\n" in ended.output
    assert "gradients vanish" in ended.output
    assert "gradients explode" in ended.output
    assert "</svg>" in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chain", "1,2,1", "--activation", "tanh"], "expected single units, such as 1,1,1,1; found '1,2,1'"),
        (["--chain", "1,1", "--activation", "tanh", "--weights", "1,2,3"], "expected one number, or 2"),
        (["--chain", "1,1", "--activation", "tanh", "--weights", "x"], "expected a number"),
        (["--chain", "1,1"], "needs one --activation"),
        (["--weights", "1", "--activation", "tanh", "--initializer", "standard"], "add --chain"),
        (["two-layers"], "belong together"),
        (["--steps"], "belong together"),
        (["two-leyers", "--steps"], "did you mean two-layers?"),
        (["--chain", "1,1", "--activation", "tanh", "--figure", "x.pdf"], "ends in .png or .svg"),
    ],
)
def test_mistakes(arguments, message):
    ended = inspected(*arguments)
    assert ended.exit_code == 2 or ended.exception
    assert message in (ended.output + str(ended.exception))
