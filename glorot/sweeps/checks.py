"""What the parts of a sweep file must be together: fields that are missing, that clash, or that no model needs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from glorot.models.initializers import INITIALIZERS
from glorot.sweeps.axes import set_by
from glorot.sweeps.fields import ABOUT, DEFAULTS, FIELDS, LAYERS, combined, ignored_fields, no_use
from glorot.sweeps.problems import Problems
from glorot.sweeps.settings import Settings, unfit
from glorot.sweeps.sweep import Choice, Sweep, used_fields
from glorot.sweeps.yaml_nodes import Node

MAX_RUNS = 100_000
MOST_TRIED = 1000  # cells whose fields are tried together, where some field may not go with others
TOGETHER = ("schedule", "pretraining", "initializer")  # such fields; their problems begin with their name


def _clash(field: str, other: str) -> bool:
    """Whether two fields say the same thing: depth and width do not, but each does with hidden."""
    return field == other or ("hidden" in (field, other) and {field, other} <= set(LAYERS))


def check_overrides(
    base: Node, grid: Mapping[str, tuple[Choice, ...]], overrides: Sequence[str], problems: Problems
) -> None:
    """--set of what an axis sets would change nothing, or only half of the runs."""
    keys = (option.partition("=")[0] for option in overrides if not option.startswith(("search.", "grid.")))
    for key in dict.fromkeys(keys):
        for axis, choices in grid.items():
            fields = [field for field in set_by(choices) if _clash(key, field)]
            if fields:
                text = f"the axis {axis} of the grid sets {' and '.join(fields)}"
                problems.add(base.value[key], "", f"{text}; to pick from it use --only {axis}={choices[0].label}")


def check_clashes(base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], problems: Problems) -> None:
    """A field set by two axes, layer sizes given twice, or too many runs."""
    fields_of = {axis: set_by(choices) for axis, choices in grid.items()}
    for position, axis in enumerate(fields_of):
        for other in list(fields_of)[:position]:
            for field in fields_of[axis]:
                clashing = [there for there in fields_of[other] if _clash(field, there)]
                if clashing:
                    text = f"sets {field}, but the axis {other} sets {' and '.join(clashing)}; only one axis can"
                    problems.add(grid_node.value[axis], f"grid.{axis}", text)
        sizes = [field for field in fields_of[axis] if field in ("depth", "width")]
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
    axes = [axis for axis in grid if {"model", "hidden", "depth", *also} & set(set_by(grid[axis]))]
    points = itertools.product(*(grid[axis] for axis in axes))
    return [
        (dict(zip(axes, point, strict=True)), combined(base, *(choice.fields for choice in point))) for point in points
    ]


def _unused(base: Mapping[str, Any], grid: Mapping[str, tuple[Choice, ...]]) -> frozenset[str]:
    """The fields that no run of a sweep needs, as they are written."""
    unused = frozenset.intersection(*(ignored_fields(fields) for _, fields in _kinds(base, grid)))
    return unused | (frozenset(LAYERS) if "hidden" in unused else frozenset())


def check_required(
    base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], fields: Mapping[str, Any], problems: Problems
) -> None:
    """A field without a default that base does not set, nor an axis, or only some of an axis's labels.

    fields: of base. What a run's model has no use for may be missing.
    """
    for field, (value, values) in ((name, about.example) for name, about in ABOUT.items() if about.example):
        axis = next((axis for axis, choices in grid.items() if field in set_by(choices)), None)
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


def check_models(
    base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], fields: Mapping[str, Any], problems: Problems
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
        if model and fields[key] is not None and not any(key in set_by(choices) for choices in grid.values()):
            problems.add(base.value[key], f"base.{key}", no_use(model, key))


def check_fit(
    base: Node, grid_node: Node, grid: Mapping[str, tuple[Choice, ...]], fields: Mapping[str, Any], problems: Problems
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


def check_together(base: Node, grid_node: Node, sweep: Sweep, problems: Problems) -> None:
    """Fields that do not go with the others of a run, told where they are set. The first of them; others `expand`."""
    if not any(map(_depends, used_fields(sweep))):
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


def filled(base: Mapping[str, Any], grid: Mapping[str, tuple[Choice, ...]]) -> dict[str, Any]:
    """base with every default that can matter: none that an axis replaces throughout, or that no model needs."""
    replaced = {field for choices in grid.values() for field in FIELDS if all(field in c.fields for c in choices)}
    replaced |= {"depth", "width"} if "hidden" in replaced | base.keys() else {"hidden"}
    replaced |= _unused(base, grid)
    defaults = {field: value for field, value in DEFAULTS.items() if field not in replaced and value is not None}
    fields = defaults | dict(base)
    return {field: fields[field] for field in FIELDS if field in fields}
