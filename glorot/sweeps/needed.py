"""The key `plugins` of a sweep: what a user's file says it needs, and what a stored one remembers of it.

A user's file has a list of files. It loads none of them: a sweep file alone never runs code. A stored file has for each
plug-in its hash, and the labels of the choices that were made from it, so that a table can be made without it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from glorot.errors import shown
from glorot.places import expanded
from glorot.plugins.loading import KINDS, loaded
from glorot.registry import Origin
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.yaml_nodes import Node

REGISTRIES = {registry.kind: registry for registry, _ in KINDS.values()}


def problems_of(node: Node, source: str) -> Iterator[tuple[Node, str]]:
    """What is wrong with the key's value, each with its place. source: the sweep file's name.

    What a stored file says of choices is remembered (`Registry.remember`).
    """
    if isinstance(node.value, dict):
        for file, entry in node.value.items():
            try:
                _remember(file, entry.plain())
            except (TypeError, KeyError, AttributeError, ValueError):
                yield (
                    entry,
                    "expected what glorot writes here, {sha256: ..., labels: ...}, found something else",
                )
        return
    if not isinstance(node.value, list):
        yield node, f"expected a list of files such as [my_units.py], found {shown(node.value)}"
        return
    there = {plugin.source.name for plugin in loaded()}
    for item in node.value:
        if not isinstance(item.value, str) or not item.value:
            yield item, f"expected the name of a file, found {shown(item.value)}"
        elif Path(item.value).name not in there:
            file = os.path.normpath(Path(source).parent / expanded(item.value))
            yield (
                item,
                (
                    f"the sweep needs {item.value}, which was not loaded: it is Python code, which no sweep file runs. "
                    f"If you trust it: glorot run {source} --plugin {file}"
                ),
            )


def _remember(file: str, entry: Any) -> None:
    origin = Origin(file, entry["sha256"])
    for kind, labels in entry["labels"].items():
        for text, label in labels.items():
            if not (isinstance(label, str) and text.endswith(origin.mark) and text != origin.mark):
                raise ValueError(text)
            REGISTRIES[kind].remember(text, label, origin)


def dumped(used: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The key's value in a stored file. used: the fields of base and of every choice of the grid."""
    found: dict[str, Any] = {}
    for fields in used:
        for name, value in fields.items():
            registry = ABOUT[name].choices if name in ABOUT and isinstance(value, str) else None
            origin = registry.origin(value) if registry else None
            if registry and origin:
                entry = found.setdefault(origin.file, {"sha256": origin.sha256, "labels": {}})
                entry["labels"].setdefault(registry.kind, {})[value] = registry.label(registry[value])
    return found
