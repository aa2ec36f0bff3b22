"""Shapeset-3x2: grey images of one or two shapes, made on the fly, as many as are asked for.

The rules are those of Glorot & Bengio (2010); "rule n" below counts them as the list in docs/datasets.md does.
Image i is a pure function of (split, seed, i), the same bits on every device: every draw has an address of its own
(``draws.py``), and all geometry is fixed point in int64 (``fixed_point.py``). ``shapes.py`` decides which shapes an
image has, and where; they are painted here. Floating point appears in two divisions and one square root, which IEEE 754
rounds one way only, and never where fusing a multiplication with an addition would change a bit. The compiled functions
need nothing but their arguments, so CUDA can call them as well.

The author's program draws with pygame. The pixels here are the same ones, computed in whole numbers.

Lengths are fractions of the canvas in units of 1/ONE, x to the right, y downwards, until ``snap`` makes
them whole pixels. Sines, cosines, angles (radians) and areas (of the canvas) are in units of 1/ONE, too.
"""

from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from glorot.compiled.cache import compiling, inner, jit
from glorot.datasets import DataFile, Examples
from glorot.datasets.draws import draw, word
from glorot.datasets.fixed_point import whole_pixels
from glorot.datasets.shapes import GREY, GROUND, MAX_SIDES, POLARITY, SHAPE, SIDES, draw_scene
from glorot.randomness import PURPOSES

CLASS_NAMES = ("T", "P", "E", "T+P", "P+E", "T+E", "T+T", "P+P", "E+E")
SIZE = 32
SMALLEST_SIZE, LARGEST_SIZE = 16, 1024  # the largest shape must fit; products must fit into 63 bits
VALID_COUNT = TEST_COUNT = 10_000
SPLITS = {"train": 0, "valid": 1, "test": 2}  # part of what an image is: never renumber

DARK_FIRST, DARK_COUNT = 0, 115  # rule 1: 0..114
LIGHT_FIRST, LIGHT_COUNT = 140, 116  # rule 1: 140..255
PAIR_LABELS = np.array([[6, 3, 5], [3, 7, 4], [5, 4, 8]])  # rule 7, by the two kinds


# Rendering


@inner
def draw_grey(stream, address, light):
    """Rule 1: a light or a dark grey."""
    if light:
        return LIGHT_FIRST + draw(stream, address, LIGHT_COUNT)
    return DARK_FIRST + draw(stream, address, DARK_COUNT)


@inner
def snap(corners, sides, centre, size):
    """Move the corners to the centre and into whole pixels, rounded down, in place."""
    for v in range(sides):
        corners[v, 0] = whole_pixels(centre[0] + corners[v, 0], size)
        corners[v, 1] = whole_pixels(centre[1] + corners[v, 1], size)


@inner
def widen(spans, row, x):
    """Make a row's span hold pixel x."""
    spans[row, 0] = min(spans[row, 0], x)
    spans[row, 1] = max(spans[row, 1], x)


@inner
def trace(corners, sides, spans):
    """The first and last pixel that pygame fills in each row of a snapped polygon. Returns (first row, last row).

    An edge from (xa, ya) down to (xb, yb) meets row y at xa + (y - ya) (xb - xa) / (yb - ya), rounded down, for
    ya <= y < yb, and its lower end counts in the polygon's last row only. A horizontal edge counts whole, but not
    in the first and the last row, unless there is no other. Of a convex polygon, rounding keeps the corners' order
    from top to bottom on both sides, so two edges meet each row, a horizontal one begins at one of them, and what
    is filled has no gap.

    corners: on the canvas, either way round. spans: (size, 2) int64, gets first and last pixel, both filled.
    """
    top, bottom = corners[0, 1], corners[0, 1]
    for v in range(1, sides):
        top, bottom = min(top, corners[v, 1]), max(bottom, corners[v, 1])
    for row in range(top, bottom + 1):
        spans[row, 0], spans[row, 1] = len(spans), -1
    for v in range(sides):
        after = v + 1 if v + 1 < sides else 0
        xa, ya, xb, yb = corners[v, 0], corners[v, 1], corners[after, 0], corners[after, 1]
        if ya == yb:
            if top < ya < bottom or top == bottom:
                widen(spans, ya, xa)
                widen(spans, ya, xb)
            continue
        if ya > yb:
            xa, ya, xb, yb = xb, yb, xa, ya
        height = yb - ya
        step = (xb - xa) // height
        gain = xb - xa - step * height  # over height: what the rounding drops in each row
        x, dropped = xa, 0
        for row in range(ya, yb):
            widen(spans, row, x)
            x, dropped = x + step, dropped + gain
            if dropped >= height:
                x, dropped = x + 1, dropped - height
        if yb == bottom:
            widen(spans, bottom, xb)
    return top, bottom


