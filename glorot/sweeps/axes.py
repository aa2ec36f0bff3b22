"""The grid of a sweep file: an axis is a list of values of one field, or a mapping of label -> the fields it sets."""

import itertools
import re
from collections.abc import Iterable
from typing import Any

from glorot.errors import nearest
from glorot.printable import is_printable
from glorot.registry import Numbers
from glorot.sweeps.about import label_of
from glorot.sweeps.fields import ABOUT, BESIDE_HIDDEN, FIELDS, LAYERS
from glorot.sweeps.problems import Problems, read_value
from glorot.sweeps.sweep import VALUES, Choice
from glorot.sweeps.yaml_nodes import Node, shown

RESERVED = {*VALUES, "run_id", "status", "device", "train_error", "update", "examples", "seconds", "started", "data"}
RESERVED |= {"threads", "hardware", "name", "value"}


def read_fields(node: Node, path: str, problems: Problems) -> dict[str, Any]:
    """The fields a mapping sets, canonical. A wrong one is a problem, and None."""
    fields: dict[str, Any] = {}
    for key, entry in problems.known_keys(node, path, FIELDS).items():
        fields[key] = read_value(key, entry, f"{path}.{key}", problems)
    if "hidden" in fields and len(fields.keys() & set(LAYERS)) > 1:
        second = [entry for key, entry in node.value.items() if key in LAYERS][-1]
        problems.add(second, path, BESIDE_HIDDEN)
    return fields


def read_grid(node: Node, problems: Problems) -> dict[str, tuple[Choice, ...]]:
    if not isinstance(node.value, dict):
        found = f"expected a mapping of axes, found {shown(node.value)}; leave grid out for a single run"
        problems.add(node, "grid", found)
        return {}
    grid = {}
    for axis, entry in node.value.items():
        path = f"grid.{axis}"
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", axis):
            problems.add(entry, path, "expected an axis name of up to 64 letters, digits, '_', '-', a letter first")
        elif axis in RESERVED:
            problems.add(entry, path, "results have a column of this name; call the axis something else")
        elif isinstance(entry.value, list):
            grid[axis] = _list_axis(axis, entry, path, problems)
        elif isinstance(entry.value, dict):
            grid[axis] = _mapping_axis(axis, entry, path, problems)
        else:
            expected = "expected a list of values, or a mapping of label -> fields"
            problems.add(entry, path, f"{expected}; found {shown(entry.value)}")
    return grid


def _list_axis(axis: str, node: Node, path: str, problems: Problems) -> tuple[Choice, ...]:
    if axis not in FIELDS:
        text = f"expected a mapping of label -> fields, or the name of a field: {', '.join(FIELDS)}"
        problems.add(node, path, f"{text}; found a list{nearest(axis, FIELDS)}")
        return ()
    if not node.value:
        problems.add(node, path, "expected at least one value, found an empty list")
    first: dict[Any, Node] = {}
    labels: set[str] = set()
    for item in itertools.chain(*(_each(axis, written) for written in node.value)):
        value = read_value(axis, item, path, problems)
        if value is not None and value in first:
            text = f"the value {label_of(value)} is there twice, first at {first[value].where}; remove one"
            problems.add(item, path, text)
        elif value is not None and label_of(value) in labels:
            text = f"two values are called {label_of(value)}; give each a label: {{LABEL: {{{axis}: ...}}, ...}}"
            problems.add(item, path, text)
        first.setdefault(value, item)
        labels.add(label_of(value))
    return tuple(Choice(label_of(value), {axis: value}) for value in first)


def _each(axis: str, item: Node) -> list[Node]:
    """A choice whose parameters are lists, as all that it stands for: {svm: {C: [1, 10], gamma: [1, 2]}} is four.

    Parameters that are lists themselves stay.
    """
    choices = ABOUT[axis].choices if axis in ABOUT else None
    named = list(item.value.items()) if isinstance(item.value, dict) else []
    if not choices or len(named) != 1 or named[0][0] not in tuple(choices) or not isinstance(named[0][1].value, dict):
        return [item]
    name, given = named[0]
    known = choices.parameters(name)
    values = {
        key: node.value if isinstance(node.value, list) and not isinstance(known.get(key), Numbers) else [node]
        for key, node in given.value.items()
    }
    points = itertools.product(*values.values())
    return [Node({name: Node(dict(zip(values, point, strict=True)), given.where)}, item.where) for point in points]


def _mapping_axis(axis: str, node: Node, path: str, problems: Problems) -> tuple[Choice, ...]:
    if not node.value:
        problems.add(node, path, "expected at least one label, found an empty mapping")
    choices = []
    for label, entry in node.value.items():
        if not is_printable(label) or label != label.strip() or len(label) > 100:
            problems.add(
                entry, f"{path}.{label}", f"expected a label of up to 100 printable characters, found {shown(label)}"
            )
        fields = read_fields(entry, f"{path}.{label}", problems)
        if axis in FIELDS and axis not in fields and isinstance(entry.value, dict):
            text = f"an axis called {axis} must set {axis}; add it, or call the axis something else"
            problems.add(entry, f"{path}.{label}", text)
        choices.append(Choice(label, fields))
    return tuple(choices)


def set_by(choices: Iterable[Choice]) -> list[str]:
    """The fields that an axis sets, in any of its choices."""
    return [field for field in FIELDS if any(field in choice.fields for choice in choices)]
