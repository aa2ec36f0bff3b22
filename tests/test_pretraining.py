"""Denoising autoencoders: kernels against numerical gradients, noise, phases of a run, what is stored and refused."""

import contextlib
import csv
import importlib.util
import itertools
from pathlib import Path

import naive
import numpy as np
import pytest
from test_kernels import bits, bits_of, part, random_examples, random_layers

from glorot.compiled.cache import jit
from glorot.errors import SweepError
from glorot.kernels.cpu import CpuKernels
from glorot.kernels.denoising import WHOLE, Denoising, keeps
from glorot.randomness import generator
from glorot.sweeps import config
from glorot.sweeps.settings import Settings
from glorot.training import loop
from glorot.training.cell import run_cell

SIZES = (9, 21, 18, 3)  # rows and columns left over by every tile


def corrupted(t, l, first, corruption, seed=5):
    """x of the clean t, (n, units), whose first example is number `first` of layer l's."""
    key = generator(seed, "noise", l).integers(0, 2**64, dtype=np.uint64, endpoint=False)
    places = (first + np.arange(len(t)))[:, None] * t.shape[1] + np.arange(t.shape[1])
    stay = [[naive.splitmix(key, place) >> 40 >= round(corruption * 2**24) for place in row] for row in places]
    return np.where(stay, t, 0)


@pytest.mark.parametrize(
    ("activation", "decoder", "l"),
    [("sigmoid", "unit", 0), ("sigmoid", "unit", 1), ("tanh", "symmetric", 1), ("softplus", "linear", 1)],
)
def test_an_update_follows_the_numerical_gradient(activation, decoder, l):
    """Of costs alone, on the same corrupted inputs; the other layers stay, and the threads do not matter."""
    layers, examples, rate = random_layers(SIZES), random_examples(4, SIZES[0], 3), 0.01
    made = []
    for threads in (1, 2):
        network = CpuKernels(SIZES, activation, "cross_entropy", 4, 0.1, threads)
        network.parameters = layers
        one = Denoising(network, l, decoder, 0.3, rate, 5)
        one.bias = c = np.linspace(-0.5, 0.5, SIZES[l]).astype(np.float32)
        made.append((one.train(examples, 40), network.parameters, one.bias))
    assert bits(made[0][0], made[0][2]) + bits_of(made[0][1]) == bits(made[1][0], made[1][2]) + bits_of(made[1][1])
    costs, after, bias = made[0]
    t = naive.forward(layers, examples.pixels, activation)[1][l]
    x = corrupted(t, l, 40, 0.3)
    assert 0.1 < (x == 0).mean() < 0.6
    W, b = layers[l]
    assert costs == pytest.approx([naive.denoising_cost(W, b, c, t, x, activation, decoder)], rel=1e-5)
    wanted = naive.numerical_denoising_gradients(W, b, c, t, x, activation, decoder)
    for gradient, old, new in zip(wanted, (W, b, c), (*after[l], bias), strict=True):
        assert np.abs(gradient).max() > 0.01
        np.testing.assert_allclose((np.float64(old) - new) / rate, gradient, rtol=0, atol=1e-4 * np.abs(gradient).max())
    assert bits_of([*after[:l], *after[l + 1 :]]) == bits_of([*layers[:l], *layers[l + 1 :]])


def test_segments_do_not_matter():
    layers, examples, found = random_layers(SIZES), random_examples(12, SIZES[0], 3), []
    for cuts in ([0, 12], [0, 4, 12]):
        network = CpuKernels(SIZES, "sigmoid", "cross_entropy", 2, 0.1)
        network.parameters = layers
        one = Denoising(network, 1, "unit", 0.3, 0.1, 5)
        for start, stop in itertools.pairwise(cuts):
            one.train(part(examples, start, stop), start)
        found.append(bits_of(network.parameters) + bits(one.bias))
    assert found[0] == found[1]


@pytest.mark.parametrize("corruption", [0.0, 0.25, 0.7])
def test_the_share_of_numbers_that_are_dropped(corruption):
    """And neighbours are as if independent."""
    compiled = jit(keeps)
    stay = np.array([compiled(np.uint64(77), place, round(corruption * WHOLE)) for place in range(40_000)])
    assert abs((~stay).mean() - corruption) < 4 * np.sqrt(corruption * (1 - corruption) / 40_000) + 1e-12
    both = (~stay[1:] & ~stay[:-1]).mean()
    assert abs(both - corruption**2) < 0.02


# Runs. ------------------------------------------------------------------------------------------------------


class Interrupt(Exception):
    pass


