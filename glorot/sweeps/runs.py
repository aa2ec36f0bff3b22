"""A sweep -> its runs, in the order of the grid.

A run's id is a hash of what decides its result and of nothing else: a new name for a label or a sweep, or one
more value in an axis, leaves the ids of the runs that were there, and so their results, as they are.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glorot.datasets.catalogue import DATASETS
from glorot.datasets.loading import unpinned
from glorot.datasets.local import AnyData, LocalData, info
from glorot.errors import SweepError, nearest
from glorot.models.architectures import method_of
from glorot.models.losses import LOSSES
from glorot.models.optimizers import OPTIMIZERS
from glorot.models.pretraining import PRETRAINING
from glorot.models.schedules import CONSTANT
from glorot.registry import Registry
from glorot.sweeps import yaml_nodes
from glorot.sweeps.about import Role, label_of
from glorot.sweeps.config import load
from glorot.sweeps.fields import ABOUT, FIELDS, check_field, combined
from glorot.sweeps.settings import Settings
from glorot.sweeps.sweep import Choice, Sweep, versions_of
from glorot.sweeps.yaml_nodes import shown

# Rises when the kernels' or the protocol's meaning changes, so that the same settings give another result.
RESULTS_VERSION = 1
STATUSES = ("done", "diverged", "failed")  # of a run that was made


@dataclass(frozen=True, slots=True)
class Run:
    """One cell of the grid.

    run_id: 12 hexadecimal digits.
    labels: axis -> label of this cell's choice.
    method: the label of the axis "method" where there is one, else derived, as "Tanh N".
    device: its kind, "cpu" or "cuda".
    version: of its data set.
    """

    run_id: str
    labels: dict[str, str]
    method: str
    settings: Settings
    device: str
    version: int = 1

    def value(self, key: str) -> str:
        """The label of an axis, the method, or the text of a field (depth and width too). Raises KeyError."""
        if key in self.labels:
            return self.labels[key]
        if key == "method":
            return self.method
        if key not in FIELDS:
            raise KeyError(key)
        return label_of(getattr(self.settings, key)) if key not in self.settings.ignored else ""

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Its named choices: the kind of the registry, and the choice as text."""
        return [(one.choices.kind, getattr(self.settings, name)) for name, one in ABOUT.items() if one.choices]


def run_id(settings: Settings, device: str, version: int | None = None) -> str:
    """The first 12 hexadecimal digits of a SHA-256 of what decides the result.

    version: of the data set; None: today's.
    """
    return hashlib.sha256(_canonical(settings, device, version).encode()).hexdigest()[:12]


def _canonical(settings: Settings, device: str, version: int | None) -> str:
    """What decides the result, as text in one form only."""
    dataset = settings.dataset.identity if isinstance(settings.dataset, LocalData) else settings.dataset
    left_out = {"dataset"} | {
        name for name, one in ABOUT.items() if one.role is Role.SERVES or getattr(settings, name) == one.older
    }
    left_out |= settings.ignored
    deciding = {
        "settings": settings.model_dump(mode="json", exclude=left_out) | {"dataset": dataset},
        "device": device,
        "results_version": RESULTS_VERSION,
        "dataset_version": version or info(settings.dataset).version,
    }
    return json.dumps(deciding, sort_keys=True, separators=(",", ":"))  # floats as repr: they read back exactly


def with_data(sweep: Sweep, choose: Callable[[AnyData], AnyData]) -> Sweep:
    """The sweep with other data sets, such as `datasets.pinned` chooses: the same ones, with their content."""

    def chosen(fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"dataset": choose(fields["dataset"])} if "dataset" in fields else fields

    def with_chosen(choice: Choice) -> Choice:
        return replace(choice, fields=chosen(choice.fields))

    grid = {axis: tuple(map(with_chosen, choices)) for axis, choices in sweep.grid.items()}
    return replace(sweep, base=chosen(sweep.base), grid=grid)


