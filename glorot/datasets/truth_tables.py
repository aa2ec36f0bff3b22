"""Boolean functions of a few inputs: parity, and, or, xor, majority, multiplexer, or a table of one's own.

Row r of a table has input i in bit i of r, the first input being the lowest bit.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from glorot.errors import shown
from glorot.registry import Number, OneOf, Parameter, Text

MAX_BITS, DEFAULT_BITS = 20, 8
CHUNK = 4096  # rows that are computed at a time


def all_rows(bits: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Rows start .. stop-1 of the inputs, (n, bits) uint8 of 0 and 1."""
    numbers = np.arange(start, 2**bits if stop is None else stop, dtype=np.uint32)
    return ((numbers[:, None] >> np.arange(bits, dtype=np.uint32)) & 1).astype(np.uint8)


def parity(x: np.ndarray) -> np.ndarray:
    """Whether the number of ones is odd."""
    return x.sum(axis=1) % 2


def conjunction(x: np.ndarray) -> np.ndarray:
    return x.min(axis=1)


def disjunction(x: np.ndarray) -> np.ndarray:
    return x.max(axis=1)


def majority(x: np.ndarray) -> np.ndarray:
    """Whether more than half are ones."""
    return 2 * x.sum(axis=1, dtype=np.int64) > x.shape[1]


def multiplexer(x: np.ndarray) -> np.ndarray:
    """k inputs that say which of the 2^k others is the output."""
    k = MULTIPLEXERS[x.shape[1]]
    address = (x[:, :k].astype(np.int64) << np.arange(k)).sum(axis=1)
    return x[np.arange(len(x)), k + address]


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "parity": parity, "and": conjunction, "or": disjunction, "xor": parity, "majority": majority,
    "multiplexer": multiplexer,
}  # fmt: skip
MULTIPLEXERS = {k + 2**k: k for k in range(1, 5)}  # bits -> of these for the address


def values_of(function: str, bits: int, table: str = "") -> np.ndarray:
    """The value in each row, (2^bits,) uint8, of a table, or where that is empty of a function; some rows at a time."""
    if table:
        return np.array([int(value) for value in table], np.uint8)
    values = np.empty(2**bits, np.uint8)
    for start in range(0, len(values), CHUNK):
        stop = min(start + CHUNK, len(values))
        values[start:stop] = FUNCTIONS[function](all_rows(bits, start, stop))
    return values


def title(function: str, bits: int, table: str) -> str:
    """ "parity of 8"; "the table 0110"."""
    return f"table {table if len(table) <= 16 else table[:13] + '...'}" if table else f"{function} of {bits}"


def chance(function: str, bits: int, table: str) -> float:
    """Error in percent of always answering the commoner class."""
    if table:
        ones = table.count("1") / len(table)
    elif function in ("and", "or"):
        ones = 2.0**-bits
    elif function == "majority":
        ones = sum(math.comb(bits, k) for k in range(bits // 2 + 1, bits + 1)) / 2**bits
    else:
        ones = 0.5
    return 100 * min(ones, 1 - ones)


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """A table alone, or a function with its bits. Raises ValueError."""
    table = given.get("table", "")
    if table:
        if len(given) > 1:
            raise ValueError("expected a table, or function and bits; found both: remove one of them")
        if len(table) & (len(table) - 1) or len(table) < 2:
            raise ValueError(
                "table: expected a digit for each row, so 2, 4, 8, ... of them (a power of two); found "
                f"{shown(table)} of {len(table)}"
            )
        return {"table": table}
    function, bits = given.get("function", "parity"), given.get("bits", DEFAULT_BITS)
    if function == "multiplexer" and bits not in MULTIPLEXERS:
        allowed = ", ".join(map(str, MULTIPLEXERS))
        raise ValueError(
            f"bits: expected {allowed} for a multiplexer (k inputs choose one of 2^k others), found {bits}"
        )
    return {"function": function, "bits": bits}


PARAMETERS: dict[str, Parameter] = {
    "function": OneOf("parity", tuple(FUNCTIONS)),
    "bits": Number(DEFAULT_BITS, 1, MAX_BITS, whole=True),
    "table": Text("", "[01]{0,65536}", 'text of 0 and 1, a digit for each row such as "0110"'),
}
