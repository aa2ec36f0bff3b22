"""Sweep files: YAML in, a validated and frozen ``Sweep`` out. experiments/*.yaml show the format.

A sweep has a ``base`` of fields that all its runs share and a ``grid`` of axes. An axis is a list of values
of one field, or a mapping of label -> the fields it sets; where base sets such a field too, the axis wins. The
fields are those of ``Settings``, but layer sizes may be written ``depth`` and ``width`` instead of ``hidden``.
Errors name file, line, key, what was found, what is allowed and the nearest name, a line for each problem.
"""

import contextlib
import dataclasses
import itertools
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glorot.datasets import DATASETS, FORMS, LocalData
from glorot.datasets.augmentation import Augmentation
from glorot.errors import SweepError, nearest
from glorot.models import schedules
from glorot.models.initializers import INITIALIZERS
from glorot.places import expanded
from glorot.printable import is_printable
from glorot.registry import Numbers, fields_of
from glorot.sweeps import needed, yaml_nodes
from glorot.sweeps.about import label_of
from glorot.sweeps.absent import hint
from glorot.sweeps.settings import (
    ABOUT,
    BESIDE_HIDDEN,
    DEFAULTS,
    FIELDS,
    LAYERS,
    Probes,
    check_field,
    combined,
    ignored_fields,
    no_use,
    unfit,
)
from glorot.sweeps.settings import Settings as Settings  # config.Settings: what others need of a run
from glorot.sweeps.yaml_nodes import Block, Node, shown

SUFFIXES = (".yaml", ".yml")
# Names of folders that Windows has for devices, whatever comes behind a dot, and of glorot's own.
TAKEN = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)), "baselines"}
PLACES = tuple(FORMS)  # keys of a data set of the user's own, with a path
MAX_RUNS = 100_000
MOST_TRIED = 1000  # cells whose fields are tried together, where some field may not go with others
TOGETHER = ("schedule", "pretraining", "initializer")  # such fields; their problems begin with their name
MAX_PROBLEMS = 20  # shown at once
MAX_SEARCH_SEEDS = 100
VALUES = ("train_loss", "valid_error", "test_error", "valid_loss", "test_loss")  # what a table can show
# The t-tests over seeds by which a table can be marked: reporting/significance.py; docs/significance.md compares them.
TESTS = ("pooled", "welch", "paired", "blocks")
DEFAULT_TEST = "pooled"
TOP_KEYS = ("name", "description", "plugins", "base", "grid", "select", "search", "table", "published")
SEARCH_KEYS = ("updates", "seeds")
SELECT_BY = ("valid_error", "valid_loss", "train_loss")  # never by the test set: that would be peeking
RESERVED = {*VALUES, "run_id", "status", "device", "train_error", "update", "examples", "seconds", "started", "data"}
RESERVED |= {"threads", "hardware", "name", "value"}


# The sweep. ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One point of an axis: its label and the fields it sets."""

    label: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Select:
    """over: axes of which only the best choice is kept. by: the value that decides, the lower the better."""

    over: tuple[str, ...]
    by: str = "valid_error"


@dataclass(frozen=True)
class Search:
    """What select decides by: short runs instead of the sweep's own. updates: of each. seeds: how many
    of the first of the grid, or, where it has no axis of seeds, from the run's own on."""

    updates: int
    seeds: int = 1


@dataclass(frozen=True)
class Table:
    """rows, columns: axes, fields, or "method". value: one of VALUES. test: over seeds, one of TESTS."""

    rows: tuple[str, ...] = ("method",)
    columns: str = "dataset"
    value: str = "test_error"
    test: str = DEFAULT_TEST


