"""A sweep as the text of a file, as results keep it."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glorot.datasets.augmentation import Augmentation
from glorot.datasets.local import LocalData
from glorot.models import schedules
from glorot.registry import fields_of
from glorot.sweeps import needed, yaml_nodes
from glorot.sweeps.about import label_of
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.sweep import PLACES, Choice, Sweep, used_fields, versions_of
from glorot.sweeps.values import Probes
from glorot.sweeps.yaml_nodes import Block


def dump(sweep: Sweep, folder: Path | None = None) -> str:
    """The sweep as YAML that ``load`` reads back to an equal one.

    folder: where the file will lie; paths in it are then relative to that folder, else absolute.
    """
    top: dict[str, Any] = {"name": sweep.name, "description": sweep.description}
    plugins = needed.dumped(used_fields(sweep))
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