@inner
def paint(corners, sides, grey, spans, size, image):
    """Rule 6: fill a snapped shape. image: (size * size,) uint8."""
    top, bottom = trace(corners, sides, spans)
    for row in range(top, bottom + 1):
        for pixel in range(row * size + spans[row, 0], row * size + spans[row, 1] + 1):
            image[pixel] = grey


@inner
def draw_image(stream, size, kinds, centres, corners, spans, image):
    """All rules: one image. Returns its label; the arrays but the last are room to work in."""
    shapes = draw_scene(stream, size, kinds, centres, corners)
    light = draw(stream, POLARITY, 2) == 1
    image[:] = draw_grey(stream, GROUND, not light)
    for shape in range(shapes):
        grey = draw_grey(stream, SHAPE + 4 * shape + GREY, light)
        sides = SIDES[kinds[shape]]
        snap(corners[shape], sides, centres[shape], size)
        paint(corners[shape], sides, grey, spans, size, image)
    return kinds[0] if shapes == 1 else PAIR_LABELS[kinds[0], kinds[1]]


@jit
def draw_images(key, start, size, pixels, labels):
    """Images start .. start+n-1 of the stream `key`. pixels: (n, size * size) uint8; labels: (n,) uint8."""
    kinds = np.empty(2, np.int64)
    centres = np.empty((2, 2), np.int64)
    corners = np.empty((2, MAX_SIDES, 2), np.int64)
    spans = np.empty((size, 2), np.int64)
    for i in range(len(labels)):
        labels[i] = draw_image(word(key, start + i), size, kinds, centres, corners, spans, pixels[i])


# The data set


def stream_key(split: str, seed: int = 0) -> int:
    """The 64-bit key of a stream of images.

    Training streams belong to a seed; the validation and the test set are the same for every seed. Keys are
    hashes, so two streams of 10^8 images have the draws of an image in common with a probability of 10^-11.
    """
    if seed < 0:
        raise ValueError(f"seed is expected to be 0 or more, found {seed}")
    words = (seed if split == "train" else 0, PURPOSES["shapeset"], SPLITS[split])
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


@cache
def _drawing() -> Callable:
    """draw_images, once it is compiled or loaded from the cache."""
    pixels, labels = np.empty((0, SIZE * SIZE), np.uint8), np.empty(0, np.uint8)
    with compiling(draw_images):
        draw_images(np.uint64(0), np.int64(0), np.int64(SIZE), pixels, labels)
    return draw_images


def generate(
    key: int,
    start: int,
    count: int,
    pixels: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    size: int = SIZE,
) -> Examples:
    """Images start .. start+count-1 of the stream `key`, a pure function of (key, index, size).

    Runs on the calling thread and without the GIL, so a caller may cut a range over threads.

    key: 0 .. 2^64-1, as stream_key gives it.
    pixels, labels: where to write, (count, size * size) and (count,) uint8, C order; made if not given.
    size: edge of the canvas in pixels. Shapes scale with it, the margin of one pixel does not.
    Raises ValueError where an argument is out of range or an array does not fit.
    """
    if not 0 <= key < 1 << 64:
        raise ValueError(f"key is expected to be in 0 .. 2^64-1, found {key}")
    if not (start >= 0 and count >= 0 and start + count < 1 << 63):
        raise ValueError(f"start and count are expected to be 0 or more, below 2^63, found {start}, {count}")
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError(f"size is expected to be in {SMALLEST_SIZE} .. {LARGEST_SIZE}, found {size}")
    pixels = _room(pixels, "pixels", (count, size * size))
    labels = _room(labels, "labels", (count,))
    _drawing()(np.uint64(key), np.int64(start), np.int64(size), pixels, labels)
    return Examples(pixels, labels)


def _room(array: np.ndarray | None, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if array is None:
        return np.empty(shape, np.uint8)
    if array.shape != shape or array.dtype != np.uint8 or not array.flags.carray:
        found = f"{array.shape} {array.dtype}"
        raise ValueError(f"{name} is expected to be {shape} uint8, in C order and writeable, found {found}")
    return array


class Shapeset:
    """The data set: an endless training stream for every seed, and a fixed validation and test set.

    size: edge of the canvas in pixels; the paper trains on 32 and draws figure 1 on 64.
    """

    name = "shapeset"
    n_classes = len(CLASS_NAMES)

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.n_inputs = size * size

    @cached_property
    def valid(self) -> Examples:
        return generate(stream_key("valid"), 0, VALID_COUNT, size=self.size)

    @cached_property
    def test(self) -> Examples:
        return generate(stream_key("test"), 0, TEST_COUNT, size=self.size)

    def train(self, seed: int, start: int, count: int) -> Examples:
        """Training examples start .. start+count-1 of the endless stream that belongs to this seed."""
        return generate(stream_key("train", seed), start, count, size=self.size)


def load(folder: Path) -> Shapeset:
    """The data set; the folder is not used."""
    return Shapeset()


def files(folder: Path) -> list[DataFile]:
    """None: Shapeset is made, not stored."""
    return []


def fetch(folder: Path) -> None:
    """Nothing to fetch."""
