"""Examples of a data set for people: a contact sheet of images, each with its distorted versions below it, or a table
of other numbers."""

import io
from pathlib import Path

import numpy as np

from glorot.datasets import Dataset, Examples
from glorot.datasets.augmentation import Augmentation
from glorot.datasets.catalogue import DatasetInfo
from glorot.datasets.local import AnyData
from glorot.errors import DataError

GAP = 2  # pixels between images
VERSIONS = 4  # distorted ones of each image
LEAST_SIDE = 56  # pixels of an image on the sheet, by whole multiples


def sheet(
    dataset: Dataset,
    info: DatasetInfo,
    count: int,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    columns: int = 16,
) -> np.ndarray:
    """The first training images of a seed, (height, width, 3) uint8; with augmentation, a row of originals and below
    it how they are seen in VERSIONS epochs. Raises DataError where the examples are no images."""
    if len(info.image_shape) not in (2, 3):
        raise DataError(f"expected a data set of images, but the examples of {info.label} are none; name another one")
    examples = dataset.train(seed, 0, count)
    if info.floats and augmentation:
        raise DataError(f"augmentation changes images of bytes, but the examples of {info.label} are none")
    rows = [as_bytes(examples.pixels)]
    for epoch in range(VERSIONS if augmentation else 0):
        rows.append(_seen(examples, info, augmentation, seed, epoch))
    images = [_scaled(pixels, info.image_shape) for pixels in rows]
    lines = []
    for first in range(0, count, columns):
        lines += [_line(images_of[first : first + columns], columns) for images_of in images]
    return np.concatenate(lines)


def names_of(name: AnyData, data_folder: Path) -> tuple[list[str], list[str]]:
    """What the inputs and the classes of a data set are called; empty where numbers stand for them."""
    from glorot.datasets import arrays

    if isinstance(name, str) or name.form == "folder":
        return [], []
    manifest = arrays.found(name, data_folder) or {}
    return manifest.get("columns", []), list(manifest.get("classes", []))


def _seen(
    examples: Examples, info: DatasetInfo, augmentation: Augmentation | None, seed: int, epoch: int
) -> np.ndarray:
    from glorot.datasets.distortion import distorted

    assert augmentation
    index = np.arange(len(examples))
    epochs = np.full(len(examples), epoch)
    return distorted(examples.pixels, info.image_shape, augmentation, seed, epochs, index, info.background)


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Numbers to look at: float32 from their least (0) to their largest (255); bytes as they are."""
    if pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    return np.rint((pixels - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)


def _scaled(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(n, height, width, 3), by whole multiples."""
    images = pixels.reshape(len(pixels), -1, *shape[-2:]).transpose(0, 2, 3, 1)
    times = max(1, -(-LEAST_SIDE // max(shape[-2:])))
    return np.broadcast_to(images, (*images.shape[:3], 3)).repeat(times, axis=1).repeat(times, axis=2)


def _line(images: np.ndarray, columns: int) -> np.ndarray:
    """Images side by side on white, with a gap behind each."""
    line = np.full((images.shape[1] + GAP, columns * (images.shape[2] + GAP), 3), 255, np.uint8)
    for place, image in enumerate(images):
        left = place * (image.shape[1] + GAP)
        line[: image.shape[0], left : left + image.shape[1]] = image
    return line


def png(picture: np.ndarray) -> bytes:
    """A picture, (height, width, 3) uint8, as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
