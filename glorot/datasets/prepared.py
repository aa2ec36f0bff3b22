"""Data sets whose images are changed: once, for all (preprocessing), or anew each time (augmentation)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glorot.datasets import Dataset, Examples, FiniteDataset
from glorot.datasets.augmentation import Augmentation
from glorot.datasets.catalogue import DatasetInfo
from glorot.datasets.disk import DiskDataset
from glorot.errors import DataError

Images = Callable[[np.ndarray, tuple[int, ...], int | None], np.ndarray]  # pixels, shape, background -> pixels


def _deskewed(pixels: np.ndarray, shape: tuple[int, ...], background: int | None) -> np.ndarray:
    from glorot.datasets.distortion import deskewed

    return deskewed(pixels, shape, background)


@dataclass(frozen=True)
class Preprocessing:
    """change: of images; None: nothing. formula, text: for people."""

    change: Images | None
    formula: str
    text: str


PREPROCESSING = {
    "none": Preprocessing(None, "images as they are", "none"),
    "deskew": Preprocessing(
        _deskewed, "shear each image so that its ink stands upright, by its second moments", "upright by second moments"
    ),
}


def has_images(info: DatasetInfo, of_bytes: bool = False) -> bool:
    """Whether the examples are images, of (height, width) or (channels, height, width). of_bytes: and of bytes."""
    return len(info.image_shape) in (2, 3) and not (of_bytes and info.floats)


class Changed:
    """A data set with all its images preprocessed when they are asked for."""

    def __init__(self, dataset: Dataset, change: Callable[[np.ndarray], np.ndarray]):
        self.dataset, self._change = dataset, change
        self.name, self.n_classes, self.n_inputs = dataset.name, dataset.n_classes, dataset.n_inputs
        self.valid, self.test = self._changed(dataset.valid), self._changed(dataset.test)

    def _changed(self, examples: Examples) -> Examples:
        return Examples(self._change(examples.pixels), examples.labels)

    def train(self, seed: int, start: int, count: int) -> Examples:
        return self._changed(self.dataset.train(seed, start, count))


def preprocessed(dataset: Dataset, name: str, info: DatasetInfo) -> Dataset:
    """The data set after one of PREPROCESSING: a finite one at once, any other as it comes."""
    change = PREPROCESSING[name].change
    if change is None:
        return dataset
    if not has_images(info, of_bytes=True):
        raise DataError(f"preprocessing changes images of bytes, but the examples of {info.label} are none")
    own = change

    def changed(pixels: np.ndarray) -> np.ndarray:
        return own(pixels, info.image_shape, info.background)

    if not isinstance(dataset, FiniteDataset):
        return Changed(dataset, changed)
    parts = [Examples(changed(one.pixels), one.labels) for one in (dataset.examples, dataset.valid, dataset.test)]
    return FiniteDataset(dataset.name, dataset.n_classes, parts[0], parts[1], parts[2])


class Augmented:
    """A data set whose training images are distorted, as a function of (seed, epoch, example): another way each epoch.

    Validation and test images stay as they are.
    """

    def __init__(self, dataset: Dataset, augmentation: Augmentation, info: DatasetInfo):
        self.dataset, self.augmentation, self.info = dataset, augmentation, info
        self.name, self.n_classes, self.n_inputs = dataset.name, dataset.n_classes, dataset.n_inputs
        self.valid, self.test = dataset.valid, dataset.test

    def train(self, seed: int, start: int, count: int) -> Examples:
        from glorot.datasets.distortion import distorted

        examples, position = self.dataset.train(seed, start, count), np.arange(start, start + count)
        source = self.dataset.dataset if isinstance(self.dataset, Changed) else self.dataset
        if isinstance(source, FiniteDataset | DiskDataset):
            epochs, index = position // len(source), source.order(seed, start, count)
        else:  # it has one epoch, which does not end
            epochs, index = np.zeros_like(position), position
        pixels = distorted(
            examples.pixels, self.info.image_shape, self.augmentation, seed, epochs, index, self.info.background
        )
        return Examples(pixels, examples.labels)


def augmented(dataset: Dataset, augmentation: Augmentation | None, info: DatasetInfo) -> Dataset:
    """The data set as it is trained on."""
    return Augmented(dataset, augmentation, info) if augmentation else dataset
