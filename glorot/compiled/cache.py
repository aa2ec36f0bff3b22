"""``jit``: numba.njit with the package's options and a cache that is never stale and never torn.

Numba's own cache looks only at the file a function stands in, so an edit to a formula in ``models/activations.py``
would leave stale machine code in the kernels that inline it, and two processes that compile for different processors
at once can swap each other's files. Here a compiled function goes into a folder whose name is a digest of *all* the
sources it is made from (see `sources_of`), the versions of numba, llvmlite and Python, and the processor compiled for.
"""

import contextlib
import hashlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import llvmlite.binding
import numba
from numba.core import config
from numba.extending import register_jitable

from glorot import files, places
from glorot.compiled import sources
from glorot.compiled.in_callers import InCallers
from glorot.errors import DeviceError

LIBRARIES = ("numba", "numpy", "llvmlite")  # their functions are told apart by their versions
KEEP_DAYS = 30
# What turns Python's objects into machine numbers takes the compiler as long as a short function itself.
NOT_FROM_PYTHON = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
IN_CALLERS = {"pipeline_class": InCallers, **NOT_FROM_PYTHON}  # of functions that become part of their callers

if config.DISABLE_JIT:
    raise DeviceError(
        "Numba is told to compile nothing (NUMBA_DISABLE_JIT, or .numba_config.yaml): it would take for ever"
    )


def cpu_target() -> tuple[str, str]:
    """Name and features of the processor compiled for: this one's, or NUMBA_CPU_NAME and NUMBA_CPU_FEATURES."""
    name = getattr(config, "CPU_NAME", None) or llvmlite.binding.get_host_cpu_name()
    features = getattr(config, "CPU_FEATURES", None)
    return name, llvmlite.binding.get_host_cpu_features().flatten() if features is None else features


def registers() -> tuple[int, int]:
    """How many vector registers the processor compiled for has, and how many float32 are in each."""
    return registers_of(llvmlite.binding.get_process_triple(), cpu_target()[1])


def registers_of(triple: str, features: str) -> tuple[int, int]:
    """triple: LLVM's name of the machine. features: as `cpu_target` gives them."""
    if triple.startswith(("aarch64", "arm64")):
        return 32, 4  # NEON, which all of them have
    return (32, 16) if "+avx512f" in features.split(",") else (16, 8)


def sources_of(function: Callable) -> frozenset[Path]:
    """The files of all functions that this one can call, also of formulas it was handed by another module or package,
    and all that these files import when they are imported. Empty where a function stands in no file."""
    waiting: list[Any] = [function]
    found: set[FunctionType] = set()
    while waiting:
        one = waiting.pop()
        one = getattr(one, "py_func", one)
        if isinstance(one, FunctionType) and one not in found and one.__module__.split(".")[0] not in LIBRARIES:
            found.add(one)
            seen = inspect.getclosurevars(one)
            waiting += [*seen.nonlocals.values(), *seen.globals.values()]
    files = {Path(one.__code__.co_filename).resolve() for one in found}
    return sources.closure(files) if all(file.is_file() for file in files) else frozenset()


@cache
def cache_folder(files: frozenset[Path]) -> Path | None:
    """Where machine code made from these files lies; None where nothing can be cached: no files, or no folder can
    be written."""
    if not files:
        return None
    made_with = (sources.digest(files), numba.__version__, llvmlite.__version__, sys.version, cpu_target())
    kernels = places.cache_folder() / "kernels"
    folder = kernels / hashlib.sha256(repr(made_with).encode()).hexdigest()[:20]
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _remove_old(kernels)
        os.utime(folder)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _remove_old(kernels: Path) -> None:
    import shutil

    for folder in kernels.iterdir():
        if time.time() - folder.stat().st_mtime > KEEP_DAYS * 86400:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _numba_caches_in(folder: Path) -> Iterator[None]:
    """Numba fixes a function's cache folder when it is decorated; leave the setting alone otherwise."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def jit(function: Callable, **options: Any):
    """Compile a function for the CPU on its first call: no GIL, no fastmath, IEEE division, cached."""
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, **options}
    folder = cache_folder(sources_of(function))
    if folder is None:
        return numba.njit(**options)(function)
    with _numba_caches_in(folder):
        return numba.njit(cache=True, **options)(function)


def jit_apart(function: Callable):
    """As `jit`, for a function that is called by its address alone (``calls.py``)."""
    return jit(function, **NOT_FROM_PYTHON)


def inner(function: Callable):
    """A function that compiled functions call, and become part of their machine code. In Python it stays as it is."""
    return register_jitable(error_model="numpy", **IN_CALLERS)(function)


@contextlib.contextmanager
def compiling(kernel: Callable, *others: Callable) -> Iterator[None]:
    """Held while these kernels are compiled for the first time, so that processes that start together wait for one of
    them instead of all compiling the same code. kernel: which processes with other others compile too."""
    folder, name = cache_folder(sources_of(kernel)), _name(kernel)
    all_names = "+".join(sorted(f"{_name(one)} {cache_folder(sources_of(one))}" for one in others))
    whole = f"{name}-{hashlib.sha256(all_names.encode()).hexdigest()[:20]}.complete"
    if folder is None or (folder / whole).exists():
        yield
        return
    with _locked(folder / f"{name}.lock"):
        yield
        with contextlib.suppress(OSError):  # another process compiles once more
            (folder / whole).touch()


def _name(kernel: Callable) -> str:
    return getattr(kernel, "py_func", kernel).__qualname__


def _locked(path: Path) -> contextlib.AbstractContextManager:
    """A lock, once it is free; nothing where there are no locks."""
    import filelock

    held = contextlib.ExitStack()
    with contextlib.suppress(filelock.Timeout, OSError):
        if files.can_lock(path):
            held.enter_context(filelock.FileLock(path, timeout=600))
    return held
