"""Named choices: every choice in a sweep is ``NAME`` or ``{NAME: {parameter: value}}``.

A registry is the table of the names of one kind of choice (activations, initializers, ...). An entry is what the name
stands for or, of a choice with parameters, a `Family` of such things. What settings, labels, files and run_ids hold is
the choice as one line of text, in one form only: "tanh", "leaky_relu(slope=0.2)". A registry reads that text too, so
``ACTIVATIONS["leaky_relu(slope=0.2)"]`` is that activation. A choice with parameters always names them all: a default
that changes later changes no run that was.

A name that came from a plug-in has the beginning of its file's SHA-256 in that text, "swish(beta=1.5)@0123456789ab":
with other contents it is another choice. A text whose plug-in is not there is still one of the registry: its entry is a
stand-in that has its label and computes nothing.
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
class Numbers:
    """A parameter that is a number, or a list of numbers, one for each layer. low, high: their bounds; low_open:
    whether low itself is out."""

    default: float
    low: float
    high: float
    most: int = 1000
    low_open: bool = False

    def check(self, value: Any) -> float | tuple[float, ...]:
        one = Number(self.default, self.low, self.high, self.low_open)
        if not isinstance(value, list | tuple):
            return one.check(value)
        if not 1 <= len(value) <= self.most:
            raise ValueError(f"expected a number, or a list of 1 to {self.most}, found {len(value)}")
        return tuple(one.check(item) for item in value)


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
    """A parameter that is true or false. only: the one value that there is so far."""

    default: bool
    only: bool | None = None

    def check(self, value: Any) -> bool:
        if self.only is not None and value is not self.only:
            raise ValueError(f"expected {str(self.only).lower()}, the only choice so far; found {shown(value)}")
        if isinstance(value, bool):
            return value
        raise ValueError(f"expected true or false, found {shown(value)}")


Parameter = Number | Numbers | OneOf | Switch | Text


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


DIGITS = 12  # of a hash, in the texts of choices
MARKED = re.compile(rf"(.+)(@[0-9a-f]{{{DIGITS}}})")


@dataclass(frozen=True)
class Origin:
    """The plug-in that a choice is from: the name of its file, and the SHA-256 of its contents."""

    file: str
    sha256: str

    @property
    def mark(self) -> str:
        """What the texts of its choices end with."""
        return f"@{self.sha256[:DIGITS]}"


def without_mark(text: str) -> str:
    """ "swish(beta=1.5)@0123456789ab" -> "swish(beta=1.5)", as people have it."""
    found = MARKED.fullmatch(text)
    return found[1] if found else text


class Registry(Mapping[str, Entry]):
    """kind: of the choices, for messages: "activation". entries: by name.

    label: what is shown of an entry in tables. stand_in: an entry with this label, for one whose plug-in is not there.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, Entry | Family[Entry]],
        label: Callable[[Entry], str] = str,
        stand_in: Callable[[str], Entry] | None = None,
    ):
        self.kind, self.label, self._stand_in = kind, label, stand_in
        self._entries = dict(entries)
        self._made: dict[str, Entry] = {}
        self._canonical: dict[str, str] = {}  # of texts that were asked for
        self._origins: dict[str, Origin] = {}  # by name, of those from plug-ins
        self._remembered: dict[str, tuple[str, Origin]] = {}  # label and origin by text, as stored results have them

    def add(self, name: str, entry: Entry | Family[Entry], origin: Origin) -> None:
        """A choice from a plug-in, also in place of one from an older version of its file."""
        self._entries[name], self._origins[name] = entry, origin
        self._canonical.clear()
        self._made = {text: made for text, made in self._made.items() if parsed(text)[0] != name}

    def remember(self, text: str, label: str, origin: Origin) -> None:
        """What stored results say of a choice whose plug-in may be gone."""
        self._remembered[text] = label, origin

    def origin(self, text: str) -> Origin | None:
        """The plug-in that a choice is from, or was; None of glorot's own."""
        name, _ = parsed(text)
        here = self._origins.get(name)
        if here and (text == name or text.endswith(here.mark)):
            return here
        return self._remembered[text][1] if text in self._remembered else None

    def is_there(self, text: str) -> bool:
        """Whether a choice, in its canonical text, can be computed with: glorot's own, or from a plug-in as it is."""
        found, name = MARKED.fullmatch(text), parsed(text)[0]
        return name in self._entries and (found[2] if found else "") == self._mark(name)

    def _mark(self, name: str) -> str:
        return self._origins[name].mark if name in self._origins else ""

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
        if self._stand_in and MARKED.fullmatch(text) and not self.is_there(text):
            label = self._remembered[text][0] if text in self._remembered else without_mark(text)
            return self._stand_in(label)
        if text not in self._made:
            try:
                name, parameters = parsed(text)
                family = self._entries[name]
            except ValueError:
                raise KeyError(text) from None
            except KeyError:  # as a label has it, of a plug-in that is not there
                for marked, (label, _) in self._remembered.items():
                    if without_mark(marked) == text and self._stand_in:
                        return self._stand_in(label)
                raise
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
        if not isinstance(value, str):
            return self._canonical_of(value)
        if isinstance(value, str) and self._stand_in and MARKED.fullmatch(value) and not self.is_there(value):
            return value
        if value not in self._canonical:
            self._canonical[value] = self._canonical_of(value)
        return self._canonical[value]

    def _canonical_of(self, value: Any) -> str:
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
        return text_of(name, checked) + self._mark(name)


def text_of(name: str, parameters: Mapping[str, Value]) -> str:
    """ "leaky_relu(slope=0.2)"."""
    inside = ", ".join(f"{key}={json.dumps(value)}" for key, value in parameters.items())
    return f"{name}({inside})" if parameters else name


def parsed(text: str) -> tuple[str, dict[str, Value]]:
    """The name and the parameters of a text; any other text is a name without. Raises ValueError."""
    text = without_mark(text)
    found = re.fullmatch(r"(\w+)\((.+)\)", text)
    if not found:
        return text, {}
    parameters: dict[str, Value] = {}
    for part in re.split(r", (?=\w+=)", found[2]):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"expected PARAMETER=VALUE in {shown(text)}, found {shown(part)}")
        read = json.loads(value)
        parameters[key] = tuple(read) if isinstance(read, list) else read
    return found[1], parameters


def fields_of(text: str) -> Any:
    """The choice as a sweep file has it: NAME, or {NAME: {parameter: value}}; one from a plug-in as its text."""
    if MARKED.fullmatch(text):
        return text
    name, parameters = parsed(text)
    return {name: parameters} if parameters else name
