"""The smaller parts of a sweep file: its name, select, search, table, the numbers of others, versions of data."""

import math
import re
from collections.abc import Mapping
from typing import Any

from glorot.datasets.catalogue import DATASETS
from glorot.printable import is_printable
from glorot.sweeps.axes import set_by
from glorot.sweeps.fields import FIELDS
from glorot.sweeps.problems import Problems, read_value
from glorot.sweeps.sweep import TESTS, VALUES, Published, Search, Select, Sweep, Table
from glorot.sweeps.yaml_nodes import Node, shown

# Names of folders that Windows has for devices, whatever comes behind a dot, and of glorot's own.
TAKEN = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)), "baselines"}
MAX_SEARCH_SEEDS = 100
SEARCH_KEYS = ("updates", "seeds")
SELECT_BY = ("valid_error", "valid_loss", "train_loss")  # never by the test set: that would be peeking


def read_name(node: Node, problems: Problems) -> str:
    """The sweep's name: a folder is called so, which rules out separators, "..", and hidden files."""
    if isinstance(node.value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", node.value):
        if node.value.lower().partition(".")[0] not in TAKEN and not node.value.endswith("."):
            return node.value
        problems.add(node, "name", f"expected a name that a folder can have on every system; found {shown(node.value)}")
        return ""
    allowed = "expected up to 100 letters, digits, '-', '_', '.', with a letter or digit first"
    problems.add(node, "name", f"{allowed}; found {shown(node.value)}")
    return ""


def read_select(node: Node, grid: Mapping[str, Any], problems: Problems) -> Select:
    keys = problems.known_keys(node, "select", ("over", "by"))
    if isinstance(node.value, dict) and "over" not in keys:
        problems.add(node, "select.over", f"missing; name one or more axes of the grid: {', '.join(grid) or 'none'}")
    over = problems.names(keys["over"], "select.over", tuple(grid)) if "over" in keys else ()
    return Select(over, problems.one_of(keys.get("by", Node("valid_error", "")), "select.by", SELECT_BY))


def read_search(node: Node, sweep: Sweep, problems: Problems) -> Search:
    """The search of a sweep that is valid but for it. Raises SweepError."""
    keys = problems.known_keys(node, "search", SEARCH_KEYS)
    if not sweep.select:
        problems.add(node, "search", "it is there to choose by, but nothing is chosen; add e.g. select: {over: [AXIS]}")
    if isinstance(node.value, dict) and "updates" not in keys:
        problems.add(node, "search.updates", "missing; say how many updates the short runs have")
    problems.raise_any()
    updates = read_value("updates", keys["updates"], "search.updates", problems)
    seeds_node = keys.get("seeds", Node(1, node.where))
    fewest, seeds = _search_limits(sweep)
    for axis in sweep.select.over if sweep.select else ():
        if "updates" in set_by(sweep.grid[axis]):
            text = f"select is over the axis {axis}, which sets updates; a search gives all its runs the same"
            problems.add(node, "search", text)
    if updates == 0:
        problems.add(keys["updates"], "search.updates", "expected at least 1: weights that never moved choose no rate")
    if updates is not None and updates >= fewest:
        text = f"expected fewer updates than the runs themselves have ({fewest:,}), found {updates:,}"
        problems.add(
            keys["updates"], "search.updates", f"{text}; lower it (--set search.updates=N), or leave search out"
        )
    if not (type(seeds_node.value) is int and 1 <= seeds_node.value <= seeds):
        limit = f"{seeds}, the number of the grid's seeds" if seeds < MAX_SEARCH_SEEDS else f"{seeds}"
        text = f"expected a whole number from 1 to {limit}"
        problems.add(seeds_node, "search.seeds", f"{text}; found {shown(seeds_node.value)}")
    problems.raise_any()
    return Search(updates, seeds_node.value)


def _search_limits(sweep: Sweep) -> tuple[int, int]:
    """The fewest updates that a run has, and how many seeds there are to search with: any where no axis gives them."""
    updates = {sweep.base["updates"]} if "updates" in sweep.base else set()
    for choices in sweep.grid.values():
        if "updates" in set_by(choices):
            updates = {choice.fields.get("updates", sweep.base.get("updates")) for choice in choices}
    seeds = [
        len(sweep.grid[axis]) for axis in sweep.seed_axes if axis not in (sweep.select.over if sweep.select else ())
    ]
    return min(updates), max(seeds, default=MAX_SEARCH_SEEDS)


def read_versions(node: Node, problems: Problems) -> dict[str, int]:
    """Which version of each data set gave the stored results; `dump` writes it."""
    versions = {}
    for name, entry in problems.known_keys(node, "versions", tuple(DATASETS)).items():
        today = DATASETS[name].version
        if type(entry.value) is int and 1 <= entry.value <= today:
            versions[name] = entry.value
        else:
            text = f"expected a whole number from 1 to {today}, the version that this glorot has"
            problems.add(entry, f"versions.{name}", f"{text}; found {shown(entry.value)}")
    return versions


def read_table(node: Node, grid: Mapping[str, Any], problems: Problems) -> Table:
    keys = problems.known_keys(node, "table", ("rows", "columns", "value", "test"))
    allowed = tuple(dict.fromkeys((*grid, "method", *FIELDS)))
    default = Table()
    rows = problems.names(keys["rows"], "table.rows", allowed) if "rows" in keys else default.rows
    columns_node = keys.get("columns", Node(default.columns, node.where))
    columns = problems.one_of(columns_node, "table.columns", allowed)
    if columns in rows:
        problems.add(columns_node, "table.columns", f"{shown(columns)} is in rows already; name another axis or field")
    value = problems.one_of(keys.get("value", Node(default.value, "")), "table.value", VALUES)
    test = problems.one_of(keys.get("test", Node(default.test, "")), "table.test", TESTS)
    return Table(rows, columns, value, test)


def read_published(node: Node, problems: Problems) -> Published:
    keys = problems.known_keys(node, "published", ("source", "values"))
    missing = [key for key in ("source", "values") if isinstance(node.value, dict) and key not in keys]
    for key in missing:
        problems.add(node, f"published.{key}", "missing; e.g. {source: TEXT, values: {ROW: {COLUMN: NUMBER}}}")
    source = problems.text(keys["source"], "published.source") if "source" in keys else ""
    if not is_printable(source) or len(source) > 1000:
        problems.add(keys["source"], "published.source", "expected a line of up to 1000 printable characters")
    rows = _mapping(keys["values"], "published.values", problems) if "values" in keys else {}
    values: dict[str, dict[str, float]] = {}
    for row, entry in rows.items():
        for column, number in _mapping(entry, f"published.values.{row}", problems).items():
            if type(number.value) in (int, float) and math.isfinite(number.value):
                values.setdefault(row, {})[column] = float(number.value)
            else:
                text = f"expected a number, found {shown(number.value)}"
                problems.add(number, f"published.values.{row}.{column}", text)
    return Published(source, values)


def _mapping(node: Node, path: str, problems: Problems) -> dict[str, Node]:
    """The entries of a mapping of labels; of anything else a problem."""
    if isinstance(node.value, dict) and node.value and all(is_printable(key) and len(key) <= 200 for key in node.value):
        return node.value
    problems.add(
        node, path, f"expected a mapping of labels, as in {{ROW: {{COLUMN: NUMBER}}}}; found {shown(node.value)}"
    )
    return {}
