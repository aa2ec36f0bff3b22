"""The cache of compiled kernels: never stale, safe for processes that compile at once, and not needed."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.codegen import CPUCodeLibrary

import glorot
from glorot import kernels
from glorot.compiled import cache
from glorot.datasets import Examples, shapeset
from glorot.kernels import cpu, formulas
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.models.optimizers import OPTIMIZERS

# Prints tanh(1) as the compiled kernels compute it: one unit of weight 1 before logits (a, 0).
PROGRAM = """
import numpy as np
from glorot import kernels
from glorot.datasets import Examples
from glorot.models.network import Layer

kernels.prepare("cpu", "tanh", "sigmoid_cross_entropy")
network = kernels.create("cpu", (1, 1, 2), "tanh", "sigmoid_cross_entropy", 1, 0.1, 1)
one, zero = np.ones((1, 1), np.float32), np.zeros(2, np.float32)
network.parameters = [Layer(one, zero[:1]), Layer(np.float32([[1], [0]]), zero)]
losses, _ = network.evaluate(Examples(np.full((1, 1), 255, np.uint8), np.zeros(1, np.uint8)))
print(float(losses[0]))
"""
# log(1 + exp(-a)) of the right unit and log(2) of the other, for a = tanh(1) and a = tanh(1) / 2
AS_IT_IS, HALVED = (math.log1p(math.exp(-a)) + math.log(2) for a in (math.tanh(1), math.tanh(1) / 2))


def start(cache: Path, package: Path | None = None) -> subprocess.Popen:
    environment = {**os.environ, "GLOROT_CACHE": str(cache)}
    environment["PYTHONPATH"] = str(package or Path(glorot.__file__).parent.parent)
    elsewhere = cache.parent  # not in a checkout, whose package would come first
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=elsewhere,
    )


def result(process: subprocess.Popen) -> float:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return float(out)


@pytest.mark.slow
def test_two_processes_that_compile_at_once(tmp_path):
    """One compiles while the other waits; both get the same, and a third finds it all compiled."""
    both = [start(tmp_path), start(tmp_path)]
    assert [result(process) for process in both] == [pytest.approx(AS_IT_IS, abs=1e-5)] * 2
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert len({path.name for path in compiled}) == len(compiled) >= 14  # two files of each kernel
    assert result(start(tmp_path)) == pytest.approx(AS_IT_IS, abs=1e-5)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")} == compiled


@pytest.mark.slow
def test_an_edited_formula_is_never_served_stale(tmp_path):
    """A formula stands in another file than the kernels that inline it; the same size and time must not matter."""
    package = tmp_path / "copy"
    shutil.copytree(Path(glorot.__file__).parent, package / "glorot", ignore=shutil.ignore_patterns("__pycache__"))
    assert result(start(tmp_path / "cache", package)) == pytest.approx(AS_IT_IS, abs=1e-5)
    compiled = {path.name for path in (tmp_path / "cache").rglob("*.nbc")}
    file = package / "glorot" / "models" / "activations.py"
    before = file.stat()
    file.write_text(file.read_text().replace("return _tanh(z)", "return HALF*_tanh(z)").replace(
        "import ONE, ZERO", "import HALF, ONE, ZERO"))  # fmt: skip
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    for cached in package.rglob("__pycache__"):
        shutil.rmtree(cached)
    assert result(start(tmp_path / "cache", package)) == pytest.approx(HALVED, abs=1e-5)
    again = [path.name for path in (tmp_path / "cache").rglob("*.nbc")]
    assert len(again) > len(compiled) == len(set(again))  # some kernels stand there twice


FILES = cache.sources_of(cpu.run_updates)


def test_the_cache_s_folder_depends_on_what_is_compiled_and_on_the_processor(monkeypatch, tmp_path):
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path))
    folder = cache.cache_folder.__wrapped__(FILES)
    assert folder.parent == tmp_path / "kernels"
    assert cache.cache_folder.__wrapped__(FILES) == folder
    assert cache.cache_folder.__wrapped__(cache.sources_of(shapeset.draw_images)) != folder
    monkeypatch.setattr(cache, "cpu_target", lambda: ("haswell", "+avx2"))
    assert cache.cache_folder.__wrapped__(FILES) != folder


def test_no_folder_no_cache(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path / "file"))
    assert cache.cache_folder.__wrapped__(FILES) is None


def test_old_versions_are_removed(monkeypatch, tmp_path):
    old, young = tmp_path / "kernels" / "old", tmp_path / "kernels" / "young"
    old.mkdir(parents=True)
    young.mkdir()
    os.utime(old, (0, 0))
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path))
    folder = cache.cache_folder.__wrapped__(FILES)
    assert {path.name for path in (tmp_path / "kernels").iterdir()} == {"young", folder.name}


def compiled_below(dispatcher, found):
    """Every compiled function that this one, and what it calls, has in its closure or by name."""
    if id(dispatcher) not in found:
        function = found[id(dispatcher)] = getattr(dispatcher, "py_func", dispatcher)
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        for one in [*cells, *(function.__globals__.get(name) for name in function.__code__.co_names)]:
            if hasattr(one, "py_func"):
                compiled_below(one, found)
    return found


def test_no_two_functions_made_in_functions_share_a_name():
    """The linker would take them for one, where kernels come from the cache that were compiled in different processes:
    ReLU networks then ran as others, silently."""
    found = {}
    for parts in (*map(formulas.of_activation, ACTIVATIONS), *map(formulas.of_loss, LOSSES)):
        for part in parts.values():
            compiled_below(part.compiled, found)
    for optimizer in OPTIMIZERS:
        for part in formulas.of_optimizer(optimizer).values():
            compiled_below(part.compiled, found)
    names = {}
    for function in found.values():
        names.setdefault((function.__module__, function.__qualname__), set()).add(function.__code__)
        assert "<locals>" not in function.__qualname__
    assert len(names) > 3 * len(ACTIVATIONS)
    assert [name for name, codes in names.items() if len(codes) > 1] == []
    made = [part.compiled.py_func.__qualname__ for one in ACTIVATIONS for part in formulas.of_activation(one).values()]
    assert len(set(made)) == 2 * len(ACTIVATIONS)


def test_the_large_kernels_are_compiled_once_for_all_networks():
    """Whatever their activation, loss, optimizer and inputs: only the loops with these formulas in them are others."""
    networks = [("tanh", "cross_entropy", "sgd"), ("gelu", "sigmoid_cross_entropy", "adam")]
    for network in networks:
        for kind in (np.uint8, np.float32):
            kernels.prepare("cpu", *network)
            made = kernels.create("cpu", (3, 4, 2), network[0], network[1], 2, 0.1, 1, optimizer=network[2])
            examples = Examples(np.zeros((4, 3), kind), np.zeros(4, np.uint8))
            made.train(examples), made.evaluate(examples), made.probe(examples)
    assert [len(kernel.signatures) for kernel in cpu.kernels()] == [1, 1, 1]
    first, second = (formulas.own_of(*network) for network in networks)
    assert first[:3] == second[:3]
    assert not set(first[3:6]) & set(second[3:6])
    assert (first.move == 0, second.move == 0) == (True, False)


@cache.inner
def doubled(x):
    return 2 * x


@cache.inner
def doubled_twice(x):
    return doubled(doubled(x))


def with_inner_ones(x):
    return doubled_twice(x) + 1


def test_only_the_outermost_function_is_optimized(monkeypatch):
    """What it calls is part of it, and was optimized once more for each call in between."""
    optimized = []
    by_numba = CPUCodeLibrary._optimize_final_module
    monkeypatch.setattr(
        CPUCodeLibrary, "_optimize_final_module", lambda self: optimized.append(self.name) or by_numba(self)
    )
    assert numba.njit(with_inner_ones)(5) == with_inner_ones(5) == 21
    assert [name for name in optimized if name != "nrt"] == ["with_inner_ones"]  # nrt: Numba's own, once in a process
