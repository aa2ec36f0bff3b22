"""What depends on a network's activation, loss and optimizer: loops over many numbers with a formula of each in them.

They are compiled for each formula, in place of the names that are `_own` below, and called by their address
(``compiled/calls.py``): `Own` has the addresses for one network. So all other kernels are compiled once.

Activations and deltas below LEAST become 0, so that the product of two of them is 0 or a normal number of float32.
Subnormal numbers cost a processor a hundred times as much, and saturated units have many of them (docs/performance.md).
What is lost is a part of 1e-10 of a weight's last bit, or less; but a sum may be rounded differently.
Probes see the numbers as they are.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.core.typing.templates import Signature

from glorot.compiled.cache import IN_CALLERS, jit_apart
from glorot.compiled.calls import Apart, calling
from glorot.compiled.elementary import ONE, ZERO, F
from glorot.compiled.names import bound, symbol
from glorot.kernels.moves import MOVE, MOVES, columns_mover
from glorot.kernels.products import products
from glorot.kernels.simd import MATRIX, ROW
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.models.optimizers import OPTIMIZERS

LEAST = F(2.0**-63)


def _own(*arguments):
    raise NotImplementedError("each network has its own")


value = slope = loss_normalizer = loss_value = loss_delta = _own


def activate(z, start, stop, least):
    """a = f(z) in place, columns start..stop-1. z: (examples, units). least: see `activate_from`."""
    for e in range(len(z)):
        row = z[e, start:stop]
        for i in range(len(row)):
            row[i] = value(row[i])


def activate_from(z, start, stop, least):
    """As activate, of an activation that vanishes: 0 if |a| < least."""
    for e in range(len(z)):
        row = z[e, start:stop]
        for i in range(len(row)):
            a = value(row[i])
            row[i] = ZERO if abs(a) < least else a  # NaN stays NaN; so below


def times_slope(delta, a, start, stop, least):
    """delta *= f'(z), which slope gives from a = f(z) or from z, columns start..stop-1; 0 if |delta| < least.

    delta, a: (examples, units)."""
    for e in range(len(a)):
        row, a_row = delta[e, start:stop], a[e, start:stop]
        for i in range(len(row)):
            d = row[i] * slope(a_row[i])
            row[i] = ZERO if abs(d) < least else d


def losses_and_deltas(logits, classes, labels, deltas, losses, least):
    """Each example's loss, and dC/dlogits, 0 if it is smaller than least. logits, deltas: (examples, >= classes).
    labels, losses: (examples,)."""
    for e in range(len(labels)):
        shared = loss_normalizer(logits[e, :classes])
        total = ZERO
        for k in range(classes):
            target = ONE if k == labels[e] else ZERO
            total += loss_value(logits[e, k], shared, target)
            d = loss_delta(logits[e, k], shared, target)
            deltas[e, k] = ZERO if abs(d) < least else d
        losses[e] = total


class Own(NamedTuple):
    """What the kernels of one network call: addresses. keeps_z: whether slope takes z. least: LEAST, in probes 0."""

    dots: int
    update_columns: int
    update_first_columns: int
    activate: int
    times_slope: int
    losses_and_deltas: int
    keeps_z: bool
    move: int = 0
    move_columns: int = 0
    least: np.float32 = LEAST


LABELS = types.Array(types.uint8, 1, "C", readonly=True)
ACTIVATE = types.void(MATRIX, types.intp, types.intp, types.float32)
TIMES_SLOPE = types.void(MATRIX, MATRIX, types.intp, types.intp, types.float32)
LOSSES_AND_DELTAS = types.void(MATRIX, types.intp, LABELS, MATRIX, ROW, types.float32)
call_activate, call_times_slope, call_losses_and_deltas = map(calling, (ACTIVATE, TIMES_SLOPE, LOSSES_AND_DELTAS))


# Compiled for a network. -------------------------------------------------------------------------------------


def with_formulas(function: Callable, signature: Signature, name: str, formulas: dict[str, Callable]) -> Apart:
    """The function with these in it, under a name of its own.

    They are inlined whatever their size: a loop with a call in it makes no vectors, and GELU would take ten times as
    long.
    """
    own = {key: numba.njit(forceinline=True, **IN_CALLERS)(formula) for key, formula in formulas.items()}
    return Apart(jit_apart(bound(function, symbol(f"{function.__name__} {name}"), own)), signature)


def vanishes(value: Callable) -> bool:
    """Whether an activation comes near to 0 without being it where z is large, as the sigmoid does: others, such as
    tanh, are spared the comparisons. A user's own formula that Python cannot compute so far out may do so."""
    try:
        with np.errstate(all="ignore"):
            return any(0 < abs(value(F(z))) < LEAST for size in range(4, 101, 4) for z in (-size, size))
    except ArithmeticError:
        return True


@cache
def of_activation(activation: str) -> dict[str, Apart]:
    """What depends on it, by the names in Own; so the next ones. activation: a key of the registry."""
    f = ACTIVATIONS[activation]
    loop = activate_from if vanishes(f.value) else activate
    return {
        "activate": with_formulas(loop, ACTIVATE, activation, {"value": f.value}),
        "times_slope": with_formulas(times_slope, TIMES_SLOPE, activation, {"slope": f.slope}),
    }


@cache
def of_loss(loss: str) -> dict[str, Apart]:
    one = LOSSES[loss]
    formulas = {"loss_normalizer": one.normalizer, "loss_value": one.value, "loss_delta": one.delta}
    return {"losses_and_deltas": with_formulas(losses_and_deltas, LOSSES_AND_DELTAS, loss, formulas)}


@cache
def of_optimizer(optimizer: str) -> dict[str, Apart]:
    """Nothing for plain SGD."""
    chosen = OPTIMIZERS[optimizer]
    if not chosen.step:
        return {}
    move = with_formulas(MOVES[len(chosen.keeps)], MOVE, optimizer, {"optimizer_step": chosen.step})
    return {"move": move, "move_columns": columns_mover()}


def parts_of(activation: str, loss: str, optimizer: str = "sgd") -> dict[str, Apart]:
    """All that the kernels of such networks call."""
    return products() | of_activation(activation) | of_loss(loss) | of_optimizer(optimizer)


@cache
def own_of(activation: str, loss: str, optimizer: str = "sgd") -> Own:
    """Compiled, or loaded from the cache."""
    addresses: dict[str, Any] = {name: part.address for name, part in parts_of(activation, loss, optimizer).items()}
    return Own(**addresses, keeps_z=ACTIVATIONS[activation].keeps_z)
