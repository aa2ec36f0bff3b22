"""The problems of a sweep file: collected, and told together, a line for each."""

from collections.abc import Sequence
from typing import Any

from glorot.errors import SweepError, nearest
from glorot.printable import is_printable
from glorot.sweeps.absent import hint
from glorot.sweeps.fields import check_field
from glorot.sweeps.yaml_nodes import Node, shown

MAX_PROBLEMS = 20  # shown at once


class Problems:
    """Collects the lines of one SweepError."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, node: Node, key: str, text: str) -> None:
        key = key if is_printable(key) and len(key) <= 200 else shown(key)
        self.lines.append(": ".join(part for part in (node.where, key, text) if part))

    def raise_any(self) -> None:
        if self.lines:
            more = len(self.lines) - MAX_PROBLEMS
            shortened = [*self.lines[:MAX_PROBLEMS], *([f"and {more} more problems"] if more > 0 else [])]
            raise SweepError("\n".join(shortened))

    def known_keys(self, node: Node, path: str, allowed: Sequence[str]) -> dict[str, Node]:
        """The entries of a mapping whose keys are allowed; the others are problems."""
        if not isinstance(node.value, dict):
            self.add(node, path, f"expected a mapping with keys of {', '.join(allowed)}; found {shown(node.value)}")
            return {}
        for key, entry in node.value.items():
            if key not in allowed:
                text = f"unknown key; allowed: {', '.join(allowed)}{hint(key, allowed)}"
                self.add(entry, f"{path}.{key}" if path else key, text)
        return {key: entry for key, entry in node.value.items() if key in allowed}

    def text(self, node: Node, path: str) -> str:
        if isinstance(node.value, str):
            return node.value
        self.add(node, path, f"expected text, found {shown(node.value)}; put it in quotes if it is meant")
        return ""

    def one_of(self, node: Node, path: str, allowed: Sequence[str]) -> str:
        if not (isinstance(node.value, str) and node.value in allowed):
            found = shown(node.value) + nearest(node.value, allowed)
            self.add(node, path, f"expected one of {', '.join(allowed)}; found {found}")
        return str(node.value)

    def names(self, node: Node, path: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """One name, or a list of different ones."""
        items = node.value if isinstance(node.value, list) else [node]
        if not items:
            self.add(node, path, f"expected one or more of {', '.join(allowed)}; found an empty list")
        names = [self.one_of(item, path, allowed) for item in items]
        for position, name in enumerate(names):
            if name in names[:position]:
                self.add(items[position], path, f"{shown(name)} is there twice; remove one")
        return tuple(names)


def read_value(field: str, node: Node, path: str, problems: Problems) -> Any:
    try:
        return check_field(field, node.plain())
    except ValueError as error:
        problems.add(node, path, str(error))
        return None