@dataclass(frozen=True)
class Published:
    """Numbers of others, to stand beside ours in the sweep's own table. source: where they are from.

    values: row -> column -> number, in the unit of the table's value; labels as the table or the sweep has them.
    """

    source: str
    values: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Sweep:
    """A valid sweep.

    base: fields by name, in their canonical form, defaults filled in.
    grid: axis -> its choices, in the order of the file.
    versions: of its data sets, by name, as a stored sweep has them (1 for those it does not name); None: today's.
    """

    name: str
    description: str
    base: dict[str, Any]
    grid: dict[str, tuple[Choice, ...]]
    select: Select | None
    table: Table
    search: Search | None = None
    versions: dict[str, int] | None = dataclasses.field(default=None, compare=False)
    published: Published | None = None

    @property
    def seed_axes(self) -> list[str]:
        """The axes that set nothing but the seed: what differs along them is averaged."""
        return [
            axis for axis, choices in self.grid.items() if all(choice.fields.keys() == {"seed"} for choice in choices)
        ]


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
    problems = _Problems()
    top = _rooted(yaml_nodes.parse(text, source), Path(source).parent)
    versions = None
    if isinstance(top.value, dict) and "versions" in top.value:  # in stored sweeps alone: not shown among the keys
        versions = _versions(top.value["versions"], problems)
        top = Node({key: entry for key, entry in top.value.items() if key != "versions"}, top.where)
    keys = problems.known_keys(top, "", TOP_KEYS)
    for node, problem in needed.problems_of(keys["plugins"], source) if "plugins" in keys else ():
        problems.add(node, "plugins", problem)
    problems.raise_any()
    nothing = Node({}, top.where)
    if "search" in keys:
        keys["search"] = _overridden(keys["search"], overrides, "search")
    base_node = _overridden(keys.get("base", nothing), overrides, "base")
    base = _fields(base_node, "base", problems)
    grid_node = _overridden(keys.get("grid", nothing), overrides, "grid")
    grid = _grid(grid_node, problems)
    problems.raise_any()  # what follows would only echo the problems so far
    _check_overrides(base_node, grid, overrides, problems)
    if "search" not in keys and any(option.startswith("search.") for option in overrides):
        problems.add(
            Node(None, "--set search"), "", "expected a sweep with search, found one without; add it to the file"
        )
    problems.raise_any()
    _check_clashes(base_node, grid_node, grid, problems)
    _check_required(base_node, grid_node, grid, base, problems)
    _check_models(base_node, grid_node, grid, base, problems)
    _check_fit(base_node, grid_node, grid, base, problems)
    sweep = Sweep(
        name=_name(keys.get("name", Node(name_of_file(Path(source)), top.where)), problems),
        description=problems.text(keys.get("description", Node("", "")), "description"),
        base=_filled(base, grid),
        grid=grid,
        select=_select(keys["select"], grid, problems) if "select" in keys else None,
        table=_table(keys.get("table", nothing), grid, problems),
        versions=versions,
        published=_published(keys["published"], problems) if "published" in keys else None,
    )
    _check_together(base_node, grid_node, sweep, problems)
    problems.raise_any()
    return replace(sweep, search=_search(keys["search"], sweep, problems)) if "search" in keys else sweep


