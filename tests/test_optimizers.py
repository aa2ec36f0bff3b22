"""Optimizers: kernels against the oracle and PyTorch, their memory in saved states, and in sweeps."""

import contextlib
import csv
import importlib.util

import naive
import numpy as np
import pytest
from networks import bits_of, part, random_examples, random_layers
from trained import settings as run_settings

from glorot import kernels
from glorot.datasets.shapeset import Shapeset
from glorot.models import schedules
from glorot.models.losses import OF_LINEAR_UNITS
from glorot.models.network import initial_parameters
from glorot.models.optimizers import OPTIMIZERS, power
from glorot.registry import parsed
from glorot.training import loop
from glorot.training.checkpoint import Checkpoints
from glorot.training.loop import Training

MOMENTUM, NESTEROV = "momentum(momentum=0.9, nesterov=false)", "momentum(momentum=0.9, nesterov=true)"
ADAM = "adam(beta1=0.9, beta2=0.999, epsilon=1e-08)"
VARIANCE = "gradient_variance(decay=0.7, epsilon=0.01)"
HESSIAN = "diagonal_hessian(mu=0.01, examples=100, every=20)"
SIZES = (7, 21, 18, 3)  # rows and columns left over by every tile


def network(optimizer, layers, sizes=SIZES, rate=0.05, batch_size=3, threads=1, loss="cross_entropy"):
    made = kernels.create("cpu", sizes, "tanh", loss, batch_size, rate, threads, optimizer=optimizer)
    made.parameters = layers
    return made


@pytest.mark.parametrize("optimizer", [MOMENTUM, NESTEROV, ADAM, VARIANCE])
def test_updates_are_the_oracles(optimizer):
    """And have the same bits on any number of threads, and in any number of segments."""
    layers, examples = random_layers(SIZES), random_examples(3 * 6, SIZES[0], 3)
    made = network(optimizer, layers)
    made.train(examples)
    name, parameters = parsed(optimizer)
    minibatches = [part(examples, i, i + 3) for i in range(0, 18, 3)]
    wanted = naive.trained(layers, minibatches, "tanh", "cross_entropy", 0.05, name, **parameters)
    for before, found, (W, b) in zip(layers, made.parameters, wanted, strict=True):
        assert np.abs(W - before.W).max() > 1e-2
        np.testing.assert_allclose(found.W, W, rtol=0, atol=2e-6)
        np.testing.assert_allclose(found.b, b, rtol=0, atol=2e-6)
    in_two = network(optimizer, layers, threads=2)
    in_two.train(part(examples, 0, 6))
    in_two.train(part(examples, 6, 18))
    assert bits_of(in_two.parameters) == bits_of(made.parameters)
    for name in OPTIMIZERS[optimizer].keeps:
        assert bits_of(in_two.memory[name]) == bits_of(made.memory[name])
        assert np.abs(made.memory[name][0].W).min() > 0


@pytest.mark.parametrize("loss", OF_LINEAR_UNITS)
def test_curvature_is_the_oracles(loss):
    """Of several chunks of examples, on any number of threads; and what the optimizer does with it."""
    layers, examples = random_layers(SIZES), random_examples(100, SIZES[0], 3)
    wanted = naive.curvatures(layers, examples, "tanh", loss)
    made = [network(HESSIAN, layers, threads=threads, loss=loss) for threads in (1, 2)]
    for one in made:
        one.estimate(examples)
    assert bits_of(made[0].memory["curvature"]) == bits_of(made[1].memory["curvature"])
    for found, (W, b) in zip(made[0].memory["curvature"], wanted, strict=True):
        np.testing.assert_allclose(found.W, W, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(found.b, b, rtol=1e-5, atol=1e-8)
        assert np.median(W) > 1e-4
    if loss != "cross_entropy":
        return
    made[0].train(part(examples, 0, 3))
    kept = {(l, i): one for l, layer in enumerate(wanted) for i, one in enumerate(layer)}
    after = naive.trained(layers, [part(examples, 0, 3)], "tanh", loss, 0.05, "diagonal_hessian", kept=kept, mu=0.01)
    for found, (W, b) in zip(made[0].parameters, after, strict=True):
        np.testing.assert_allclose(found.W, W, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.b, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "sigmoid_cross_entropy"])