def stored_sweep(folder: Path, file: Path | None = None) -> Sweep:
    """The sweep of a results' folder: its sweep.yaml, or the file given. Raises SweepError.

    Data sets that are built here have the content that sweep.yaml has, so that this takes no data.
    """
    if file is None:
        return _as_stored(load(folder / "sweep.yaml"))
    sweep, known = load(file), {}
    if (folder / "sweep.yaml").is_file():
        stored = load(folder / "sweep.yaml")
        for fields in [stored.base, *(choice.fields for choices in stored.grid.values() for choice in choices)]:
            if "dataset" in fields:
                known[unpinned(fields["dataset"])] = fields["dataset"]
    by_name: dict[AnyData, list[AnyData]] = {}
    for one in known:
        by_name.setdefault(_without_place(one), []).append(one)

    def content(dataset: AnyData) -> AnyData:
        """Also where the results, or the images, have been moved since."""
        alike = by_name.get(_without_place(dataset), [])
        return known.get(dataset, known[alike[0]] if len(alike) == 1 else dataset)

    return with_data(sweep, content)


def _without_place(dataset: AnyData) -> AnyData:
    """A data set whose folder has only its name."""
    is_folder = isinstance(dataset, LocalData) and bool(dataset.folder)
    return replace(dataset, folder=Path(dataset.folder).name) if is_folder else dataset  # type: ignore[type-var,union-attr]


def _as_stored(sweep: Sweep) -> Sweep:
    """A stored sweep that names no versions is of a time when all were 1, and all inputs were in [0, 1]."""
    if sweep.versions is not None:
        return sweep
    given = any("inputs" in fields for fields in [sweep.base, *(c.fields for cs in sweep.grid.values() for c in cs)])
    others = any(DATASETS[name].inputs != "unit" for name in versions_of(sweep))
    return replace(sweep, versions={}, base=sweep.base | {"inputs": "unit"} if others and not given else sweep.base)


# What a row label says beside activation and initializer, where a sweep compares it.
NAMED_IN_METHODS: dict[str, Registry] = {"loss": LOSSES, "optimizer": OPTIMIZERS, "pretraining": PRETRAINING}


def method_label(settings: Settings, also: Collection[str] = ()) -> str:
    """The paper's name of a method: "Tanh", "Tanh N"; also "loss": "Tanh N, quadratic". also: of NAMED_IN_METHODS."""
    label = method_of(settings.model, settings.hidden, settings.activation, settings.initializer)
    named = {name: choices for name, choices in NAMED_IN_METHODS.items() if name in set(also) - settings.ignored}
    return ", ".join(
        [label, *filter(None, (choices[getattr(settings, name)].suffix for name, choices in named.items()))]
    )


def as_stored(runs: Sequence[Run], others: Iterable[Run], stored: Collection[str]) -> list[Run]:
    """Each run; or where it is not stored, and the same one on another device is, that one. stored: run_ids."""

    def cell(run: Run) -> tuple:
        return (*run.labels.items(), run.settings.updates)  # a search has short runs of the same labels

    elsewhere = {cell(run): run for run in others if run.run_id in stored}
    return [run if run.run_id in stored else elsewhere.get(cell(run), run) for run in runs]


