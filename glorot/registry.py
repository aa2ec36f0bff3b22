"""Named choices: every choice in a sweep is ``NAME`` or ``{NAME: {parameter: value}}``.

A registry is the table of the names of one kind of choice (activations, initializers, ...). An entry is what the name
stands for or, of a choice with parameters, a `Family` of such things. What settings, labels, files and run_ids hold is
the choice as one line of text, in one form only: "tanh", "leaky_relu(slope=0.2)". A registry reads that text too, so
``ACTIVATIONS["leaky_relu(slope=0.2)"]`` is that activation. A choice with parameters always names them all: a default
that changes later changes no run that was.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from glorot.errors import nearest, shown

Entry = TypeVar("Entry")
Value = float | int | bool | str | tuple  # of a parameter: a number, true or false, a word, or several of these

TINY = 1e-30  # the smallest number of a setting; much smaller ones are 0 in float32


@dataclass(frozen=True)
class Number:
    """A parameter that is a number. low, high: its bounds; low_open: whether low itself is out. whole: an integer."""

    default: float
    low: float = -1e6
    high: float = 1e6
    low_open: bool = False
    whole: bool = False

    def check(self, value: Any) -> float:
        """The value as it is stored. Raises ValueError: expected, found."""
        if type(value) is float and 0 < abs(value) < TINY:
            raise ValueError(
                f"expected 0, or {TINY:g} or more, as the kernels have no smaller numbers; found {shown(value)}"
            )
        good = type(value) in (int, float) and self.low <= value <= self.high
        if good and not (self.low_open and value == self.low) and (not self.whole or float(value).is_integer()):
            return int(value) if self.whole else float(value)
        kind = "a whole number" if self.whole else "a number"
        bounds = f"above {self.low:g} and up to" if self.low_open else f"from {self.low:g} to"
        raise ValueError(f"expected {kind} {bounds} {self.high:g}, found {shown(value)}")


@dataclass(frozen=True)
class OneOf:
    """A parameter that is one of some words."""

    default: str
    words: tuple[str, ...]

    def check(self, value: Any) -> str:
        if isinstance(value, str) and value in self.words:
            return value
        raise ValueError(f"expected one of {', '.join(self.words)}; found {shown(value)}{nearest(value, self.words)}")


@dataclass(frozen=True)
class Text:
    """A parameter that is text of one form. pattern: a regular expression of all of it. form: what it is, in words."""

    default: str
    pattern: str
    form: str

    def check(self, value: Any) -> str:
        if isinstance(value, str) and re.fullmatch(self.pattern, value):
            return value
        raise ValueError(f"expected {self.form}, found {shown(value)}")


@dataclass(frozen=True)
class Switch:
    """A parameter that is true or false."""

    default: bool

    def check(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValueError(f"expected true or false, found {shown(value)}")


Parameter = Number | OneOf | Switch | Text


@dataclass(frozen=True)
class Family(Generic[Entry]):
    """A choice with parameters. make: its entry, called with all parameters by name.

    together: where they depend on each other, what checks those that were given (each is checked by then) and returns
    those that the choice's text is to have; raises ValueError.
    """

    make: Callable[..., Entry]
    parameters: Mapping[str, Parameter]
    together: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    @property
    def default(self) -> Entry:
        return self.make(**{name: one.default for name, one in self.parameters.items()})


class Registry(Mapping[str, Entry]):
    """kind: of the choices, for messages: "activation". entries: by name."""

    def __init__(self, kind: str, entries: Mapping[str, Entry | Family[Entry]]):
        self.kind = kind
        self._entries = dict(entries)
        self._made: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, text: object) -> bool:
        try:
            return isinstance(text, str) and self.canonical(text) == text
        except ValueError:
            return False

    def __getitem__(self, text: str) -> Entry:
        """The entry of a choice in its canonical text; of a bare name with parameters, that of its defaults."""
        if text not in self._made:
            try:
                name, parameters = parsed(text)
                family = self._entries[name]
            except ValueError:
                raise KeyError(text) from None
            if isinstance(family, Family):
                defaults = {key: one.check(one.default) for key, one in family.parameters.items()}
                self._made[text] = family.make(**{**defaults, **parameters})
            elif parameters:
                raise KeyError(text)
            else:
                self._made[text] = family
        return self._made[text]

    def parameters(self, name: str) -> Mapping[str, Parameter]:
        """Those of one name; none of a choice without."""
        family = self._entries[name]
        return family.parameters if isinstance(family, Family) else {}

    def canonical(self, value: Any) -> str:
        """The choice as text, from NAME, {NAME: {parameter: value}} or such a text. Raises ValueError."""
        if isinstance(value, Mapping) and len(value) == 1:
            ((name, given),) = value.items()
        elif isinstance(value, str):
            name, given = parsed(value)
        else:
            raise ValueError(
                f"expected one of {', '.join(self)}, or {{NAME: {{parameter: value}}}}; found {shown(value)}"
            )
        if not isinstance(name, str) or name not in self._entries:
            raise ValueError(f"expected one of {', '.join(self)}; found {shown(name)}{nearest(name, self)}")
        parameters = self.parameters(name)
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            allowed = ", ".join(parameters) or "none"
            raise ValueError(f"expected the parameters of {name} by name ({allowed}), found {shown(given)}")
        for key in given:
            if key not in parameters:
                allowed = f"allowed: {', '.join(parameters)}" if parameters else "it has none"
                raise ValueError(f"{name}: unknown parameter {shown(key)}; {allowed}{nearest(key, parameters)}")
        family = self._entries[name]
        together = family.together if isinstance(family, Family) else None
        checked: dict[str, Any] = {}
        for key, one in parameters.items():
            if together and key not in given:
                continue
            try:
                checked[key] = one.check(given.get(key, one.default))
            except ValueError as error:
                raise ValueError(f"{name}: {key}: {error}") from None
        if together:
            try:
                checked = together(checked)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return text_of(name, checked)


def text_of(name: str, parameters: Mapping[str, Value]) -> str:
    """ "leaky_relu(slope=0.2)"."""
    inside = ", ".join(f"{key}={json.dumps(value)}" for key, value in parameters.items())
    return f"{name}({inside})" if parameters else name


def parsed(text: str) -> tuple[str, dict[str, Value]]:
    """The name and the parameters of a text; any other text is a name without. Raises ValueError."""
    found = re.fullmatch(r"(\w+)\((.+)\)", text)
    if not found:
        return text, {}
    parameters: dict[str, Value] = {}
    for part in re.split(r", (?=\w+=)", found[2]):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"expected PARAMETER=VALUE in {shown(text)}, found {shown(part)}")
        parameters[key] = json.loads(value)
    return found[1], parameters


def fields_of(text: str) -> Any:
    """The choice as a sweep file has it: NAME, or {NAME: {parameter: value}}."""
    name, parameters = parsed(text)
    return {name: parameters} if parameters else name