def test_curvature_of_one_layer_is_the_numerical_second_derivative(loss):
    """No back-propagation in it: differences of the loss alone."""
    layers, examples, h = random_layers((5, 3)), random_examples(20, 5, 3), 1e-3
    W, b = (np.array(one, float) for one in layers[0])

    def cost():
        return naive.evaluate([(W, b)], examples, "tanh", loss)[0].mean()

    made = network(HESSIAN, layers, (5, 3), loss=loss)
    made.estimate(examples)
    (found,) = made.memory["curvature"]
    for parameter, curvature in ((W, found.W), (b, found.b)):
        for i in np.ndindex(parameter.shape):
            kept, costs = parameter[i], []
            for parameter[i] in (kept - h, kept, kept + h):
                costs.append(cost())
            parameter[i] = kept
            assert curvature[i] == pytest.approx((costs[0] - 2 * costs[1] + costs[2]) / h**2, rel=1e-4)


TORCH = {
    MOMENTUM: (0.01, "SGD", {"momentum": 0.9}),
    NESTEROV: (0.01, "SGD", {"momentum": 0.9, "nesterov": True}),
    ADAM: (0.001, "Adam", {}),
}


@pytest.mark.parametrize("optimizer", TORCH)
def test_200_updates_agree_with_pytorch(optimizer):
    torch = pytest.importorskip("torch")
    sizes, n = (1024, 60, 50, 9), 10
    learning_rate, name, parameters = TORCH[optimizer]
    layers, examples = initial_parameters(sizes, "normalized", 0), Shapeset().train(0, 0, 200 * n)
    made = network(optimizer, layers, sizes, learning_rate, n)
    losses = made.train(examples)
    leaves = [torch.from_numpy(one).double().requires_grad_() for layer in layers for one in layer]
    theirs = getattr(torch.optim, name)(leaves, learning_rate, **parameters)
    x, y = torch.from_numpy(examples.pixels).double() / 255, torch.from_numpy(examples.labels).long()
    wanted = []
    for first in range(0, 200 * n, n):
        theirs.zero_grad()
        a = x[first : first + n]
        for W, b in zip(leaves[::2], leaves[1::2], strict=True):
            a = torch.nn.functional.linear(torch.tanh(a) if a.shape[1] != 1024 else a, W, b)
        loss = torch.nn.functional.cross_entropy(a, y[first : first + n])
        loss.backward()
        theirs.step()
        wanted.append(loss.item())
    np.testing.assert_allclose(losses, wanted, rtol=1e-5)
    for found, *exact in zip(made.parameters, leaves[::2], leaves[1::2], strict=True):
        W, b = (leaf.detach().numpy() for leaf in exact)
        assert max(np.abs(found.W - W).max(), np.abs(found.b - b).max()) <= 1e-5 * np.abs(W).max()


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 5_000_000])
def test_power(n):
    assert power(0.999, n) == pytest.approx(0.999**n, rel=1e-9)


class Interrupt(Exception):
    pass


def under_way(dataset, folder, optimizer, stop=None):
    """A run as run_cell makes it, from its saved state if there is one; interrupted at an update, with its state saved.
    Its parameters in the end."""
    chosen = run_settings(hidden=(9, 8), updates=60, evaluate_every=25, batch_size=3, optimizer=optimizer)
    made = network(chosen.optimizer, initial_parameters((6, 9, 8, 3), "normalized", 0), (6, 9, 8, 3), 0.02)
    checkpoints = Checkpoints(folder, chosen, "cpu")
    training = Training(chosen, dataset, made, checkpoints.load((6, 9, 8, 3)))

    def on_progress(training):
        if stop is not None and training.update >= stop:
            checkpoints.save(training.state())
            raise Interrupt

    with contextlib.suppress(Interrupt):
        training.run(on_progress)
    return bits_of(made.parameters), checkpoints


@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM, HESSIAN])
def test_interrupted_and_resumed_to_the_same_bits(dataset, tmp_path, monkeypatch, optimizer):
    monkeypatch.setattr(loop, "SEGMENT_BYTES", 18 * 3)
    wanted, _ = under_way(dataset, tmp_path / "whole", optimizer)
    for stop in (3, 31):
        under_way(dataset, tmp_path / "parts", optimizer, stop)
    found, checkpoints = under_way(dataset, tmp_path / "parts", optimizer)
    assert (found, checkpoints.problems) == (wanted, [])


