"""Loads a plug-in: an ordinary Python file with dicts ACTIVATIONS, INITIALIZERS, LOSSES, as glorot's own modules have.

The module's name carries the hash of the file's contents, so an edited file is another module, with other runs, and
compiled kernels of its own. What is run is what was read: no file of bytecode lies between. Another process gets the
contents, not the path, so that all workers on all machines run the same, whatever happens to the file meanwhile.
"""

import ast
import contextlib
import hashlib
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from glorot import files
from glorot.errors import PluginError, nearest, shown
from glorot.models.activations import ACTIVATIONS, Activation
from glorot.models.initializers import INITIALIZERS, Scheme
from glorot.models.losses import LOSSES, Loss
from glorot.places import cache_folder
from glorot.registry import Family, Origin, Registry

MOST_BYTES = 10**6
KINDS: dict[str, tuple[Registry, type]] = {
    "ACTIVATIONS": (ACTIVATIONS, Activation),
    "INITIALIZERS": (INITIALIZERS, Scheme),
    "LOSSES": (LOSSES, Loss),
}


@dataclass(frozen=True)
class Source:
    """A plug-in as it goes to other processes. name: of its file."""

    name: str
    content: bytes

    @property
    def origin(self) -> Origin:
        return Origin(self.name, hashlib.sha256(self.content).hexdigest())


@dataclass(frozen=True)
class Plugin:
    """A plug-in that is loaded. added: its choices, by kind (a key of KINDS). file: as the user named it."""

    source: Source
    file: Path
    added: dict[str, tuple[str, ...]]

    def line(self, kind: str, name: str) -> int:
        """Where a choice stands in the file; 1 where that cannot be seen."""
        for node in ast.walk(ast.parse(self.source.content)):
            names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign) and kind in names and isinstance(node.value, ast.Dict):
                for key in node.value.keys:
                    if isinstance(key, ast.Constant) and key.value == name:
                        return key.lineno
        return 1


_loaded: dict[str, Plugin] = {}  # by the name of the file


def loaded() -> tuple[Plugin, ...]:
    return tuple(_loaded.values())


def sources() -> tuple[Source, ...]:
    """For other processes: see `install`."""
    return tuple(plugin.source for plugin in _loaded.values())


def load(file: Path) -> Plugin:
    """Run a plug-in's file and add what it has. Raises PluginError, which names file and line."""
    try:
        content = files.read_bytes(file, MOST_BYTES + 1)
    except OSError as error:
        around = nearest(file.name, [one.name for one in file.absolute().parent.glob("*.py")])
        raise PluginError(f"{file}: cannot read the plug-in: {error.strerror or error}{around}") from None
    if len(content) > MOST_BYTES:
        raise PluginError(f"{file}: expected a plug-in of up to {MOST_BYTES:,} bytes, found a larger file")
    return _added(Source(file.name, content), file)


def install(sources: Sequence[Source]) -> None:
    """In another process: add plug-ins that were loaded, and looked at, in the one that sent them.

    They are run from a copy in the cache, which is where the cache of compiled kernels looks for their sources.
    """
    for source in sources:
        known = _loaded.get(source.name)
        if known is None or known.source != source:
            _added(source, _copied(source))


def _copied(source: Source) -> Path:
    path = cache_folder() / "plugins" / source.origin.sha256[:20] / source.name
    with contextlib.suppress(OSError):  # without one its kernels are compiled each time
        if not path.is_file() or files.read_bytes(path) != source.content:
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(path) as file:
                file.write(source.content)
    return path


def _added(source: Source, file: Path) -> Plugin:
    before = _loaded.get(source.name)
    if before and before.source == source:
        return before
    module = _run(source, file)
    found = _dicts(module, file)
    plugin = Plugin(source, file, {kind: tuple(entries) for kind, entries in found.items()})
    for kind, entries in found.items():
        for name, entry in entries.items():
            _check_entry(plugin, kind, name, entry)
    for kind, entries in found.items():
        for name, entry in entries.items():
            KINDS[kind][0].add(name, entry, source.origin)
    _let_formulas_call(module)
    _loaded[source.name] = plugin
    return plugin


def _run(source: Source, file: Path) -> ModuleType:
    """The file's module, from exactly these contents."""
    stem = re.sub(r"\W", "_", Path(source.name).stem)
    module = ModuleType(f"glorot_plugin_{stem}_{source.origin.sha256[:12]}")
    module.__file__ = str(file)
    try:
        code = compile(source.content, str(file.absolute()), "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise PluginError(f"{file}:{line}: no valid Python: {getattr(error, 'msg', error)}") from None
    sys.modules[module.__name__] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for data
            exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: a plug-in ends no program
        del sys.modules[module.__name__]
        raise PluginError(f"{where(error, file)}: {_said(error)}") from None
    return module


def where(error: BaseException, file: Path) -> str:
    """ "my_units.py:12": the last line of the file that an exception passed."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file.absolute())]
    return f"{file}:{lines[-1] if lines else 1}"


def _said(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return ": ".join(part for part in (type(error).__name__, first) if part)


def _dicts(module: ModuleType, file: Path) -> dict[str, Mapping[str, Any]]:
    """What a module has of each kind."""
    names = ", ".join(KINDS)
    found = {kind: module.__dict__[kind] for kind in KINDS if kind in module.__dict__}
    for kind, entries in found.items():
        if entries is KINDS[kind][0]:
            raise PluginError(f"{file}:1: {kind} is glorot's own; write {kind} = {{...}} with your own alone")
        if not isinstance(entries, dict):
            raise PluginError(f"{file}:1: expected {kind} to be a dict of name: entry, found {type(entries).__name__}")
    if not any(found.values()):
        similar = [nearest(name, KINDS) for name in module.__dict__ if name.isupper() and nearest(name, KINDS)]
        hint = similar[0] if similar else "; `glorot new --plugin FILE` writes one that works"
        raise PluginError(f"{file}:1: expected a dict called {names}, or several of them; found none{hint}")
    return found


def _check_entry(plugin: Plugin, kind: str, name: Any, entry: Any) -> None:
    """Raise a PluginError where a name or an entry cannot be one of the registry."""
    registry, wanted = KINDS[kind]
    place = f"{plugin.file}:{plugin.line(kind, name)}"
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w{0,63}", name, re.ASCII):
        raise PluginError(f"{place}: expected a name of up to 64 letters, digits and _, found {shown(name)}")
    if name in list(registry):
        other = registry.origin(name)
        if other is None:
            raise PluginError(f"{place}: {registry.kind} {name} is one of glorot's own; choose another name")
        if other.file != plugin.source.name:
            raise PluginError(f"{place}: {registry.kind} {name} is in the plug-in {other.file} too; rename one of them")
    if isinstance(entry, Family):
        try:
            entry = entry.default
        except Exception as error:
            raise PluginError(f"{where(error, plugin.file)}: {registry.kind} {name}: {_said(error)}") from None
    if not isinstance(entry, wanted):
        found = type(entry).__name__
        raise PluginError(f"{place}: {registry.kind} {name}: expected {wanted.__name__}(...), found {found}")


def _let_formulas_call(module: ModuleType) -> None:
    """Compiled formulas may call the module's other functions."""
    from numba.extending import register_jitable

    for function in _own_functions(module):
        register_jitable(function)


def _own_functions(module: ModuleType) -> Iterator[FunctionType]:
    for one in list(module.__dict__.values()):
        if isinstance(one, FunctionType) and one.__module__ == module.__name__:
            yield one
