"""A small, strict YAML: plain values, each with the place it was read from.

Sweep files need mappings, lists, text, numbers, true, false and null. Everything else YAML can do is refused:
tags, anchors and aliases (and with them bombs), merge keys, doubled keys, keys that are not text, several
documents, NaN and infinities. Scalars follow YAML 1.2, not 1.1: ``no``, ``on``, ``1:30``, ``0777`` and dates are
text, ``1e-3`` is a number; ``5_000_000`` and ``1_000.5`` are numbers too.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from glorot import errors
from glorot.errors import SweepError
from glorot.files import read_bytes
from glorot.printable import is_printable

MAX_BYTES = 2**20
MAX_DEPTH = 20  # a sweep needs 5
MAX_DIGITS = 100

DIGITS = r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)"
INTEGER = re.compile(rf"[-+]?{DIGITS}")
FLOAT = re.compile(rf"[-+]?(?:{DIGITS}(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
CONSTANTS = {"": None, "~": None} | {
    spelling: value
    for word, value in {"null": None, "true": True, "false": False}.items()
    for spelling in (word, word.capitalize(), word.upper())
}


class Node(NamedTuple):
    """value: text, number, bool, None, list of Node, or dict of text -> Node.

    where: "FILE:LINE" of the key, or of the value where it has none; on the command line, the option itself.
    """

    value: Any
    where: str

    def plain(self) -> Any:
        """The value, without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def shown(value: Any) -> str:
    """A value, or the value of a node, as messages show it."""
    return errors.shown(_without_places(value))


def _without_places(value: Any) -> Any:
    if isinstance(value, Node):
        return value.plain()
    if isinstance(value, list | tuple):
        return [_without_places(item) for item in value]
    return value


