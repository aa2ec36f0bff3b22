"""Which source files decide something: found from their import statements, so that nobody has to keep a list.

What stands under ``if TYPE_CHECKING`` is never run and never counts.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def closure(files: Iterable[Path], late: bool = False) -> frozenset[Path]:
    """These files and all files of the package that they import, directly or not; without ``glorot/__init__.py``,
    which says the version and hands on what is called from Python.

    late: also what is imported inside functions.
    """
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [] if file == PACKAGE / "__init__.py" else imports(file, late)
    return frozenset(found - {PACKAGE / "__init__.py"})


def compiled_since(cache: Path) -> bool:
    """Whether kernels were compiled into this folder since the package's sources were last changed or installed.
    A guess, for what is said to people: which kernels they are is not looked at."""
    try:
        newest = max(file.stat().st_mtime for file in PACKAGE.rglob("*.py"))
        return any(mark.stat().st_mtime >= newest for mark in (cache / "kernels").glob("*/*.complete"))
    except OSError:
        return False


def digest(files: Iterable[Path]) -> str:
    """64 hexadecimal digits: another one where a byte or the name of a file is another. Raises OSError."""
    total = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(PACKAGE) if file.is_relative_to(PACKAGE) else file
        total.update(repr((name.as_posix(), hashlib.sha256(file.read_bytes()).hexdigest())).encode())
    return total.hexdigest()


@cache
def imports(file: Path, late: bool) -> frozenset[Path]:
    """The files of the package that one file imports itself. Raises OSError, SyntaxError."""
    names: set[str] = set()
    for node in _statements(ast.parse(file.read_bytes()).body, late):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(file, node)
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return frozenset(path for name in names for path in _files(name))


def _statements(body: Iterable[ast.AST], late: bool) -> Iterator[ast.AST]:
    """All statements that run when the file is imported; if late, also those of functions."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
            continue
        parts = [getattr(node, name, []) for name in ("body", "orelse", "finalbody", "handlers", "cases")]
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            parts = [node.orelse]
        for part in parts:
            yield from _statements(part, late)


def _absolute(file: Path, node: ast.ImportFrom) -> str:
    """The module that is imported from, by its whole name."""
    if not node.level or not file.is_relative_to(PACKAGE):
        return node.module or ""
    below = file.relative_to(PACKAGE.parent).parts[: -node.level]
    return ".".join([*below, *([node.module] if node.module else [])])


def _files(name: str) -> Iterator[Path]:
    """What Python runs for ``import name``: the file of the module and of each package above it; none of others."""
    first, *below = name.split(".")
    place = PACKAGE
    if first == PACKAGE.name:
        for part in [None, *below]:
            place = place / part if part else place
            for path in (place / "__init__.py", place.with_suffix(".py")):
                if path.is_file():
                    yield path
