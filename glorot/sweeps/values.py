"""The values of a run's fields: which are allowed, their canonical form, and their names in tables."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from glorot.datasets.augmentation import Augmentation
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.inputs import INPUTS
from glorot.datasets.local import FORMS, AnyData, LocalData, exact, form_of
from glorot.datasets.prepared import PREPROCESSING
from glorot.errors import nearest
from glorot.printable import is_printable
from glorot.registry import TINY, Registry, parsed
from glorot.sweeps.about import in_words
from glorot.sweeps.yaml_nodes import shown


def one_of(names: Iterable[str]) -> BeforeValidator:
    names = tuple(names)

    def check(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"expected one of {', '.join(names)}; found {shown(value)}{nearest(value, names)}")

    return BeforeValidator(check)


def one_of_or_none(names: Iterable[str]) -> BeforeValidator:
    check = one_of(names).func
    return BeforeValidator(lambda value: None if value is None else check(value))  # type: ignore[call-arg]


def choice_of(choices: Registry) -> BeforeValidator:
    return BeforeValidator(choices.canonical)


def whole(low: int, high: int) -> BeforeValidator:
    def check(value: Any) -> int:
        number = int(value) if isinstance(value, float) and value.is_integer() else value  # 5e6 is meant well
        if type(number) is int and low <= number <= high:
            return number
        raise ValueError(f"expected a whole number from {low} to {high}, found {shown(value)}")

    return BeforeValidator(check)


def whole_or_none(low: int, high: int) -> BeforeValidator:
    check = whole(low, high).func
    return BeforeValidator(lambda value: None if value is None else check(value))  # type: ignore[call-arg]


def checked_positive(value: Any) -> float:
    if type(value) in (int, float) and TINY <= value <= 1e6:
        return float(value)
    if type(value) is float and 0 < value < TINY:
        raise ValueError(f"expected {TINY:g} or more, as the kernels have no smaller numbers; found {shown(value)}")
    raise ValueError(f"expected a number above 0 and up to 1000000, found {shown(value)}")


def checked_number(value: Any) -> float:
    if type(value) in (int, float) and (value == 0 or TINY <= abs(value) <= 1e6):
        return float(value)
    raise ValueError(f"expected a number from -1000000 to 1000000, found {shown(value)}")


def checked_minutes(value: Any) -> float:
    if type(value) in (int, float) and 0 <= value <= 1e6:
        return float(value)
    raise ValueError(f"expected a number of minutes from 0 to 1000000, found {shown(value)}")


MAX_DEPTH, MAX_WIDTH, MAX_SIDE = 1000, 10**6, 1024
DEFAULT_DEPTH, DEFAULT_WIDTH = 5, 1000
Depth = Annotated[int, whole(0, MAX_DEPTH)]
Width = Annotated[int, whole(1, MAX_WIDTH)]


@functools.cache
def _widths() -> TypeAdapter:
    return TypeAdapter(list[Width])


def checked_layers(value: Any) -> tuple[int, ...]:
    if isinstance(value, list | tuple) and len(value) <= MAX_DEPTH:
        try:
            return tuple(_widths().validate_python(list(value)))
        except ValidationError:
            pass
    raise ValueError(
        f"expected a list of up to {MAX_DEPTH} layer sizes such as [1000, 800], each a whole number from 1 to "
        f"{MAX_WIDTH}; found {shown(value)}"
    )


*_FORMS, _LAST = (text for text, _ in FORMS.values())
OWN = f"{', '.join(_FORMS)} or {_LAST}"
PINNED = ("size", "color", "numbers", "content", "about", "chance")  # of arrays, as a stored sweep has them
LOCAL_KEYS = {
    "folder": ("folder", "size", "color", "split", "balance", "content", "about", "chance"),
    "arrays": ("arrays", "split", *PINNED),
    "table": ("table", "label", "split", *PINNED),
    "svmlight": ("svmlight", "split", *PINNED),
    "idx": ("idx", "split", *PINNED),
    "name": ("name", "content", "about"),
}
OF_A_SWEEP = {form: [key for key in keys if form == "folder" or key not in PINNED] for form, keys in LOCAL_KEYS.items()}


def checked_dataset(value: Any) -> str | LocalData:
    """A choice of the registry: a name, or {boolean: {function: parity, bits: 8}}; or what is built here:
    {folder: PATH, size: [32, 32], color: grey}, also with split: [0.8, 0.1, 0.1] and balance: true; {arrays: FILE.npz},
    {idx: FOLDER}, {table: FILE.csv, label: COLUMN}, also with split.

    A stored sweep also has {name: small_imagenet, content: SHA-256, about: ...}.
    """
    if isinstance(value, LocalData):
        return value
    named = next(iter(value)) if isinstance(value, Mapping) and len(value) == 1 else value
    if isinstance(named, str) and parsed(named)[0] in tuple(DATASETS):
        return DATASETS.canonical(value)
    if not isinstance(value, Mapping):
        found = f"{shown(value)}{nearest(value, DATASETS) or form_of(str(value))}"
        raise ValueError(f"expected one of {', '.join(DATASETS)}, or your own as {OWN}; found {found}")
    form = next((key for key in LOCAL_KEYS if key in value), "")
    if not form:
        found = ", ".join(map(shown, value)) or "nothing"
        meant = _nearest_of(value, (*FORMS, *DATASETS))
        raise ValueError(f"expected a data set of your own as {OWN}; found the keys {found}{meant}")
    for key in value:
        if key not in LOCAL_KEYS[form]:
            keys = OF_A_SWEEP[form]
            raise ValueError(f"unknown key {shown(key)}; allowed: {', '.join(keys)}{nearest(key, keys)}")
    texts = {key: value[key] for key in ("name", form, "label", "content", "about") if key in value}
    for key, text in texts.items():
        if not (isinstance(text, str) and is_printable(text) and len(text) <= 4096):
            raise ValueError(f"expected {key} to be text without control characters, found {shown(text)}")
    if "name" in value and value["name"] != "small_imagenet":
        raise ValueError(f"expected name to be small_imagenet, found {shown(value['name'])}")
    if not value.get(form):
        raise ValueError(f"expected the path of data of your own, as in {OWN}; found none")
    if form == "table" and not value.get("label"):
        raise ValueError("expected the column of the classes, as in {table: FILE.csv, label: COLUMN}; found no label")
    if not re.fullmatch("[0-9a-f]{64}", texts.get("content", "0" * 64)):
        raise ValueError(f"expected content to be a SHA-256 of 64 hexadecimal digits, found {shown(value['content'])}")
    size, color = value.get("size", [32, 32]), value.get("color", "grey")
    pair = isinstance(size, list | tuple) and len(size) == 2
    most = MAX_SIDE if form == "folder" else MAX_WIDTH
    if not (pair and all(type(side) is int and 1 <= side <= most for side in size)):
        raise ValueError(f"expected size to be [height, width], each from 1 to {most}; found {shown(size)}")
    if color not in ("grey", "rgb"):
        raise ValueError(f"expected color to be grey or rgb, found {shown(color)}{nearest(color, ('grey', 'rgb'))}")
    balance, chance = value.get("balance", False), value.get("chance")
    if type(balance) is not bool:
        raise ValueError(f"expected balance to be true or false, found {shown(balance)}")
    if value.get("numbers", "float32") != "float32":
        raise ValueError(f"expected numbers to be float32, found {shown(value['numbers'])}")
    if chance is not None and not (type(chance) in (int, float) and 0 <= chance <= 100):
        raise ValueError(f"expected chance to be an error from 0 to 100, found {shown(chance)}")
    if form != "name":
        texts |= {"folder": texts.pop(form), "form": form, "numbers": value.get("numbers", "")}
    return LocalData(
        size=(size[0], size[1]), color=color, split=_split(value.get("split")), balance=balance, chance=chance, **texts
    )


def _nearest_of(names: Iterable[str], allowed: tuple[str, ...]) -> str:
    """What one of the names may have meant; empty where none is near."""
    return next(filter(None, (nearest(name, allowed) for name in names)), "")


def _split(value: Any) -> tuple[float, float, float] | None:
    """The parts of a data set for training, validation and test; exactly 1 in all, as they are written."""
    if value is None:
        return None
    numbers = isinstance(value, list | tuple) and [share for share in value if type(share) in (int, float)]
    if not (numbers and len(numbers) == len(value) == 3 and min(numbers) > 0 and sum(map(exact, numbers)) == 1):
        raise ValueError(
            "expected split to be three numbers above 0 with the sum 1, for training, validation and test, as in "
            f"[0.8, 0.1, 0.1]; found {shown(value)}"
        )
    return (float(numbers[0]), float(numbers[1]), float(numbers[2]))


@dataclass(frozen=True)
class Probes:
    """When a run is probed (``probes.py``): at the updates named, at every so many from 0 on, and always at its end.

    examples: how many of the first test examples are passed through the network.
    """

    at: tuple[int, ...] = ()
    every: int | None = None
    examples: int = 300

    def due(self, update: int) -> bool:
        return update in self.at or (self.every is not None and update % self.every == 0)

    def next_after(self, update: int, end: int) -> int:
        """The next moment after this update; the run's end where there is none before."""
        moments = [moment for moment in self.at if moment > update]
        moments += [(update // self.every + 1) * self.every] if self.every else []
        return min([*moments, end])

    def fields(self) -> dict[str, Any]:
        """As a sweep file has it."""
        given = {"at": list(self.at), "every": self.every, "examples": self.examples}
        return {key: value for key, value in given.items() if value}

    def __str__(self) -> str:
        return " ".join(f"{key} {value}" for key, value in self.fields().items())


def checked_probes(value: Any) -> Probes | None:
    """{every: 20_000} or {at: [0, 1000], examples: 300}; null for none."""
    if value is None or isinstance(value, Probes):
        return value
    keys = ("at", "every", "examples")
    if not isinstance(value, Mapping) or not {"at", "every"} & value.keys():
        raise ValueError(f"expected e.g. {{every: 20_000}} or {{at: [0, 1000]}}, found {shown(value)}")
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key {shown(key)}; allowed: {', '.join(keys)}{nearest(key, keys)}")
    at = value.get("at", [])
    if not isinstance(at, list | tuple) or len(at) > 10_000:
        raise ValueError(f"expected at to be a list of up to 10000 updates such as [0, 1000], found {shown(at)}")
    given = {"every": whole(1, 10**12), "examples": whole(1, 100_000)}
    moments = []
    try:
        moments = [whole(0, 10**12).func(moment) for moment in at]  # type: ignore[call-arg]
        numbers = {key: check.func(value[key]) for key, check in given.items() if key in value}  # type: ignore[call-arg]
    except ValueError as error:
        raise ValueError(f"in probes: {error}") from None
    return Probes(tuple(sorted(set(moments))), **numbers)


def dataset_text(dataset: AnyData) -> str:
    """ "MNIST"; a folder's own name."""
    return DATASETS[str(dataset)].label if str(dataset) in DATASETS else str(dataset)


def inputs_text(inputs: str) -> str:
    """ "pixels in [-1, 1]"."""
    return INPUTS[inputs].text


def model_text(model: str) -> str:
    """ "multilayer perceptron"; "svm (kernel rbf, C 10.0)"."""
    return "multilayer perceptron" if model == "mlp" else in_words(model)


def preprocessing_text(name: str) -> str:
    """ "upright by second moments"."""
    return PREPROCESSING[name].text


def augmentation_text(augmentation: Augmentation | str | None) -> str:
    """ "elastic 34 with sigma 4"; "none"."""
    return str(augmentation) if augmentation else "none"


def number_text(number: float) -> str:
    """ "0.1"; "0"."""
    return f"{number:g}"


def first_text(number: int | None) -> str:
    """ "the first 20"; "all"."""
    return "all" if number is None else f"the first {number:,}"