def expand(sweep: Sweep, device: str = "cpu", only: Sequence[str] = ()) -> list[Run]:
    """The runs of a sweep, the last axis turning fastest.

    only: KEY=VALUE, KEY an axis, "method" or a field: the runs to keep. Values of one key are alternatives,
    different keys must all match.
    Raises SweepError: two cells are the same run, or only names what is not there.
    """
    fixed = [place for place, choices in enumerate(sweep.grid.values()) if not _is_free(choices)]
    kinds = _kinds(sweep, device, fixed)
    seen = [kind.settings for kind in kinds.values()]
    compared = {name: {getattr(one, name) for one in seen if name not in one.ignored} for name in NAMED_IN_METHODS}
    also = [name for name, values in compared.items() if len(values) > 1]
    methods = {labels: method_label(kind.settings, also) for labels, kind in kinds.items()}
    runs: dict[str, Run] = {}
    for cell in itertools.product(*sweep.grid.values()):
        labels = {axis: choice.label for axis, choice in zip(sweep.grid, cell, strict=True)}
        of_kind = tuple(cell[place].label for place in fixed)
        kind = kinds[of_kind]
        one, identity = kind.one({name: value for choice in cell for name, value in choice.fields.items()}, sweep, cell)
        run = Run(identity, labels, labels.get("method") or methods[of_kind], one, device, kind.version)
        if run.run_id in runs:
            idle, repeated = _differences(sweep, run, runs[run.run_id])
            if repeated:
                continue
            first, second = (", ".join(f"{axis}={label}" for axis, label in r.labels.items())
                             for r in (runs[run.run_id], run))  # fmt: skip
            why = f", as {run.method} has no use for {' and '.join(idle)}" if idle else ""
            raise SweepError(f"sweep {sweep.name}: [{first}] and [{second}] are the same run{why}; remove one of them")
        runs[run.run_id] = run
    return kept(list(runs.values()), only) if only else list(runs.values())


# Numbers that every run_id has and that no check holds against other fields, where the rate does not change.
FREE = tuple(
    name for name, one in ABOUT.items() if one.is_old and one.column in (int, float) and one.role is not Role.SERVES
)


class _Kind:
    """Cells that differ in FREE fields alone: what is checked, and written for the run_id, once for all of them.

    settings: of one of them. version: of its data set.
    """

    def __init__(self, settings: Settings, device: str, version: int):
        self.settings, self.device, self.version = settings, device, version
        text = _canonical(settings, device, version)
        self.free = () if settings.schedule != CONSTANT else tuple(sorted(set(FREE) - settings.ignored))
        self.parts = []  # the text, with gaps for the free fields, which stand in this order
        for name in self.free:
            before, gap, text = text.partition(f'"{name}":{getattr(settings, name)!r}')
            self.parts.append(before)
            assert gap, f"{name} is in every run_id"
        self.parts.append(text)

    def one(self, fields: Mapping[str, Any], sweep: Sweep, cell: Sequence[Choice]) -> tuple[Settings, str]:
        """The settings of a cell, and its run_id. fields: what its choices set."""
        given = {name: fields[name] for name in FREE if name in fields}
        if not given.keys() <= set(self.free):
            settings = _settings(sweep, cell)
            return settings, run_id(settings, self.device, self.version)
        settings = self.settings.model_copy(update=given) if given else self.settings
        object.__setattr__(settings, "__pydantic_fields_set__", self.settings.model_fields_set)  # of 2 KB, for all
        gaps = [f'"{name}":{getattr(settings, name)!r}' for name in self.free]
        text = "".join(part + gap for part, gap in zip(self.parts, [*gaps, ""], strict=True))
        return settings, hashlib.sha256(text.encode()).hexdigest()[:12]


def _kinds(sweep: Sweep, device: str, fixed: Sequence[int]) -> dict[tuple[str, ...], _Kind]:
    """By the labels of the axes that set more than FREE fields. fixed: which these are. Raises SweepError."""
    kinds: dict[tuple[str, ...], _Kind] = {}
    versions = versions_of(sweep)
    first = [choices if place in fixed else choices[:1] for place, choices in enumerate(sweep.grid.values())]
    for cell in itertools.product(*first):
        one = _settings(sweep, cell)
        version = versions.get(one.dataset, 1) if isinstance(one.dataset, str) else info(one.dataset).version
        kinds[tuple(cell[place].label for place in fixed)] = _Kind(one, device, version)
    return kinds


def _is_free(choices: Sequence[Choice]) -> bool:
    return all(
        choice.fields.keys() <= set(FREE) and choice.fields.keys() == choices[0].fields.keys() for choice in choices
    )


