"""What a sweep is: its base, its grid of axes, what is chosen, and the table it gives."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from glorot.datasets.catalogue import DATASETS
from glorot.datasets.local import FORMS

PLACES = tuple(FORMS)  # keys of a data set of the user's own, with a path
VALUES = ("train_loss", "valid_error", "test_error", "valid_loss", "test_loss")  # what a table can show
# The t-tests over seeds by which a table can be marked: reporting/significance.py; docs/significance.md compares them.
TESTS = ("pooled", "welch", "paired", "blocks")
DEFAULT_TEST = "pooled"


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


def versions_of(sweep: Sweep) -> dict[str, int]:
    """The versions of the registered data sets that a sweep uses."""
    used = used_fields(sweep)
    names = dict.fromkeys(fields["dataset"] for fields in used if isinstance(fields.get("dataset"), str))
    return {name: DATASETS[name].version if sweep.versions is None else sweep.versions.get(name, 1) for name in names}


def used_fields(sweep: Sweep) -> list[dict[str, Any]]:
    """The fields of base, and of every choice of every axis."""
    return [sweep.base, *(choice.fields for choices in sweep.grid.values() for choice in choices)]
