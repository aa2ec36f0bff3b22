"""Packages with one way through: each imports only what lies below it. An import inside a function, or for types
alone, is an import."""

import ast
import graphlib
from pathlib import Path

import pytest

import glorot

PACKAGE = Path(glorot.__file__).parent
ORDER = (
    "errors", "registry", "randomness", "places", "printable", "files", "machine", "compiled", "models", "datasets",
    "kernels", "plugins", "sweeps", "training", "results", "execution", "reporting", "paper", "bench", "gate", "api",
    "cli", "__main__",
)  # from the ground up  # fmt: skip


def name_of(file: Path) -> str:
    """glorot/kernels/cpu.py -> kernels.cpu; a package's own file has the package's name, glorot's none."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in PACKAGE.rglob("*.py")}
ROOMS = sorted({name.split(".")[0] for name in MODULES if name})


def imported_by(file: Path) -> set[str]:
    """The modules of glorot that one file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports by a relative name"
            wholes = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {name if name.removeprefix("glorot.") in MODULES else node.module for name in wholes}
    return {name.removeprefix("glorot.") for name in names if name.startswith("glorot.")}


def test_each_package_has_its_place():
    assert sorted(ORDER) == ROOMS
    assert sum(file.is_file() for file in PACKAGE.glob("*.py")) <= 12
    assert sum((PACKAGE / room).is_dir() for room in ROOMS) <= 15


@pytest.mark.parametrize("room", ORDER)
def test_a_package_imports_only_what_lies_below_it(room):
    arrows = {(name, to) for name in MODULES if name.split(".")[0] == room for to in imported_by(MODULES[name])}
    below = ORDER[: ORDER.index(room) + 1]
    assert {(name, to) for name, to in arrows if to.split(".")[0] not in below} == set()
    if room != "cli":  # the library knows nothing of the paper
        assert {(name, to) for name, to in arrows if to.split(".")[0] == "paper" != room} == set()


def test_no_two_modules_import_each_other():
    """But for a package's own file, which may be a registry of its modules."""
    own = {name for name, file in MODULES.items() if file.name == "__init__.py"}
    graph = {name: imported_by(file) - own for name, file in MODULES.items() if name not in own}
    assert tuple(graphlib.TopologicalSorter(graph).static_order())
