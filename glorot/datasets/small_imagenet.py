"""Small-ImageNet, the paper's grey 37 x 37 photographs in ten classes. Never published, not rebuilt yet."""

from pathlib import Path
from typing import NoReturn

from glorot.datasets import DataFile
from glorot.errors import DataError

HOW_TO_GET = (
    "Small-ImageNet was never published and this version cannot build it yet; "
    "leave it out, for example with `--only dataset=shapeset`"
)


def files(folder: Path) -> list[DataFile]:
    """The one file it will consist of; built locally, so there is no publisher's checksum."""
    return [DataFile(folder / "small-imagenet" / "small-imagenet.npz", "")]


def load(folder: Path) -> NoReturn:
    """Raise DataError: there is nothing to load yet."""
    raise DataError(HOW_TO_GET)


def fetch(folder: Path) -> NoReturn:
    """Raise DataError: there is nowhere to fetch it from."""
    raise DataError(HOW_TO_GET)