def cell(folder, stop=None, updates=20):
    """A small pre-trained run, interrupted once so many updates of all phases are made."""

    def on_progress(update, row):
        if stop is not None and update >= stop:
            raise Interrupt

    settings = Settings(
        dataset="shapeset", activation="tanh", hidden=(7, 6), learning_rate=0.05, updates=updates, evaluate_every=8,
        valid_examples=50, test_examples=50,
        pretraining={"denoising": {"corruption": [0.1, 0.3], "updates": 12, "learning_rate": 0.01}},
    )  # fmt: skip
    assert settings.all_updates == 24 + updates
    return run_cell(settings, "cpu", 2, Path("."), folder, on_progress=on_progress)


def test_each_phase_is_resumed_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SEGMENT_BYTES", 10 * 1024 * 3)  # three updates
    whole = cell(tmp_path / "whole")
    for stop in (3, 10, 12, 15, 24, 40):
        with contextlib.suppress(Interrupt):
            cell(tmp_path / "parts", stop)
    found = cell(tmp_path / "parts")
    assert repr((found.result, found.history, found.pretraining)) == repr(
        (whole.result, whole.history, whole.pretraining)
    )
    assert [(row["layer"], row["update"]) for row in whole.pretraining] == [(1, 8), (1, 12), (2, 8), (2, 12)]
    assert [row["update"] for row in whole.history] == [0, 8, 16, 20]
    longer = cell(tmp_path / "parts", updates=30)  # goes on from the end of the shorter one
    assert repr(longer.history[:3]) == repr(whole.history[:3])
    assert repr(longer.history) == repr(cell(tmp_path / "another", updates=30).history)


SWEEP = """\
name: before
base: {dataset: shapeset, activation: tanh, width: 8, depth: 2, learning_rate: 0.01, updates: 20, valid_examples: 50,
       test_examples: 50}
grid:
  pretraining: {without: {pretraining: none}, with: {pretraining: {denoising: {updates: 40, corruption: [0, 0.5]}}}}
"""


def test_a_sweep_with_and_without(tmp_path, glorot):
    (tmp_path / "before.yaml").write_text(SWEEP)
    assert glorot("run", "before.yaml").returncode == 0
    results = tmp_path / "results" / "before"
    with open(results / "runs.csv") as file:
        without, pretrained = csv.DictReader(file)
    assert without["test_loss"] != pretrained["test_loss"]
    (costs,) = (results / "pretraining").iterdir()
    assert costs.stem == pretrained["run_id"]
    assert costs.read_text().splitlines()[0] == "layer,update,cost"
    assert len(costs.read_text().splitlines()) == 3
    assert "Tanh, pre-trained" in glorot("report", "before").stdout
    refused = glorot("run", "before.yaml", "--device", "cuda", NUMBA_ENABLE_CUDASIM="1")
    why = "pretraining: not on a GPU yet" if importlib.util.find_spec("numba_cuda") else "the package numba-cuda"
    assert (refused.returncode, why in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pretraining": {"denoising": {"corruption": 1}}}, "corruption: expected a number from 0 to 0.99, found 1"),
        ({"pretraining": {"denoising": {"tied": False}}}, "tied: expected true, the only choice so far; found false"),
        ({"pretraining": {"denoising": {"corruption": [0.1]}}}, "a corruption of each of the 2 hidden layers, found 1"),
        ({"activation": "softsign"}, "cross_entropy takes activation sigmoid or tanh, found softsign"),
        ({"inputs": "standardized"}, "cross_entropy takes inputs unit or symmetric, found standardized"),
        ({"hidden": ()}, "expected a network with hidden layers, found none"),
        ({"train_examples": 9}, "expected as many train_examples as a minibatch has, 10, found 9"),
    ],
)
def test_what_is_refused(fields, message):
    given = {"dataset": "shapeset", "activation": "tanh", "hidden": (7, 6), "learning_rate": 0.1, "updates": 9}
    given["pretraining"] = {"denoising": None}
    with pytest.raises(ValueError, match=r"pretraining|denoising") as caught:
        Settings(**{**given, **fields})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: {pretraining: {denoising: {corruption: [0.1]}}, ", "s.yaml:2: base.pretraining: expected a corruption"),
        ("grid: {how: {A: {},\n  B: {pretraining: denoising, activation: softsign}}}\nbase: {",
         "s.yaml:3: grid.how.B: cross_entropy takes activation"),
        ("base: {schedule: {0: 0.5}, ", "s.yaml:2: base.schedule: expected the rate from update 0 on"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told_with_its_line(text, message):
    rest = "dataset: shapeset, activation: tanh, depth: 2, width: 8, learning_rate: 0.1, updates: 9}"
    with pytest.raises(SweepError) as caught:
        config.parse(f"name: s\n{text}{rest}", "s.yaml")
    assert str(caught.value).startswith(message)