def _differences(sweep: Sweep, run: Run, first: Run) -> tuple[list[str], bool]:
    """The fields that two cells of the same run differ in, of those that its model has no use for; and whether these
    are seeds or settings to choose from, of which one is enough."""
    over = sweep.select.over if sweep.select else ()
    axes = [axis for axis, label in run.labels.items() if label != first.labels[axis]]
    fields = {field for axis in axes for choice in sweep.grid[axis] for field in choice.fields}
    idle = [field for field in FIELDS if field in fields & run.settings.ignored]
    return idle, bool(axes) and len(idle) == len(fields) and all(axis in (*sweep.seed_axes, *over) for axis in axes)


def _settings(sweep: Sweep, cell: Sequence[Choice]) -> Settings:
    """Of one cell. Raises SweepError where fields that are right alone do not go together."""
    try:
        return Settings(**combined(sweep.base, *(choice.fields for choice in cell)))
    except ValidationError as error:
        where = ", ".join(f"{axis}={choice.label}" for axis, choice in zip(sweep.grid, cell, strict=True))
        reason = error.errors()[0].get("ctx", {}).get("error") or error
        raise SweepError(f"sweep {sweep.name}: {f'[{where}]: ' if where else ''}{reason}") from None


def describe(sweep: Sweep, runs: Sequence[Run]) -> str:
    """How many runs these are, and why: "36 runs = 3 method x 3 dataset x 4 learning_rate"."""
    total, product = 1, 1
    counts = []
    for axis, choices in sweep.grid.items():
        kept = len({run.labels[axis] for run in runs})
        total, product = total * len(choices), product * kept
        counts.append(f"{kept} {axis}")
    text = f"{len(runs)} {'run' if len(runs) == total == 1 else 'runs'}"
    if len(runs) < total:
        text = f"{len(runs)} of {total} runs"
    # A selection across axes (--only seed=0 --only ...) can leave a grid with holes: no product then.
    return f"{text} = {' x '.join(counts)}" if counts and product == len(runs) else text


def kept(runs: list[Run], only: Sequence[str]) -> list[Run]:
    """The runs that match all keys of --only."""
    wanted: dict[str, list[tuple[str, Any]]] = {}
    for option in only:
        key, equals, text = option.partition("=")
        if not equals:
            raise SweepError(f"--only {option}: expected KEY=VALUE, found no '='")
        keys = tuple(dict.fromkeys((*runs[0].labels, "method", *FIELDS)))
        if key not in keys:
            found = shown(key) + nearest(key, keys)
            raise SweepError(f"--only {option}: expected a key of {', '.join(keys)}; found {found}")
        value = _value(key, text)
        if not any(_matches(run, key, text, value) for run in runs):
            values = tuple(dict.fromkeys(run.value(key) for run in runs))
            found = shown(text) + nearest(text, values)
            raise SweepError(f"--only {option}: expected {key} to be one of {', '.join(values)}; found {found}")
        wanted.setdefault(key, []).append((text, value))
    chosen = [run for run in runs if all(any(_matches(run, k, *one) for one in ones) for k, ones in wanted.items())]
    if not chosen:
        raise SweepError(f"--only {' --only '.join(only)}: no run matches all of these together")
    return chosen


def _matches(run: Run, key: str, text: str, value: Any) -> bool:
    """Whether text is the run's label or value of key, as written or as YAML, which is `value`: 1e-1 matches 0.1."""
    return run.value(key) == text or (value is not ... and value == getattr(run.settings, key))


def _value(key: str, text: str) -> Any:
    """A field's value, written as YAML; ... where it is none, or the key is no field."""
    if key not in FIELDS:
        return ...
    try:
        return check_field(key, yaml_nodes.parse(text, "--only", numbered=False).plain())
    except (SweepError, ValueError):
        return ...
