"""Tiles that fit other processors' registers: which are chosen, and that all give the same bits."""

import importlib.util

import numba
import numpy as np
import pytest

from glorot.compiled import cache
from glorot.kernels import products
from glorot.kernels.layout import aligned, padded


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        ("x86_64-unknown-linux-gnu", "+avx2,+avx512f,+fma", (32, 16)),
        ("x86_64-unknown-linux-gnu", "+avx2,-avx512f,+fma", (16, 8)),
        ("x86_64-pc-windows-msvc", "+avx2,+fma", (16, 8)),
        ("aarch64-unknown-linux-gnu", "+neon,+fp-armv8", (32, 4)),
        ("aarch64-unknown-linux-gnu", "", (32, 4)),  # as under emulation
        ("arm64-apple-darwin24.0.0", "+neon", (32, 4)),
    ],
)
def test_registers_of_the_processor_compiled_for(triple, features, expected):
    assert cache.registers_of(triple, features) == expected
    assert expected in products.TILES


def test_the_tiles_are_those_of_the_registers(monkeypatch):
    for registers, tiles in products.TILES.items():
        made = products_for(registers, monkeypatch)
        assert tiles == (
            made.PANEL, made.ROWS, made.EXAMPLES, made.REST_EXAMPLES, made.PART, made.UPDATE_ROWS, made.UPDATE_COLUMNS,
            made.FIRST_ROWS, made.FIRST_COLUMNS, made.SPREAD, made.HELD, made.HELD_ROWS, made.HELD_BLOCK,
        )  # fmt: skip


def test_sums_fit_the_registers():
    """A vector of 16 floats takes several registers."""
    for (count, floats), tile in products.TILES.items():
        sums = 16 * tile.rows * max(tile.examples, tile.rest_examples)
        updates, firsts = 2 * tile.update_rows * tile.update_columns, tile.first_rows * tile.first_columns
        assert max(sums, updates, firsts) // floats < count


def products_for(registers, monkeypatch):
    """products.py as it is on a processor with such registers."""
    spec = importlib.util.find_spec("glorot.kernels.products")
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "registers", lambda: registers)
        spec.loader.exec_module(module)
    return module


def results(dots, update_columns, update_first_columns):
    """Of layers whose rows, columns and examples leave all kinds of rests, as bytes."""
    random, found = np.random.default_rng(0), {}

    def array(*shape):
        one = aligned(int(np.prod(shape))).reshape(shape)
        one[:] = random.normal(size=shape)
        return one

    for fan_in, fan_out, examples in [
        (33, 61, 11),
        (70, 57, 10),
        (600, 300, 10),
        (600, 300, 18),
        (20, 9, 1),
        (15, 3, 40),
    ]:
        W, a = array(fan_out, padded(fan_in + 1)), array(examples, padded(fan_in + 1))
        z, delta, below = array(examples, padded(fan_out)), array(examples, padded(fan_out)), np.empty_like(a)
        dots(W, a, z, 0, fan_out)
        update_columns(W, 0, W.shape[1], a, delta, below, np.float32(0.1))
        hidden = W.tobytes()
        update_first_columns(W, 0, W.shape[1], a, delta, np.float32(0.1))
        found[fan_in, fan_out, examples] = [z[:, :fan_out].tobytes(), below.tobytes(), hidden, W.tobytes()]
    return found


@pytest.mark.parametrize(
    "registers", [(32, 4), *(pytest.param(one, marks=pytest.mark.slow) for one in products.TILES if one != (32, 4))]
)
def test_all_tiles_give_the_same_bits(registers, monkeypatch):
    """Those of other processors on this one, which spills what does not fit its registers."""

    def compiled(module):
        names = (module.dots, module.update_columns, module.update_first_columns)
        return results(*(numba.njit(error_model="numpy")(one) for one in names))

    assert compiled(products_for(registers, monkeypatch)) == compiled(products)
