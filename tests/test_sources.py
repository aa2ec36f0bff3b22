"""Which files decide something, from their imports: what a cell's result depends on, what a compiled kernel does."""

import importlib.util

import numba
import pytest

from glorot.compiled import cache, sources
from glorot.datasets.catalogue import DATASETS
from glorot.kernels import cpu
from glorot.training import checkpoint

KERNEL = """
from typing import TYPE_CHECKING
import math, house.tools
from house.models import formulas, HALF
if TYPE_CHECKING:
    from house.results import store
try:
    from .simd import tile
except ImportError:
    from house import plain
def create():
    from house import late
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A package of a few files, in the place of glorot."""
    texts = {
        "__init__": "",
        "models/__init__": "from house.models.constants import HALF",
        "models/constants": "HALF = 0.5",
        "models/formulas": "from house import tools",
        "tools": "from house.models import formulas",  # a circle
        "results/__init__": "",
        "results/store": "",
        "plain": "",
        "late": "import house.later",
        "later": "",
        "kernels/__init__": "",
        "kernels/simd": "class Tile:\n    import house.inside",
        "inside": "",
        "kernels/cpu": KERNEL,
    }
    for name, text in texts.items():
        file = tmp_path / "house" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "house")
    sources.imports.cache_clear()
    yield tmp_path / "house"
    sources.imports.cache_clear()


def names(files, package):
    return {file.relative_to(package).with_suffix("").as_posix() for file in files}


def test_the_files_that_a_file_imports(house):
    early = {"kernels/cpu", "kernels/__init__", "kernels/simd", "inside", "plain", "tools"}
    early |= {"models/__init__", "models/constants", "models/formulas"}
    assert names(sources.closure([house / "kernels/cpu.py"]), house) == early
    assert names(sources.closure([house / "kernels/cpu.py"], late=True), house) == early | {"late", "later"}


def test_a_file_that_is_imported_anew_is_found_and_an_edit_seen(house):
    files = sources.closure([house / "kernels/simd.py"])
    before = sources.digest(files)
    assert sources.digest(files) == before
    (house / "inside.py").write_text("x = 1")
    assert sources.digest(files) != before
    (house / "inside.py").write_text("from house import plain")
    sources.imports.cache_clear()
    assert house / "plain.py" in sources.closure([house / "kernels/simd.py"])


def test_what_a_cell_s_result_depends_on():
    decide = sources.closure([sources.PACKAGE / "training" / "cell.py"], late=True)
    packages = {file.relative_to(sources.PACKAGE).parts[0] for file in decide if file.parent != sources.PACKAGE}
    assert packages == {"compiled", "models", "datasets", "kernels", "plugins", "sweeps", "training"}
    assert cache.sources_of(cpu.run_updates) <= decide


def test_an_edit_of_a_data_set_that_is_loaded_by_name_is_seen(monkeypatch):
    seen = []
    monkeypatch.setattr(sources, "digest", lambda files: seen.extend(files) or "")
    checkpoint.code.__wrapped__()
    assert {sources.PACKAGE / "datasets" / f"{info.module}.py" for info in DATASETS.values()} <= set(seen)


def test_the_kernels_are_made_from_the_formulas_and_all_that_these_import():
    made_from = names(cache.sources_of(cpu.run_updates), sources.PACKAGE)
    assert {"kernels/cpu", "kernels/simd", "models/activations", "models/losses", "compiled/elementary"} <= made_from
    assert not {name for name in made_from if name.startswith(("sweeps/", "training/", "bench/"))}


def module_of(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_formula_from_another_file_is_not_served_stale(tmp_path, monkeypatch):
    """Handed over as it is, as a kernel gets an activation: no import names its file."""
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path / "cache"))
    formula, helper = tmp_path / "my_formula.py", tmp_path / "my_helper.py"
    monkeypatch.syspath_prepend(tmp_path)
    helper.write_text("def double(x):\n    return x + x\n")
    formula.write_text(
        "import numba, my_helper\ndouble = numba.njit(my_helper.double)\ndef f(x):\n    return double(x)\n"
    )
    value = numba.njit(module_of(formula).f)

    def kernel(x):
        return value(x)

    assert {formula, helper} <= cache.sources_of(kernel)
    compiled = cache.jit(kernel)
    assert compiled(3.0) == 6.0
    folder = cache.cache_folder(cache.sources_of(kernel))
    assert list(folder.rglob("*.nb?"))
    for file in (formula, helper):
        file.write_text(file.read_text() + "\n")
        cache.cache_folder.cache_clear()
        assert cache.cache_folder(cache.sources_of(kernel)) != folder


def test_a_function_without_a_file_is_compiled_but_not_cached():
    place = {"__name__": "nowhere"}
    exec(compile("def f(x):\n    return x + 1", "<string>", "exec"), place)
    assert cache.sources_of(place["f"]) == frozenset()
    assert cache.jit(place["f"])(1) == 2