class _Problems:
    """Collects the lines of one SweepError."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, node: Node, key: str, text: str) -> None:
        key = key if key.isprintable() and len(key) <= 200 else shown(key)
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


# Its parts. ----------------------------------------------------------------------------------------


def name_of_file(path: Path) -> str:
    """What a sweep is called that has no name of its own: the file's name, without its .yaml ("lr.1" is all name)."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _name(node: Node, problems: _Problems) -> str:
    """The sweep's name: a folder is called so, which rules out separators, "..", and hidden files."""
    if isinstance(node.value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", node.value):
        if node.value.lower().partition(".")[0] not in TAKEN and not node.value.endswith("."):
            return node.value
        problems.add(node, "name", f"expected a name that a folder can have on every system; found {shown(node.value)}")
        return ""
    allowed = "expected up to 100 letters, digits, '-', '_', '.', with a letter or digit first"
    problems.add(node, "name", f"{allowed}; found {shown(node.value)}")
    return ""


def _overridden(node: Node, overrides: Sequence[str], block: str) -> Node:
    """The node of base, grid or search, with its --set options put in; each is checked for its key only."""
    entries = dict(node.value) if isinstance(node.value, dict) else {}
    for option in overrides:
        if (option.partition(".")[0] if option.startswith(("search.", "grid.")) else "base") != block:
            continue
        of_search = block == "search"
        where = f"--set {option if option.isprintable() and len(option) < 80 else shown(option)}"
        key, equals, text = (option if block == "base" else option.removeprefix(f"{block}.")).partition("=")
        if not equals:
            raise SweepError(f"{where}: expected KEY=VALUE, found no '='")
        if block == "grid":  # an axis, new or in place of the file's
            entries[key] = Node(_rooted(yaml_nodes.parse(text, where, numbered=False), Path()).value, where)
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
        entries[key] = Node(_rooted(yaml_nodes.parse(text, where, numbered=False, key=key), Path()).value, where)
    return Node(entries, node.where) if isinstance(node.value, dict) else node


def _rooted(node: Node, folder: Path) -> Node:
    """The node with absolute paths in place of those below a key of PLACES, which are relative to this folder."""
    if isinstance(node.value, list):
        return Node([_rooted(item, folder) for item in node.value], node.where)
    if not isinstance(node.value, dict):
        return node
    entries = {  # the table of a Boolean function is no place
        key: entry if key in tuple(DATASETS) else _rooted(entry, folder) for key, entry in node.value.items()
    }
    for key in PLACES:
        path = entries.get(key)
        if path and isinstance(path.value, str) and path.value:
            entries[key] = Node(os.path.abspath(os.path.realpath(folder) / expanded(path.value)), path.where)
    return Node(entries, node.where)


def _fields(node: Node, path: str, problems: _Problems) -> dict[str, Any]:
    """The fields a mapping sets, canonical. A wrong one is a problem, and None."""
    fields: dict[str, Any] = {}
    for key, entry in problems.known_keys(node, path, FIELDS).items():
        fields[key] = _value(key, entry, f"{path}.{key}", problems)
    if "hidden" in fields and len(fields.keys() & set(LAYERS)) > 1:
        second = [entry for key, entry in node.value.items() if key in LAYERS][-1]
        problems.add(second, path, BESIDE_HIDDEN)
    return fields


def _value(field: str, node: Node, path: str, problems: _Problems) -> Any:
    try:
        return check_field(field, node.plain())
    except ValueError as error:
        problems.add(node, path, str(error))
        return None


def _grid(node: Node, problems: _Problems) -> dict[str, tuple[Choice, ...]]:
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


def _list_axis(axis: str, node: Node, path: str, problems: _Problems) -> tuple[Choice, ...]:
    if axis not in FIELDS:
        text = f"expected a mapping of label -> fields, or the name of a field: {', '.join(FIELDS)}"
        problems.add(node, path, f"{text}; found a list{nearest(axis, FIELDS)}")
        return ()
    if not node.value:
        problems.add(node, path, "expected at least one value, found an empty list")
    first: dict[Any, Node] = {}
    labels: set[str] = set()
    for item in itertools.chain(*(_each(axis, written) for written in node.value)):
        value = _value(axis, item, path, problems)
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


def _mapping_axis(axis: str, node: Node, path: str, problems: _Problems) -> tuple[Choice, ...]:
    if not node.value:
        problems.add(node, path, "expected at least one label, found an empty mapping")
    choices = []
    for label, entry in node.value.items():
        if not label.isprintable() or label != label.strip() or len(label) > 100:
            problems.add(
                entry, f"{path}.{label}", f"expected a label of up to 100 printable characters, found {shown(label)}"
            )
        fields = _fields(entry, f"{path}.{label}", problems)
        if axis in FIELDS and axis not in fields and isinstance(entry.value, dict):
            text = f"an axis called {axis} must set {axis}; add it, or call the axis something else"
            problems.add(entry, f"{path}.{label}", text)
        choices.append(Choice(label, fields))
    return tuple(choices)


def _clash(field: str, other: str) -> bool:
    """Whether two fields say the same thing: depth and width do not, but each does with hidden."""
    return field == other or ("hidden" in (field, other) and {field, other} <= set(LAYERS))


def _set_by(choices: Iterable[Choice]) -> list[str]:
    """The fields that an axis sets, in any of its choices."""
    return [field for field in FIELDS if any(field in choice.fields for choice in choices)]


def _check_overrides(
    base: Node, grid: Mapping[str, tuple[Choice, ...]], overrides: Sequence[str], problems: _Problems
) -> None:
    """--set of what an axis sets would change nothing, or only half of the runs."""
    keys = (option.partition("=")[0] for option in overrides if not option.startswith(("search.", "grid.")))
    for key in dict.fromkeys(keys):
        for axis, choices in grid.items():
            fields = [field for field in _set_by(choices) if _clash(key, field)]
            if fields:
                text = f"the axis {axis} of the grid sets {' and '.join(fields)}"
                problems.add(base.value[key], "", f"{text}; to pick from it use --only {axis}={choices[0].label}")


def _check_clashes(base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], problems: _Problems) -> None:
    """A field set by two axes, layer sizes given twice, or too many runs."""
    set_by = {axis: _set_by(choices) for axis, choices in grid.items()}
    for position, axis in enumerate(set_by):
        for other in list(set_by)[:position]:
            for field in set_by[axis]:
                clashing = [there for there in set_by[other] if _clash(field, there)]
                if clashing:
                    text = f"sets {field}, but the axis {other} sets {' and '.join(clashing)}; only one axis can"
                    problems.add(grid_node.value[axis], f"grid.{axis}", text)
        sizes = [field for field in set_by[axis] if field in ("depth", "width")]
        if "hidden" in base.value and sizes:
            text = f"sets {' and '.join(sizes)}, but base has hidden, which gives all layer sizes; keep one"
            problems.add(grid_node.value[axis], f"grid.{axis}", text)
    if math.prod(len(choices) for choices in grid.values()) > MAX_RUNS:
        problems.add(grid_node, "grid", f"expected at most {MAX_RUNS} runs, found more; shorten an axis")


