"""Distortions of training images, as a sweep describes them. What they do to pixels is in ``distortion.py``.

augmentation: {shift: 2, rotation: 15, scaling: 0.15, shear: 0.15, elastic: {sigma: 4, alpha: 34}, flip: true}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glorot.errors import nearest, shown
from glorot.registry import Number, Parameter, Switch


@dataclass(frozen=True)
class Elastic:
    """The elastic distortion of Simard, Steinkraus & Platt (2003). sigma: pixels. alpha: of a field of displacements
    U(-1, 1) a pixel that a Gaussian which sums to 1 has smoothed; so alpha only means something with this sigma."""

    sigma: float
    alpha: float


@dataclass(frozen=True)
class Augmentation:
    """What every training image undergoes, each time that it is seen, in this order.

    scaling: across and down, each by a factor U(1 - scaling, 1 + scaling). shear: x moves by U(-shear, shear) times y.
    rotation: by U(-rotation, rotation) degrees, about the centre. flip: left and right are exchanged half of the time.
    shift: across and down, each by a whole number of pixels from -shift to shift. elastic: displacements beside these.
    """

    shift: int = 0
    rotation: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    elastic: Elastic | None = None
    flip: bool = False

    def fields(self) -> dict[str, Any]:
        """As a sweep file has it."""
        elastic = {"sigma": self.elastic.sigma, "alpha": self.elastic.alpha} if self.elastic else None
        given = {name: getattr(self, name) for name in PARAMETERS} | {"elastic": elastic}
        return {key: value for key, value in given.items() if value}

    def __str__(self) -> str:
        """ "shift 2, elastic 34 with sigma 4"."""
        parts = [name if value is True else f"{name} {value:g}" for name, value in self.fields().items()
                 if name != "elastic"]  # fmt: skip
        elastic = [f"elastic {self.elastic.alpha:g} with sigma {self.elastic.sigma:g}"] if self.elastic else []
        return ", ".join([*parts, *elastic])


PARAMETERS: dict[str, Parameter] = {
    "shift": Number(0, 0, 1000, whole=True),
    "rotation": Number(0, 0, 180),
    "scaling": Number(0, 0, 0.9),
    "shear": Number(0, 0, 10),
    "flip": Switch(False),
}
ELASTIC: dict[str, Parameter] = {
    "sigma": Number(4, 0, 100, low_open=True),
    "alpha": Number(34, 0, 10_000, low_open=True),
}
EXAMPLE = "{shift: 2, rotation: 15, elastic: {sigma: 4, alpha: 34}}"


def parsed(value: Any) -> Augmentation | None:
    """An augmentation of what a sweep file has; None of null, and of one that changes nothing. Raises ValueError."""
    if value is None or isinstance(value, Augmentation):
        return value
    fields = _checked(value, {**PARAMETERS, "elastic": None}, "augmentation")
    if fields.get("elastic") is not None:
        elastic = _checked(fields["elastic"], ELASTIC, "elastic")
        missing = [name for name in ELASTIC if name not in elastic]
        if missing:
            raise ValueError(f"elastic: expected sigma and alpha, found no {missing[0]}; e.g. {{sigma: 4, alpha: 34}}")
        fields["elastic"] = Elastic(**elastic)
    found = Augmentation(**fields)
    return found if found.fields() else None


def _checked(value: Any, parameters: Mapping[str, Parameter | None], name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected {name} as e.g. {EXAMPLE}, found {shown(value)}")
    fields = {}
    for key, given in value.items():
        if key not in parameters:
            allowed = ", ".join(parameters)
            raise ValueError(f"{name}: unknown key {shown(key)}; allowed: {allowed}{nearest(key, parameters)}")
        try:
            one = parameters[key]
            fields[key] = given if one is None else one.check(given)
        except ValueError as error:
            raise ValueError(f"{name}: {key}: {error}") from None
    return fields
