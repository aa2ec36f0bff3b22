"""Sweep files: YAML in, a validated and frozen ``Sweep`` out. experiments/*.yaml show the format.

A sweep has a ``base`` of fields that all its runs share and a ``grid`` of axes. An axis is a list of values
of one field, or a mapping of label -> the fields it sets; where base sets such a field too, the axis wins. The
fields are those of ``Settings``, but layer sizes may be written ``depth`` and ``width`` instead of ``hidden``.
Errors name file, line, key, what was found, what is allowed and the nearest name, a line for each problem.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from glorot.datasets.catalogue import DATASETS
from glorot.errors import SweepError
from glorot.places import expanded
from glorot.printable import is_printable
from glorot.sweeps import needed, yaml_nodes
from glorot.sweeps.absent import hint
from glorot.sweeps.axes import read_fields, read_grid
from glorot.sweeps.blocks import (
    SEARCH_KEYS,
    read_name,
    read_published,
    read_search,
    read_select,
    read_table,
    read_versions,
)
from glorot.sweeps.checks import (
    check_clashes,
    check_fit,
    check_models,
    check_overrides,
    check_required,
    check_together,
    filled,
)
from glorot.sweeps.fields import FIELDS
from glorot.sweeps.problems import Problems
from glorot.sweeps.sweep import PLACES, Sweep
from glorot.sweeps.yaml_nodes import Node, shown

SUFFIXES = (".yaml", ".yml")
TOP_KEYS = ("name", "description", "plugins", "base", "grid", "select", "search", "table", "published")


def load(path: Path | str, overrides: Sequence[str] = ()) -> Sweep:
    """Read a sweep file.

    overrides: KEY=VALUE of fields of base, of search.updates and search.seeds, or of axes as grid.AXIS; VALUE as YAML
        (the option --set).
    Raises SweepError, a line for each problem.
    """
    return parse(yaml_nodes.read_text(Path(path)), str(path), overrides)


def parse(text: str, source: str, overrides: Sequence[str] = ()) -> Sweep:
    """Read the text of a sweep; as ``load``.

    source: its file name, for messages; `name_of_file` is the sweep's name where the text gives none.
    """
    problems = Problems()
    top = rooted(yaml_nodes.parse(text, source), Path(source).parent)
    versions = None
    if isinstance(top.value, dict) and "versions" in top.value:  # in stored sweeps alone: not shown among the keys
        versions = read_versions(top.value["versions"], problems)
        top = Node({key: entry for key, entry in top.value.items() if key != "versions"}, top.where)
    keys = problems.known_keys(top, "", TOP_KEYS)
    for node, problem in needed.problems_of(keys["plugins"], source) if "plugins" in keys else ():
        problems.add(node, "plugins", problem)
    problems.raise_any()
    nothing = Node({}, top.where)
    if "search" in keys:
        keys["search"] = _overridden(keys["search"], overrides, "search")
    base_node = _overridden(keys.get("base", nothing), overrides, "base")
    base = read_fields(base_node, "base", problems)
    grid_node = _overridden(keys.get("grid", nothing), overrides, "grid")
    grid = read_grid(grid_node, problems)
    problems.raise_any()  # what follows would only echo the problems so far
    check_overrides(base_node, grid, overrides, problems)
    if "search" not in keys and any(option.startswith("search.") for option in overrides):
        problems.add(
            Node(None, "--set search"), "", "expected a sweep with search, found one without; add it to the file"
        )
    problems.raise_any()
    check_clashes(base_node, grid_node, grid, problems)
    check_required(base_node, grid_node, grid, base, problems)
    check_models(base_node, grid_node, grid, base, problems)
    check_fit(base_node, grid_node, grid, base, problems)
    sweep = Sweep(
        name=read_name(keys.get("name", Node(name_of_file(Path(source)), top.where)), problems),
        description=problems.text(keys.get("description", Node("", "")), "description"),
        base=filled(base, grid),
        grid=grid,
        select=read_select(keys["select"], grid, problems) if "select" in keys else None,
        table=read_table(keys.get("table", nothing), grid, problems),
        versions=versions,
        published=read_published(keys["published"], problems) if "published" in keys else None,
    )
    check_together(base_node, grid_node, sweep, problems)
    problems.raise_any()
    return replace(sweep, search=read_search(keys["search"], sweep, problems)) if "search" in keys else sweep


def name_of_file(path: Path) -> str:
    """What a sweep is called that has no name of its own: the file's name, without its .yaml ("lr.1" is all name)."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _overridden(node: Node, overrides: Sequence[str], block: str) -> Node:
    """The node of base, grid or search, with its --set options put in; each is checked for its key only."""
    entries = dict(node.value) if isinstance(node.value, dict) else {}
    for option in overrides:
        if (option.partition(".")[0] if option.startswith(("search.", "grid.")) else "base") != block:
            continue
        of_search = block == "search"
        where = f"--set {option if is_printable(option) and len(option) < 80 else shown(option)}"
        key, equals, text = (option if block == "base" else option.removeprefix(f"{block}.")).partition("=")
        if not equals:
            raise SweepError(f"{where}: expected KEY=VALUE, found no '='")
        if block == "grid":  # an axis, new or in place of the file's
            entries[key] = Node(rooted(yaml_nodes.parse(text, where, numbered=False), Path()).value, where)
            continue
        allowed = SEARCH_KEYS if of_search else tuple(FIELDS)
        if key not in allowed:
            meant = hint(key.rpartition(".")[2], allowed)
            raise SweepError(
                f"{where}: only fields of {block} can be set: {', '.join(allowed)}; found {shown(key)}{meant}"
            )
        if key == "hidden":
            entries.pop("depth", None)
            entries.pop("width", None)
        entries[key] = Node(rooted(yaml_nodes.parse(text, where, numbered=False, key=key), Path()).value, where)
    return Node(entries, node.where) if isinstance(node.value, dict) else node


def rooted(node: Node, folder: Path) -> Node:
    """The node with absolute paths in place of those below a key of PLACES, which are relative to this folder."""
    if isinstance(node.value, list):
        return Node([rooted(item, folder) for item in node.value], node.where)
    if not isinstance(node.value, dict):
        return node
    entries = {  # the table of a Boolean function is no place
        key: entry if key in tuple(DATASETS) else rooted(entry, folder) for key, entry in node.value.items()
    }
    for key in PLACES:
        path = entries.get(key)
        if path and isinstance(path.value, str) and path.value:
            entries[key] = Node(os.path.abspath(os.path.realpath(folder) / expanded(path.value)), path.where)
    return Node(entries, node.where)