def _kinds(
    base: Mapping[str, Any], grid: Mapping[str, tuple[Choice, ...]], *also: str
) -> list[tuple[dict[str, Choice], dict[str, Any]]]:
    """The kinds of runs, by what decides which fields a model needs, and by the fields named.

    Each with the choices (by axis) that make it, and its fields as far as these and base set them.
    """
    axes = [axis for axis in grid if {"model", "hidden", "depth", *also} & set(_set_by(grid[axis]))]
    points = itertools.product(*(grid[axis] for axis in axes))
    return [
        (dict(zip(axes, point, strict=True)), combined(base, *(choice.fields for choice in point))) for point in points
    ]


def _unused(base: Mapping[str, Any], grid: Mapping[str, tuple[Choice, ...]]) -> frozenset[str]:
    """The fields that no run of a sweep needs, as they are written."""
    unused = frozenset.intersection(*(ignored_fields(fields) for _, fields in _kinds(base, grid)))
    return unused | (frozenset(LAYERS) if "hidden" in unused else frozenset())


def _check_required(
    base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], fields: Mapping[str, Any], problems: _Problems
) -> None:
    """A field without a default that base does not set, nor an axis, or only some of an axis's labels.

    fields: of base. What a run's model has no use for may be missing.
    """
    for field, (value, values) in ((name, about.example) for name, about in ABOUT.items() if about.example):
        axis = next((axis for axis, choices in grid.items() if field in _set_by(choices)), None)
        needing = [choices for choices, one in _kinds(fields, grid, field) if field not in ignored_fields(one)]
        if field in base.value or not needing:
            continue
        if axis is None:
            text = f'add e.g. "{field}: {value}" to base, or "{field}: {values}" to grid'
            problems.add(base, f"base.{field}", f"missing, and it has no default; {text}")
            continue
        for choice in grid[axis]:
            if field not in choice.fields and any(choices[axis] == choice for choices in needing):
                text = f'{field} is missing here and in base; add e.g. "{field}: {value}"'
                problems.add(grid_node.value[axis].value[choice.label], f"grid.{axis}.{choice.label}", text)


def _check_models(
    base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], fields: Mapping[str, Any], problems: _Problems
) -> None:
    """Fields that a model has no use for: set beside it, or where no run of the sweep needs them.

    fields: of base. What base sets for the runs of other models is no problem, unless it asks for something more (as
    probes do) than every run has.
    """
    models = dict.fromkeys(one.get("model", "mlp") for _, one in _kinds(fields, grid))
    unused = frozenset.intersection(*map(_ignored_by, models))
    for key in fields.keys() & unused:
        problems.add(base.value[key], f"base.{key}", no_use(next(iter(models)), key))
    for axis, choices in grid.items():
        entries = grid_node.value[axis]
        if axis in unused and isinstance(entries.value, list):
            problems.add(entries, f"grid.{axis}", no_use(next(iter(models)), axis))
        for choice in choices if isinstance(entries.value, dict) else ():
            model = choice.fields.get("model", next(iter(models)))
            for key in choice.fields.keys() & (unused | (_ignored_by(model) if "model" in choice.fields else unused)):
                where = entries.value[choice.label].value[key]
                problems.add(where, f"grid.{axis}.{choice.label}.{key}", no_use(model, key))
    for key in (name for name in fields if name in DEFAULTS and DEFAULTS[name] is None):
        model = next((model for model in models if key in _ignored_by(model) - unused), "")
        if model and fields[key] is not None and not any(key in _set_by(choices) for choices in grid.values()):
            problems.add(base.value[key], f"base.{key}", no_use(model, key))


