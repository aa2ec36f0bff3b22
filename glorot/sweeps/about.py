"""What glorot knows of a field of a run besides its check and default. It stands with the field in ``fields.py``;
tables, notes, the paper's table, the scorecard, figures, the gate and the docs take it from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from glorot.registry import Registry, parsed, without_mark


class Role(Enum):
    """What a field does to a run.

    DECIDES: the network that comes out. Runs that differ in it are never compared, averaged or drawn as if alike.
    MEASURES: on what the network's errors are measured; the network is the same.
    WATCHES: when it is looked at on the way.
    SERVES: nothing that is stored; it is no part of the run_id.
    """

    DECIDES = "decides"
    MEASURES = "measures"
    WATCHES = "watches"
    SERVES = "serves"


class Paper(Enum):
    """What the paper has of a field, where that is not one value.

    VARIES: it is what its tables compare, what is chosen for each method, or what a repeat differs in.
    SILENT: it does not say. Ours is told beside the paper's results.
    """

    VARIES = "varies"
    SILENT = "silent"


@dataclass(frozen=True)
class About:
    """title: how notes call the field. help: its line in the documentation. column: the type of its column in runs.csv.

    text: how a value is written for people. role: see Role.
    paper: the value in Glorot & Bengio (2010), or a Paper. scaled: whether a run with another value is still one of the
        paper's protocol, only smaller or larger, and says so.
    older: what runs were that are older than the field: they have no column of it, and with this value a run's run_id
        and row of runs.csv are as they were then. A field as old as glorot has none (``is_old``).
    idle: its value in a run whose model has no use for it, where that is not its default. Nothing depends on it: it is
        no part of the run_id, and its column is empty.
    choices: the registry of its named choices. example: a value, and a list of values for an axis, as YAML; of a field
        without a default.
    """

    title: str
    help: str
    column: type = str
    text: Callable[[Any], str] = str
    role: Role = Role.DECIDES
    paper: Any = Paper.VARIES
    scaled: bool = False
    older: Any = ...
    idle: Any = None
    choices: Registry | None = None
    example: tuple[str, str] | None = None

    @property
    def is_old(self) -> bool:
        """Whether every run has it: its own column in runs.csv."""
        return self.older is ...

    @property
    def papers(self) -> str:
        """The paper's value for people; empty where there is none."""
        return "" if isinstance(self.paper, Paper) else self.text(self.paper)

    def shown(self, cell: str) -> str:
        """A cell of the field's column in runs.csv, as it is written for people."""
        return self.text(self.column(cell) if cell else None if self.is_old else self.older)

    def departs(self, value: Any) -> bool:
        """Whether a run with this value is not one of the paper's protocol, of whatever size."""
        stated = self.role is Role.DECIDES and not isinstance(self.paper, Paper)
        return stated and not self.scaled and value != self.paper


def count(number: int) -> str:
    """ "10,000"."""
    return f"{number:,}"


def in_words(text: str) -> str:
    """A choice with parameters, as people say it: "denoising (corruption 0.25, updates 300,000, tied)"."""
    try:
        name, parameters = parsed(text)
    except ValueError:
        return without_mark(text)
    words = []
    for key, value in parameters.items():
        called = key.replace("_", " ")
        if isinstance(value, bool):
            words.append(called if value else f"not {called}")
        else:
            numbers = value if isinstance(value, tuple) else (value,)
            words.append(f"{called} {'-'.join(f'{n:,}' if isinstance(n, int) else str(n) for n in numbers)}")
    return f"{name} ({', '.join(words)})" if words else name


def label_of(value: Any) -> str:
    """A field's value as the label it has in a list axis: 0.1 -> "0.1", (1000, 800) -> "1000-800"."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else without_mark(str(value))


def sizes_text(hidden: "tuple[int, ...] | str") -> str:
    """(300, 300) or "300-300" -> "2 x 300"; "300-200" as it is; "none" where there are none."""
    layers = hidden.split("-") if isinstance(hidden, str) else list(map(str, hidden))
    if layers in ([], [""]):
        return "none"
    return f"{len(layers)} x {layers[0]}" if len(set(layers)) == 1 else "-".join(layers)
