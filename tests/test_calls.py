"""Compiled functions that are called by their address."""

import numba
import numpy as np
import pytest
from numba.core import types

from glorot.compiled.cache import jit_apart
from glorot.compiled.calls import Apart, calling

SIGNATURE = types.float32(types.float32[:, ::1], types.intp, types.float32)
call = calling(SIGNATURE)


def scaled(matrix, row, by):
    """The sum of a row, times a number; the room is to be given back where there is a mistake."""
    room = np.empty(len(matrix), np.float32)
    if row >= len(matrix):
        raise ValueError("no such row")
    for i in range(matrix.shape[1]):
        room[row] = matrix[row, i] if i == 0 else room[row] + matrix[row, i]
    return room[row] * by


def negated(matrix, row, by):
    return -scaled_by_name(matrix, row, by)


scaled_by_name = numba.njit(scaled)


@numba.njit
def caller(address, matrix, row):
    return call(address, matrix, row, 2)


def test_one_caller_calls_whatever_stands_at_an_address():
    """Also with arguments of other types than the function takes, which become those."""
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    addresses = [Apart(jit_apart(function), SIGNATURE).address for function in (scaled, negated)]
    assert [caller(address, matrix, 1) for address in addresses] == [24, -24]
    assert len(caller.signatures) == 1


def test_what_is_raised_behind_an_address_arrives():
    with pytest.raises(ValueError, match="no such row"):
        caller(Apart(jit_apart(scaled), SIGNATURE).address, np.zeros((2, 3), np.float32), 2)


def test_an_address_stays():
    part = Apart(jit_apart(scaled), SIGNATURE)
    assert part.address == part.address != 0