def _check_fit(
    base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], fields: Mapping[str, Any], problems: _Problems
) -> None:
    """Models that cannot be for their data set, units or weights, told where the model is set."""
    told = set()
    for choices, one in _kinds(fields, grid, "dataset", "activation", "initializer", "inputs"):
        model = one.get("model", "mlp")
        if not {"dataset", "activation"} <= one.keys() or None in (one["dataset"], one["activation"], model):
            continue
        why = unfit(model, one["dataset"], one["activation"], one.get("initializer", "standard"), one.get("inputs"))
        if not why or why in told:
            continue
        told.add(why)
        key = "model" if model != "mlp" else "initializer"
        axis = next((axis for axis, choice in choices.items() if key in choice.fields), None)
        if axis is None:
            problems.add(base.value.get(key, base), f"base.{key}", why)
            continue
        entries, label = grid_node.value[axis], choices[axis].label
        where = entries.value[label].value[key] if isinstance(entries.value, dict) else entries
        problems.add(where, f"grid.{axis}.{label}", why)


def _check_together(base: Node, grid_node: Node, sweep: Sweep, problems: _Problems) -> None:
    """Fields that do not go with the others of a run, told where they are set. The first of them; others `expand`."""
    if not any(map(_depends, _used(sweep))):
        return
    for cell in itertools.islice(itertools.product(*sweep.grid.values()), MOST_TRIED):
        try:
            Settings(**combined(sweep.base, *(choice.fields for choice in cell)))
        except ValidationError as error:
            key, _, why = str(error.errors()[0].get("ctx", {}).get("error") or "").partition(": ")
            if key not in TOGETHER:
                continue
            setting = [(axis, one.label) for axis, one in zip(sweep.grid, cell, strict=True) if key in one.fields]
            if not setting:
                return problems.add(base.value.get(key, base), f"base.{key}", why)
            ((axis, label),) = setting
            entries = grid_node.value[axis]
            where = entries.value[label].value[key] if isinstance(entries.value, dict) else entries
            return problems.add(where, f"grid.{axis}.{label}", why)


def _depends(fields: Mapping[str, Any]) -> bool:
    """Whether one of these is of TOGETHER, and not as it usually is."""
    unusual = [key for key in TOGETHER if fields.get(key, DEFAULTS[key]) != DEFAULTS[key]]
    return unusual not in ([], ["initializer"]) or bool(
        INITIALIZERS[fields.get("initializer", "standard")].problem("", None)
    )


def _ignored_by(model: str) -> frozenset[str]:
    """The fields that runs of a model have no use for, as they are written."""
    ignored = ignored_fields({"model": model})
    return ignored | (frozenset(LAYERS) if "hidden" in ignored else frozenset())


def _filled(base: Mapping[str, Any], grid: Mapping[str, tuple[Choice, ...]]) -> dict[str, Any]:
    """base with every default that can matter: none that an axis replaces throughout, or that no model needs."""
    replaced = {field for choices in grid.values() for field in FIELDS if all(field in c.fields for c in choices)}
    replaced |= {"depth", "width"} if "hidden" in replaced | base.keys() else {"hidden"}
    replaced |= _unused(base, grid)
    defaults = {field: value for field, value in DEFAULTS.items() if field not in replaced and value is not None}
    fields = defaults | dict(base)
    return {field: fields[field] for field in FIELDS if field in fields}


def _select(node: Node, grid: Mapping[str, Any], problems: _Problems) -> Select:
    keys = problems.known_keys(node, "select", ("over", "by"))
    if isinstance(node.value, dict) and "over" not in keys:
        problems.add(node, "select.over", f"missing; name one or more axes of the grid: {', '.join(grid) or 'none'}")
    over = problems.names(keys["over"], "select.over", tuple(grid)) if "over" in keys else ()
    return Select(over, problems.one_of(keys.get("by", Node("valid_error", "")), "select.by", SELECT_BY))


def _search(node: Node, sweep: Sweep, problems: _Problems) -> Search:
    """The search of a sweep that is valid but for it. Raises SweepError."""
    keys = problems.known_keys(node, "search", SEARCH_KEYS)
    if not sweep.select:
        problems.add(node, "search", "it is there to choose by, but nothing is chosen; add e.g. select: {over: [AXIS]}")
    if isinstance(node.value, dict) and "updates" not in keys:
        problems.add(node, "search.updates", "missing; say how many updates the short runs have")
    problems.raise_any()
    updates = _value("updates", keys["updates"], "search.updates", problems)
    seeds_node = keys.get("seeds", Node(1, node.where))
    fewest, seeds = _search_limits(sweep)
    for axis in sweep.select.over if sweep.select else ():
        if "updates" in _set_by(sweep.grid[axis]):
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
        if "updates" in _set_by(choices):
            updates = {choice.fields.get("updates", sweep.base.get("updates")) for choice in choices}
    seeds = [
        len(sweep.grid[axis]) for axis in sweep.seed_axes if axis not in (sweep.select.over if sweep.select else ())
    ]
    return min(updates), max(seeds, default=MAX_SEARCH_SEEDS)