def test_a_state_of_another_optimizer_is_passed_over(dataset, tmp_path):
    *_, ours = under_way(dataset, tmp_path, MOMENTUM, 25)
    *_, others = under_way(dataset, tmp_path, ADAM, 25)
    for there, here in ((others, ours), (ours, others)):
        with np.load(there.path) as arrays:
            changed = dict(arrays) | {"run": np.array(here._trajectory)}
        kept = here.path.read_bytes()
        np.savez(here.path, **changed)
        assert here.load((6, 9, 8, 3)) is None
        assert "is not used" in here.problems[-1]
        here.path.write_bytes(kept)
    assert ours.load((6, 9, 8, 3)).update == 25


def test_a_schedule_is_what_it_would_be_by_hand(dataset):
    """Steps between segments, and at the start; text of one form from every spelling."""
    chosen = run_settings(
        hidden=(9, 8), updates=30, evaluate_every=25, batch_size=3, schedule={"12": 0.02, "20": "0.1"}
    )
    assert chosen.schedule == "12: 0.02, 20: 0.1" == schedules.canonical("20: 0.1, 12: 2e-2")
    assert schedules.canonical(schedules.fields_of(chosen.schedule)) == chosen.schedule
    layers = initial_parameters((6, 9, 8, 3), "normalized", 0)
    scheduled, by_hand = (network("sgd", layers, (6, 9, 8, 3), chosen.learning_rate) for _ in range(2))
    Training(chosen, dataset, scheduled).run()
    for start, stop, rate in ((0, 12, chosen.learning_rate), (12, 20, 0.02), (20, 30, 0.1)):
        by_hand.learning_rate = rate
        by_hand.train(dataset.train(chosen.seed, 3 * start, 3 * (stop - start)))
    assert bits_of(scheduled.parameters) == bits_of(by_hand.parameters)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("constnat", "expected constant, or steps such as {0: 5e-4, 100_000: 2e-4}"),
        ({}, "expected constant, or steps"),
        ({"1.5": 0.1}, 'expected a number of updates from 0 to 1000000000000, found "1.5"'),
        ({"10": 0}, "expected a learning rate above 0 and up to 1e+06, found 0"),
        ({"10": True}, "expected a learning rate above 0"),
        ({"1_0": 1, "10": 2}, "expected each update once"),
    ],
)
def test_schedules_that_are_refused(value, message):
    with pytest.raises(ValueError, match="expected") as caught:
        schedules.canonical(value)
    assert message in str(caught.value)


SWEEP = """\
name: moves
base: {dataset: shapeset, activation: tanh, width: 8, depth: 2, learning_rate: 0.01, updates: 20, valid_examples: 50,
       test_examples: 50}
grid:
  optimizer: [sgd, {momentum: {momentum: 0.5}}, adam]
"""


@pytest.mark.slow
def test_a_sweep_of_optimizers(tmp_path, glorot):
    (tmp_path / "moves.yaml").write_text(SWEEP)
    assert glorot("run", "moves.yaml", "--device", "cpu").returncode == 0
    table = glorot("report", "moves").stdout
    assert "Tanh, momentum 0.5" in table
    assert "Tanh, Adam" in table
    with open(tmp_path / "results" / "moves" / "runs.csv") as file:
        assert len({row["test_loss"] for row in csv.DictReader(file)}) == 3
    stepped = "schedule={5: 0.02, 1_0: 0.05}"
    assert glorot("run", "moves.yaml", "--set", stepped, "--only", "optimizer=sgd", "-o", "other").returncode == 0
    assert "Schedule: 5: 0.02, 10: 0.05" in glorot("report", "other/moves-trial").stdout
    refused = glorot("run", "moves.yaml", "--set", "schedule={0: 0.02}")
    assert refused.returncode == 2
    assert "--set schedule={0: 0.02}: base.schedule: expected the rate from update 0 on to be learning_rate, 0.01" in (
        refused.stderr
    )
    wrong = glorot("run", "moves.yaml", "--set", "optimizer={adam: {beta1: 1}}")
    assert wrong.returncode == 2


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda")
def test_what_is_not_on_a_gpu_yet(tmp_path, glorot):
    (tmp_path / "moves.yaml").write_text(SWEEP)
    refused = glorot("run", "moves.yaml", "--device", "cuda", NUMBA_ENABLE_CUDASIM="1")
    assert refused.returncode == 2
    assert refused.stderr.count("not on a GPU yet, only sgd is; use --device cpu") == 2
    assert not (tmp_path / "results").exists()
