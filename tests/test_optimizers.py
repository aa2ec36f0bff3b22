"""Optimizers: kernels against the oracle and PyTorch, their memory in saved states, and in sweeps."""

import contextlib
import csv

import naive
import numpy as np
import pytest
from test_kernels import bits_of, part, random_examples, random_layers
from test_training import dataset  # noqa: F401
from test_training import settings as run_settings

from glorot import kernels
from glorot.datasets.shapeset import Shapeset
from glorot.models.network import initial_parameters
from glorot.models.optimizers import OPTIMIZERS, power
from glorot.registry import parsed
from glorot.training import loop
from glorot.training.checkpoint import Checkpoints
from glorot.training.loop import Training

MOMENTUM, NESTEROV = "momentum(momentum=0.8, nesterov=false)", "momentum(momentum=0.9, nesterov=true)"
ADAM = "adam(beta1=0.9, beta2=0.99, epsilon=0.001)"
SIZES = (7, 21, 18, 3)  # rows and columns left over by every tile


def network(optimizer, layers, sizes=SIZES, rate=0.05, batch_size=3, threads=1):
    made = kernels.create("cpu", sizes, "tanh", "cross_entropy", batch_size, rate, threads, optimizer=optimizer)
    made.parameters = layers
    return made


@pytest.mark.parametrize("optimizer", [MOMENTUM, NESTEROV, ADAM])
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


TORCH = {
    "momentum(momentum=0.9, nesterov=false)": (0.01, "SGD", {"momentum": 0.9}),
    NESTEROV: (0.01, "SGD", {"momentum": 0.9, "nesterov": True}),
    "adam(beta1=0.9, beta2=0.999, epsilon=1e-08)": (0.001, "Adam", {}),
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


def under_way(dataset, folder, optimizer, stop=None):  # noqa: F811
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


@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM])
def test_interrupted_and_resumed_to_the_same_bits(dataset, tmp_path, monkeypatch, optimizer):  # noqa: F811
    monkeypatch.setattr(loop, "SEGMENT_BYTES", 18 * 3)
    wanted, _ = under_way(dataset, tmp_path / "whole", optimizer)
    for stop in (3, 31):
        under_way(dataset, tmp_path / "parts", optimizer, stop)
    found, checkpoints = under_way(dataset, tmp_path / "parts", optimizer)
    assert (found, checkpoints.problems) == (wanted, [])


def test_a_state_of_another_optimizer_is_passed_over(dataset, tmp_path):  # noqa: F811
    *_, ours = under_way(dataset, tmp_path, MOMENTUM, 25)
    *_, others = under_way(dataset, tmp_path, ADAM, 25)
    for there, here in ((others, ours), (ours, others)):
        with np.load(there.path) as arrays:
            changed = dict(arrays) | {"run": np.array(here._trajectory)}
        kept = here.path.read_bytes()
        np.savez(here.path, **changed)
        assert here.load((6, 9, 8, 3)) is None
        assert "passed over" in here.problems[-1]
        here.path.write_bytes(kept)
    assert ours.load((6, 9, 8, 3)).update == 25


SWEEP = """\
name: moves
base: {dataset: shapeset, activation: tanh, width: 8, depth: 2, learning_rate: 0.01, updates: 20, valid_examples: 50,
       test_examples: 50}
grid:
  optimizer: [sgd, {momentum: {momentum: 0.5}}, adam]
"""


def test_a_sweep_of_optimizers(tmp_path, glorot):
    (tmp_path / "moves.yaml").write_text(SWEEP)
    assert glorot("run", "moves.yaml", "--device", "cpu").returncode == 0
    table = glorot("report", "moves").stdout
    assert "Tanh, momentum 0.5" in table
    assert "Tanh, Adam" in table
    with open(tmp_path / "results" / "moves" / "runs.csv") as file:
        assert len({row["test_loss"] for row in csv.DictReader(file)}) == 3
    refused = glorot("run", "moves.yaml", "--set", "width=9", "--only", "optimizer=sgd", "-n", "--device", "cpu")
    assert refused.returncode == 0
    wrong = glorot("run", "moves.yaml", "--set", "optimizer={adam: {beta1: 1}}")
    assert wrong.returncode == 2


def test_what_is_not_on_a_gpu_yet(tmp_path, glorot):
    (tmp_path / "moves.yaml").write_text(SWEEP)
    refused = glorot("run", "moves.yaml", "--device", "cuda", NUMBA_ENABLE_CUDASIM="1")
    assert refused.returncode == 2
    assert refused.stderr.count("not on a GPU yet, only sgd is; use --device cpu") == 2
    assert not (tmp_path / "results").exists()
