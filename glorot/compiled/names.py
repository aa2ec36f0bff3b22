"""Functions under names of their own: a kernel with one network's formulas in it, a formula with its parameters fixed.

Never two of one name: Numba's cache keeps each kernel as an object file, with what it calls in it, and the linker takes
functions of equal names for the same one.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import numpy as np


def bound(function: Callable, name: str, names: Mapping[str, Any]) -> FunctionType:
    """The function under a name of its own, with these in place of its module's names.

    Not a function made in a function: Numba's cache would take each process's copy for another.
    """
    assert isinstance(function, FunctionType)
    used = {key: value for key, value in names.items() if key in function.__code__.co_names}
    copy = FunctionType(function.__code__, {**function.__globals__, **used}, name, function.__defaults__)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return copy


def symbol(text: str) -> str:
    """A text as part of a function's name: as it is, but for signs that a name cannot have; never that of another."""
    clean = re.sub(r"\W", "_", text)
    return clean if clean == text.replace(" ", "_") else f"{clean}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def fixed(function: Callable, **parameters: float) -> FunctionType:
    """A formula from one that takes parameters behind its other arguments, which become float32 constants."""
    assert isinstance(function, FunctionType)
    code = function.__code__
    names = code.co_varnames[code.co_argcount - len(parameters) : code.co_argcount]
    values = tuple(np.float32(parameters[name]) for name in names)
    name = symbol(f"{function.__name__} {' '.join(map(repr, map(float, values)))}")
    copy = FunctionType(function.__code__, function.__globals__, name, values)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return copy