def _versions(node: Node, problems: _Problems) -> dict[str, int]:
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


def _table(node: Node, grid: Mapping[str, Any], problems: _Problems) -> Table:
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


def _published(node: Node, problems: _Problems) -> Published:
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


def _mapping(node: Node, path: str, problems: _Problems) -> dict[str, Node]:
    """The entries of a mapping of labels; of anything else a problem."""
    if isinstance(node.value, dict) and node.value and all(is_printable(key) and len(key) <= 200 for key in node.value):
        return node.value
    problems.add(
        node, path, f"expected a mapping of labels, as in {{ROW: {{COLUMN: NUMBER}}}}; found {shown(node.value)}"
    )
    return {}


# Back to YAML. -------------------------------------------------------------------------------------


def dump(sweep: Sweep, folder: Path | None = None) -> str:
    """The sweep as YAML that ``load`` reads back to an equal one.

    folder: where the file will lie; paths in it are then relative to that folder, else absolute.
    """
    top: dict[str, Any] = {"name": sweep.name, "description": sweep.description}
    plugins = needed.dumped(_used(sweep))
    if plugins:
        top["plugins"] = plugins
    top["base"] = Block(_dumped_fields(sweep.base, folder))
    top["grid"] = Block({axis: _dumped_axis(axis, choices, folder) for axis, choices in sweep.grid.items()})
    if sweep.select:
        top["select"] = {"over": sweep.select.over, "by": sweep.select.by}
    if sweep.search:
        top["search"] = {"updates": sweep.search.updates, "seeds": sweep.search.seeds}
    rows = sweep.table.rows
    top["table"] = {
        "rows": rows[0] if len(rows) == 1 else rows,
        "columns": sweep.table.columns,
        "value": sweep.table.value,
        "test": sweep.table.test,
    }
    if sweep.published:
        values = Block({row: dict(columns) for row, columns in sweep.published.values.items()})
        top["published"] = Block({"source": sweep.published.source, "values": values})
    versions = {name: version for name, version in versions_of(sweep).items() if version > 1}
    if versions:
        top["versions"] = versions
    return yaml_nodes.write(Block(top))


def versions_of(sweep: Sweep) -> dict[str, int]:
    """The versions of the registered data sets that a sweep uses."""
    used = _used(sweep)
    names = dict.fromkeys(fields["dataset"] for fields in used if isinstance(fields.get("dataset"), str))
    return {name: DATASETS[name].version if sweep.versions is None else sweep.versions.get(name, 1) for name in names}


def _used(sweep: Sweep) -> list[dict[str, Any]]:
    """The fields of base, and of every choice of every axis."""
    return [sweep.base, *(choice.fields for choices in sweep.grid.values() for choice in choices)]


def _dumped_axis(axis: str, choices: tuple[Choice, ...], folder: Path | None) -> Any:
    """A list where the labels are those of a list, else a mapping."""
    fields = {choice.label: _dumped_fields(choice.fields, folder) for choice in choices}
    if all(choice.fields.keys() == {axis} and choice.label == label_of(choice.fields[axis]) for choice in choices):
        return [fields[choice.label][axis] for choice in choices]
    return Block(fields)


def _dumped_fields(fields: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    dumped = {
        name: fields_of(value) if name in ABOUT and ABOUT[name].choices else value for name, value in fields.items()
    }
    for name, value in fields.items():
        if isinstance(value, Probes | Augmentation):
            dumped[name] = value.fields()
    if "schedule" in fields:
        dumped["schedule"] = schedules.fields_of(fields["schedule"])
    if isinstance(fields.get("dataset"), str):
        dumped["dataset"] = fields_of(fields["dataset"])
    if isinstance(fields.get("dataset"), LocalData):
        dumped["dataset"] = fields["dataset"].fields()
        for key in PLACES if folder is not None else ():
            if folder is not None and key in dumped["dataset"]:
                with contextlib.suppress(ValueError):  # on another drive: it stays absolute
                    place = os.path.relpath(dumped["dataset"][key], os.path.realpath(folder))
                    dumped["dataset"][key] = Path(place).as_posix()
    return dumped
