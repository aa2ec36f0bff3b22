"""``jit``: numba.njit with the package's options and a cache that is never stale and never torn.

Numba's own cache looks only at the file a function stands in, so an edit to a formula in ``models/activations.py``
would leave stale machine code in the kernels that inline it, and two processes that compile for different processors
at once can swap each other's files. Here everything compiled goes into a folder whose name is a digest of *all* the
sources that are ever compiled, the versions of numba, llvmlite and Python, and the processor compiled for.
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
from numba.core import config

PACKAGE = Path(__file__).resolve().parent.parent

# Every module whose functions end up in machine code; `jit` refuses the others.
COMPILED = (
    "compiled/elementary.py",
    "models/activations.py",
    "models/losses.py",
    "datasets/shapeset.py",
    "kernels/simd.py",
    "kernels/cpu.py",
    "bench/floor.py",
)
KEEP_DAYS = 30


def cpu_target() -> tuple[str, str]:
    """Name and features of the processor compiled for: this one's, or NUMBA_CPU_NAME and NUMBA_CPU_FEATURES."""
    name = getattr(config, "CPU_NAME", None) or llvmlite.binding.get_host_cpu_name()
    features = getattr(config, "CPU_FEATURES", None)
    return name, llvmlite.binding.get_host_cpu_features().flatten() if features is None else features


def has_avx512() -> bool:
    """Whether the processor compiled for has 32 registers of 16 floats."""
    return "+avx512f" in cpu_target()[1].split(",")


@cache
def cache_folder() -> Path | None:
    """Where this version's machine code lies; None where no folder can be written (then nothing is cached)."""
    import platformdirs

    digest = hashlib.sha256()
    for name in COMPILED:
        digest.update((PACKAGE / name).read_bytes())
    digest.update(repr((numba.__version__, llvmlite.__version__, sys.version, cpu_target())).encode())
    kernels = Path(os.environ.get("GLOROT_CACHE") or platformdirs.user_cache_dir("glorot")) / "kernels"
    folder = kernels / digest.hexdigest()[:20]
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


def jit(function):
    """Compile a function for the CPU on its first call: no GIL, no fastmath, IEEE division, cached."""
    source = Path(function.__code__.co_filename).resolve()
    if source not in {PACKAGE / name for name in COMPILED}:
        raise RuntimeError(f"{source} compiles {function.__name__}, but is not in cache.COMPILED")
    folder = cache_folder()
    if folder is None:
        return numba.njit(nogil=True, error_model="numpy")(function)
    with _numba_caches_in(folder):
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Held while the kernels are compiled for the first time, so that processes that start together wait
    for one of them instead of all compiling the same code."""
    folder = cache_folder()
    if folder is None or (folder / "complete").exists():
        yield
        return
    import filelock

    try:
        lock = filelock.FileLock(folder / "lock", timeout=600)
        lock.acquire()
    except (filelock.Timeout, OSError, NotImplementedError):  # no locks here: compile without
        yield
        return
    with lock:
        yield
        (folder / "complete").touch()
