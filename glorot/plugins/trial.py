"""Tries a plug-in before anything is run with it: formulas are what they say they are, on a grid of numbers.

An activation: float32 in and out, finite, NaN stays NaN, its slope is its derivative, and Numba compiles it. A loss:
likewise, delta against value. An initializer: float32 of the right shape, the same for the same generator.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from glorot.errors import PluginError
from glorot.models.activations import Activation
from glorot.models.initializers import Scheme
from glorot.models.losses import Loss
from glorot.plugins.loading import KINDS, Plugin, loaded, where
from glorot.registry import parsed

F = np.float32
GRID = np.linspace(-10, 10, 401, dtype=F) + F(0.003)  # beside the whole numbers, where formulas often have corners
STEP = F(2**-9)  # of a numerical derivative: exact in float32, and small beside what formulas bend
TOLERANCE = 1e-2  # of a derivative, relative to numbers above 1
SHAPES = ((7, 5), (4, 9), (1, 1))  # (fan_out, fan_in)


def try_out(plugin: Plugin) -> None:
    """Everything that a plug-in has, with its default parameters. Raises PluginError, which names file and line."""
    for kind, names in plugin.added.items():
        registry, _ = KINDS[kind]
        for name in names:
            _try(plugin, kind, name, registry[registry.canonical(name)])


def try_choices(choices: Iterable[tuple[str, str]]) -> None:
    """Choices that runs make, (kind of the registry, canonical text): those whose plug-in is there, with their
    parameters. Raises PluginError, also where a plug-in is not there."""
    registries = {registry.kind: (kind, registry) for kind, (registry, _) in KINDS.items()}
    for kind, text in dict.fromkeys(choices):
        if kind not in registries:
            continue
        key, registry = registries[kind]
        if not registry.is_there(text):
            origin = registry.origin(text)
            file = origin.file if origin else "a plug-in"
            raise PluginError(f"{kind} {text} is from {file}, which is not loaded, or has changed; add --plugin {file}")
        origin = registry.origin(text)
        plugin = next((one for one in loaded() if origin and one.source.name == origin.file), None)
        if plugin and parsed(text)[1]:
            _try(plugin, key, parsed(text)[0], registry[text])


def _try(plugin: Plugin, kind: str, name: str, entry: Any) -> None:
    place = f"{plugin.file}:{plugin.line(kind, name)}"
    what = f"{KINDS[kind][0].kind} {name}"
    try:
        with np.errstate(all="ignore"):
            if isinstance(entry, Activation):
                _activation(entry, plugin.file, what)
            elif isinstance(entry, Loss):
                _loss(entry, plugin.file, what)
            elif isinstance(entry, Scheme):
                _initializer(entry, place, what)
    except PluginError:
        raise
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        line = where(error, plugin.file)
        raise PluginError(
            f"{line if not line.endswith(':1') else place}: {what}: {type(error).__name__}: {first}"
        ) from None


def _at(function: Callable, file: Path) -> str:
    """ "my_units.py:12: swish_slope"."""
    return f"{file}:{function.__code__.co_firstlineno}: {function.__code__.co_name}"


def _check_function(function: Any, arguments: int, file: Path, what: str, role: str) -> None:
    """It is a function in Python of so many numbers."""
    code = getattr(function, "__code__", None)
    if code is None:
        raise PluginError(f"{file}:1: {what}: expected a function for {role}, found {type(function).__name__}")
    free = code.co_argcount - len(function.__defaults__ or ())
    if not free <= arguments <= code.co_argcount:
        raise PluginError(f"{_at(function, file)}: {what}: expected a function of {arguments}, found one of {free}")


def _number(function: Callable, file: Path, what: str, *arguments: Any) -> np.float32:
    """The function's value at these numbers: one finite float32."""
    value = function(*arguments)
    given = ", ".join(f"{float(one):.6g}" for one in arguments)
    if type(value) is not np.float32:
        raise PluginError(
            f"{_at(function, file)}: {what}: expected one float32 at {given}, found {type(value).__name__}; use "
            "constants such as ONE, or F(1.5), of glorot.compiled.elementary"
        )
    if not np.isfinite(value):
        raise PluginError(f"{_at(function, file)}: {what}: expected a finite number at {given}, found {value}")
    return value


