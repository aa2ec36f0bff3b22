"""Random networks and examples, and how close two results must be, for the tests of kernels."""

import itertools
from itertools import pairwise

import numpy as np
import pytest

from glorot import kernels
from glorot.datasets import Examples
from glorot.kernels import devices
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import OF_LINEAR_UNITS as LOSSES
from glorot.models.network import Layer

# A GPU joins where there is one. Where numba.cuda simulates it (tests/test_cuda.py starts such a process), it is alone,
# and only the tests that are marked `simulated` are run: every GPU thread is a Python thread there.
BACKENDS = (
    ["cuda"]
    if devices.simulated()
    else [
        "cpu",
        *([pytest.param("cuda", marks=pytest.mark.gpu)] if kernels.choose_device("auto").kind == "cuda" else []),
    ]
)


# Every activation, and every loss, at least once: a loss sees logits alone, so that the product would show no more.
FIRST, *_ = ACTIVATIONS


# On the simulator, which is slow: every loss, and a slope in terms of a and of z.
TRIED = ("sigmoid", "tanh", "relu", "gelu") if devices.simulated() else tuple(ACTIVATIONS)
PAIRS = list(dict.fromkeys([*zip(TRIED, itertools.cycle(LOSSES)), *((FIRST, loss) for loss in LOSSES)]))
# For what is compiled apart from training and evaluation: the others at night.
FEW = [pair if at < 4 else pytest.param(*pair, marks=pytest.mark.slow) for at, pair in enumerate(PAIRS)]


# float32 has 2**-24 = 6e-8 of relative rounding error. A sum of n products in 16 lanes is at most n/16 + 5 roundings
# deep, 255 for the widest layer here; they hardly ever agree in sign, so that after ten layers the error is some tens
# of roundings of the largest numbers that meet. A forgotten bias, term or example shows as 1e-3 and more.
TOLERANCE = 1e-5


def random_layers(sizes, seed=0, gain=1):
    """Layers with weights that keep the signal alive, and biases that matter."""
    generator = np.random.default_rng(seed)
    return [
        Layer(
            generator.normal(0, gain / np.sqrt(fan_in), (fan_out, fan_in)).astype(np.float32),
            generator.normal(0, 0.3, fan_out).astype(np.float32),
        )
        for fan_in, fan_out in pairwise(sizes)
    ]


def random_examples(n, n_inputs, n_classes, seed=0):
    generator = np.random.default_rng(seed)
    return Examples(
        generator.integers(0, 256, (n, n_inputs), dtype=np.uint8), generator.integers(0, n_classes, n, dtype=np.uint8)
    )


def part(examples, start, stop):
    return Examples(examples.pixels[start:stop], examples.labels[start:stop])


def bits(*arrays):
    """What the arrays are, bit for bit."""
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def bits_of(layers):
    return bits(*(array for layer in layers for array in layer))


def assert_close(found, wanted, scale=1.0, message=""):
    """Within TOLERANCE of the largest number there is, or of scale."""
    largest = max(scale, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * largest, err_msg=message)
