"""Descriptions of layers: shapes, fans, counts, and parameters before training."""

import numpy as np
import pytest

from glorot.models import lenet5
from glorot.models.initializers import DRAWN, INITIALIZERS, Initializer
from glorot.models.layers import Convolution, Dense, Pooling, Rbf, check_fit, full_table, initial_layer, trainable
from glorot.randomness import generator

# Trainable parameters and connections of LeNet-5's layers, from section II.B of the paper.
PAPER = [(156, 122_304), (12, 5_880), (1_516, 151_600), (32, 2_000), (48_120, 48_120), (10_164, 10_164), (0, 840)]


def test_lenet5_has_the_papers_parameters_and_connections():
    layers = lenet5.layers(10, rbf=True)
    check_fit(layers)
    assert [(trainable(one), one.connections) for one in layers] == PAPER
    assert sum(map(trainable, layers)) == 60_000
    assert sum(one.connections for one in layers) == 340_908
    shapes = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]
    assert [one.outputs for one in layers] == shapes
    softmax = lenet5.layers(10)
    assert softmax[:-1] == layers[:-1]
    assert trainable(softmax[-1]) == 850


def test_table_of_c3():
    """The first six maps take three neighbours, the next six four, the next three two pairs, the last all."""
    table = [set(row) for row in lenet5.TABLE]
    assert table[:6] == [{i % 6, (i + 1) % 6, (i + 2) % 6} for i in range(6)]
    assert table[6:12] == [{(i + j) % 6 for j in range(4)} for i in range(6)]
    assert table[12:] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, set(range(6))]
    assert {sum(i in row for row in table) for i in range(6)} == {10}  # each map of S2 goes to ten


def test_bitmaps_are_ten_different_digits():
    bitmaps = np.array(lenet5.BITMAPS)
    assert bitmaps.shape == (10, 7 * 12)
    assert set(bitmaps.ravel()) == {-1, 1}
    apart = (bitmaps[:, None] != bitmaps).sum(axis=2) + 84 * np.eye(10)
    assert apart.min() >= 8
    with pytest.raises(ValueError, match="at most 10 classes"):
        lenet5.layers(11, rbf=True)


def test_fans_are_counted_connections():
    """fan_in of a unit, and fan_out of an input in the middle of its map, from a list of all connections."""
    layer = Convolution((3, 9, 9), 5, ((0, 1), (1, 2), (0, 1, 2)))
    into = dict.fromkeys(range(3), 0)
    middle = dict.fromkeys(range(3), 0)
    for o, row in enumerate(layer.table):
        for i in row:
            for y in range(5):
                for x in range(5):
                    for u in range(5):
                        for v in range(5):
                            into[o] += (y, x) == (0, 0)
                            middle[i] += (y + u, x + v) == (4, 4)
    assert [row.fan_in for row in layer.rows()] == list(into.values())
    assert layer.rows()[0].fan_out == round(sum(middle.values()) / 3)
    single = Convolution((16, 5, 5), 5, full_table(16, 120))  # one position only: as a full layer
    assert {row[1:3] for row in single.rows()} == {(400, 120)} == {row[1:3] for row in Dense(400, 120).rows()}


LAYERS = [*lenet5.layers(10), Rbf(lenet5.BITMAPS)]


@pytest.mark.parametrize("name", [name for name in DRAWN if isinstance(INITIALIZERS[name], Initializer)])
def test_initial_weights_have_the_variance_of_their_fans(name):
    scheme = INITIALIZERS[name]
    for l, layer in enumerate(LAYERS):
        W, b = initial_layer(layer, scheme, generator(3, "weights", l))
        assert (W.shape, b.shape) == (layer.weights, layer.biases)
        assert W.dtype == b.dtype == np.float32
        assert not b.any()
        again = initial_layer(layer, scheme, generator(3, "weights", l))
        assert W.tobytes() == again.W.tobytes()
        place = 0
        for row in layer.rows():
            some, place = W.reshape(-1)[place : place + row.weights], place + row.weights
            std = np.sqrt(scheme.variance(row.fan_in, row.fan_out))
            if scheme.distribution == "uniform":
                assert abs(some).max() <= np.sqrt(3) * std * (1 + 1e-6)
            if row.weights >= 75 and scheme.distribution != "orthogonal":
                assert some.std() == pytest.approx(std, rel=0.3)
    if scheme.distribution == "orthogonal":  # a unit's inputs count, not its weights: each row has length 1
        c = initial_layer(Pooling((6, 28, 28)), scheme, generator(3, "weights")).W
        np.testing.assert_allclose(abs(c), 0.5)
        C3 = initial_layer(LAYERS[2], scheme, generator(3, "weights")).W
        np.testing.assert_allclose((C3[:3] ** 2).sum(), 1, rtol=1e-6)


def test_the_initializer_of_1998():
    W, _ = initial_layer(LAYERS[4], INITIALIZERS["lenet_uniform"], generator(0, "weights"))
    assert 0.999 * 2.4 / 400 < abs(W).max() <= np.float32(2.4 / 400)


def test_layers_that_do_not_fit():
    with pytest.raises(ValueError, match="inputs behind"):
        check_fit((Dense(4, 3), Dense(4, 2)))