def _activation(f: Activation, file: Path, what: str) -> None:
    for function, role in ((f.value, "value"), (f.slope, "slope")):
        _check_function(function, 1, file, what, role)
    for z in GRID:
        below, here, above = (_number(f.value, file, what, one) for one in (z - STEP, z, z + STEP))
        slope = float(_number(f.slope, file, what, z if f.keeps_z else here))
        _check_slope(slope, (here - below) / STEP, (above - here) / STEP, f"{_at(f.slope, file)}: {what}", f"z = {z:g}")
    if not np.isnan(f.value(F(np.nan))):
        raise PluginError(
            f"{_at(f.value, file)}: {what}: expected NaN to stay NaN, found {f.value(F(np.nan))}, by which a network "
            "that diverges would not be noticed; write comparisons so that NaN fails them: ZERO if z < ZERO else z"
        )
    for function in (f.value, f.slope):
        _compile(function, 1, file, what)


def _check_slope(slope: float, left: Any, right: Any, place: str, point: str) -> None:
    """Between the differences to the left and to the right: at a corner any slope between them will do."""
    low, high = sorted((float(left), float(right)))
    room = TOLERANCE * max(1.0, abs(low), abs(high))
    if not low - room <= slope <= high + room:
        raise PluginError(
            f"{place}: expected the derivative, about {(low + high) / 2:.4g} at {point}, found {slope:.4g}"
        )


def _loss(cost: Loss, file: Path, what: str) -> None:
    for function, count, role in (
        (cost.normalizer, 1, "normalizer"),
        (cost.value, 3, "value"),
        (cost.delta, 3, "delta"),
        (cost.curvature, 3, "curvature"),
    ):
        _check_function(function, count, file, what, role)
    generator = np.random.default_rng(0)

    def total(logits: np.ndarray, label: int) -> float:
        shared = cost.normalizer(logits)
        return sum(float(_number(cost.value, file, what, z, shared, F(k == label))) for k, z in enumerate(logits))

    for logits in generator.normal(0, 2, (20, 3)).astype(F):
        for k in range(3):
            step = np.zeros(3, F)
            step[k] = STEP
            below, here, above = (total(one, 1) for one in (logits - step, logits, logits + step))
            delta = float(_number(cost.delta, file, what, logits[k], cost.normalizer(logits), F(k == 1)))
            if _number(cost.curvature, file, what, logits[k], cost.normalizer(logits), F(k == 1)) < 0:
                raise PluginError(f"{_at(cost.curvature, file)}: {what}: expected no number below 0, found one")
            left, right = (here - below) / STEP, (above - here) / STEP
            _check_slope(delta, left, right, f"{_at(cost.delta, file)}: {what}", f"logits {logits.round(3)}, unit {k}")
    for function in (cost.value, cost.delta, cost.curvature):
        _compile(function, 3, file, what)


def _initializer(scheme: Scheme, place: str, what: str) -> None:
    for fan_out, fan_in in SHAPES:
        first, second = (scheme.sample(fan_in, fan_out, np.random.default_rng(3)) for _ in range(2))
        if not isinstance(first, np.ndarray) or first.shape != (fan_out, fan_in) or first.dtype != F:
            found = f"{first.dtype} {first.shape}" if isinstance(first, np.ndarray) else type(first).__name__
            raise PluginError(f"{place}: {what}: expected float32 ({fan_out}, {fan_in}), found {found}")
        if not np.isfinite(first).all():
            raise PluginError(f"{place}: {what}: expected finite weights, found others")
        if first.tobytes() != second.tobytes():
            raise PluginError(
                f"{place}: {what}: expected the same weights from the same generator, found others; draw from the "
                "generator that is given, and from nothing else"
            )


def _compile(function: Callable, arguments: int, file: Path, what: str) -> None:
    """It can be compiled, and gives a float32."""
    import numba

    import glorot.kernels.simd  # noqa: F401  # its primitives are for compiled code

    scalar = numba.njit(function)
    wrapper = {1: lambda x: scalar(x), 3: lambda x, y, z: scalar(x, y, z)}[arguments]
    dispatcher = numba.njit(wrapper)
    try:
        dispatcher.compile((numba.float32,) * arguments)
    except Exception as error:  # Numba's own, and what it meets when it evaluates constants
        raise PluginError(f"{_at(function, file)}: {what}: it cannot be compiled: {_why(str(error))}") from None
    found = dispatcher.nopython_signatures[0].return_type
    if found != numba.float32:
        raise PluginError(
            f"{_at(function, file)}: {what}: expected float32 from the compiled function, found {found}; use constants "
            "such as ONE, or F(1.5), of glorot.compiled.elementary"
        )


def _why(text: str) -> str:
    """Numba's reason, without its frame and colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [
        line for line in lines if line and not line.startswith(("Failed in nopython", "File ", "During:", "<source"))
    ]
    return " ".join(lines)[:300]
