"""Small images in folders, for the tests of data sets built from images."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(place: Path, count: int, seed: int, kind: str = "JPEG", size: int = 40, start: int = 0) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        pixels = np.random.default_rng([seed, number]).integers(0, 256, (size, size + 9, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{seed}_{number}.{kind}", kind)