def read_text(path: Path) -> str:
    """The text of a file. Raises SweepError where it is missing, unreadable, too large or not UTF-8."""
    try:
        data = read_bytes(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise SweepError(f"{path}: no such file; `glorot list` shows the shipped sweeps") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise SweepError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise SweepError(f"{path}: expected a sweep file of at most {MAX_BYTES:,} bytes, found a larger one")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SweepError(f"{path}:{line}: expected text in UTF-8, found {error.reason}") from None


NUMBERED = "schedule"  # the key below which keys may be whole numbers: they stay text, as they are written


def parse(text: str, source: str, numbered: bool = True, key: str = "") -> Node:
    """The one document in text.

    source: file name, or option, for messages. numbered: whether its lines count. key: whose value it is.
    Raises SweepError, and nothing else, on any text.
    """
    return _Parser(text, source, numbered).document(key)


def scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar. Raises ValueError on NaN, infinities and overlong numbers."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if NOT_FINITE.fullmatch(text):
        raise ValueError(f"expected a finite number, found {text}")
    is_integer = INTEGER.fullmatch(text)
    if not is_integer and not FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError(f"expected a number of at most {MAX_DIGITS} characters, found {len(text)}")
    value = int(text) if is_integer else float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {text}, which is too large")
    return value


def means_text(text: str) -> bool:
    """Whether ``text`` without quotes is read as itself."""
    try:
        return scalar(text) == text
    except ValueError:
        return False


class _Parser:
    """Builds nodes from PyYAML's events, which come one by one: nothing grows before it is refused."""

    def __init__(self, text: str, source: str, numbered: bool):
        self.text, self.source, self.numbered = text, source, numbered
        self.events: Iterator[yaml.Event] = iter(())
        self.keys: list[str] = []  # that lead to the value which is read now

    def document(self, key: str) -> Node:
        try:
            # Creating the loader looks at all characters already, so it belongs inside the try.
            self.events = iter(yaml.parse(self.text, Loader=yaml.SafeLoader))
            next(self.events)  # start of the stream
            if isinstance(next(self.events), yaml.StreamEndEvent):
                raise SweepError(f"{self.where(0)}: expected a value, found nothing: it is empty")
            root = self.node(next(self.events), 0, key)
            next(self.events)  # end of the document
            after = next(self.events)
            if not isinstance(after, yaml.StreamEndEvent):
                raise self.error(after, "expected one YAML document, found a second one")
            return root
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = ", ".join(part for part in (error.problem, error.context) if part)
            where = self.where(mark.line if mark else 0)
            raise SweepError(f"{where}: not valid YAML: {' '.join(reason.split())}") from None
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position)
            text = f"not valid YAML: found the character U+{error.character:04X}"
            raise SweepError(f"{self.where(line)}: {text}") from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML on "\UFFFFFFFF" and the like
            raise SweepError(f"{self.where(0)}: not valid YAML: {' '.join(str(error).split())}") from None

    def where(self, line: int) -> str:
        """line: counted from 0, as PyYAML does."""
        return f"{self.source}:{line + 1}" if self.numbered else self.source

    @staticmethod
    def line(event: yaml.Event) -> int:
        return event.start_mark.line if event.start_mark else 0

    def error(self, event: yaml.Event, text: str) -> SweepError:
        return SweepError(f"{self.where(self.line(event))}: {text}")

    def node(self, event: yaml.Event, depth: int, key: str = "") -> Node:
        """The node that begins with this event. key: whose value it is, or is part of as an item of a list."""
        where = self.where(self.line(event))
        if isinstance(event, yaml.AliasEvent):
            raise self.error(event, f"aliases are not supported, found *{event.anchor}; write the value again")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise self.error(event, f"anchors are not supported, found &{event.anchor}")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise self.error(event, f"tags are not supported, found {shown(event.tag)}; write a plain value")
        if isinstance(event, yaml.ScalarEvent):
            return Node(self.scalar(event), where)
        if depth >= MAX_DEPTH:
            raise self.error(event, f"expected at most {MAX_DEPTH} levels of nesting, found more")
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(item, depth + 1, key))
            return Node(items, where)
        return Node(self.mapping(depth, key), where)

    def mapping(self, depth: int, above: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, where = self.node(event, depth + 1)
            if key == "<<" and isinstance(event, yaml.ScalarEvent) and not event.style:
                raise self.error(event, "merge keys (<<) are not supported; write the fields out")
            if above == NUMBERED and type(key) is int and isinstance(event, yaml.ScalarEvent):
                key = event.value
            if not isinstance(key, str) or not key:
                raise self.error(event, f"expected text as a key, found {shown(key)}; put it in quotes if it is meant")
            if key in entries:
                first = entries[key].where
                raise self.error(event, f"the key {shown(key)} is there twice, first at {first}; remove one")
            self.keys.append(key)
            entries[key] = Node(self.node(next(self.events), depth + 1, key).value, where)
            self.keys.pop()
        return entries

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        try:
            event.value.encode()  # "\ud800" is half a character: nothing could be written with it
            return event.value if event.style else scalar(event.value)
        except UnicodeEncodeError:
            raise self.error(event, "expected Unicode text, found half a surrogate pair") from None
        except ValueError as error:
            path = ".".join(self.keys)
            named = f"{path}: " if path and is_printable(path) and len(path) <= 200 else ""
            raise self.error(event, f"{named}{error}") from None


# Writing. ------------------------------------------------------------------------------------------


class Block(dict):
    """A mapping that is written with a line for each key; others go on one line where they can."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML puts quotes around what YAML 1.1 takes for something else; what only we do is ours to quote.
    plain = text.isprintable() and means_text(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _represent_block(dumper: yaml.SafeDumper, block: Block) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", block.items(), flow_style=False)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(tuple, yaml.SafeDumper.represent_list)
_Dumper.add_representer(Block, _represent_block)


def write(value: Any) -> str:
    """Plain values as text that ``parse`` reads back to equal ones, tuples as lists."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=math.inf
    )
