"""Shapeset-3x2: grey images of one or two shapes, made on the fly, as many as are asked for.

The rules are those of Glorot & Bengio (2010); "rule n" below counts them as the list in docs/datasets.md does.
Image i is a pure function of (split, seed, i), the same bits on every device: every draw has an address
of its own, and all geometry is fixed point in int64. Floating point appears in two divisions and one
square root, which IEEE 754 rounds one way only, and never where fusing a multiplication with an addition
would change a bit. The compiled functions need nothing but their arguments, so CUDA can call them as well.

The author's program draws with pygame. The pixels here are the same ones, computed in whole numbers.

Lengths are fractions of the canvas in units of 1/ONE, x to the right, y downwards, until ``snap`` makes
them whole pixels. Sines, cosines, angles (radians) and areas (of the canvas) are in units of 1/ONE, too.
"""

import math
from functools import cached_property
from pathlib import Path

import numpy as np

from glorot.compiled.cache import jit
from glorot.datasets import DataFile, Examples
from glorot.randomness import PURPOSES

CLASS_NAMES = ("T", "P", "E", "T+P", "P+E", "T+E", "T+T", "P+P", "E+E")
SIZE = 32
SMALLEST_SIZE, LARGEST_SIZE = 16, 1024  # the largest shape must fit; products must fit into 63 bits
VALID_COUNT = TEST_COUNT = 10_000
SPLITS = {"train": 0, "valid": 1, "test": 2}  # part of what an image is: never renumber

FRACTION_BITS = 30
ONE = 1 << FRACTION_BITS
HALF = ONE >> 1

DARK_FIRST, DARK_COUNT = 0, 115  # rule 1: 0..114
LIGHT_FIRST, LIGHT_COUNT = 140, 116  # rule 1: 140..255
KINDS = 3  # rule 2: triangle, parallelogram, ellipse
MAX_SIDES = 20
SMALLEST_SCALE, LARGEST_SCALE = round(0.2 * ONE), round(0.8 * ONE)  # rule 3
TURNS = 255  # rule 3: steps of the last rotation
MAX_REJECTIONS = 50  # rule 5
LN2 = round(math.log(2) * ONE)

# Addresses of the draws of one image. Shape s has its own at 4 + 4 * s, attempt k at a place at 16 + 4 * k:
# attempt 0 places the first shape, attempts 1 to MAX_REJECTIONS the second.
POLARITY, GROUND, COUNT = 0, 1, 2
SHAPE, KIND, GREY, ANGLE, TURN = 4, 0, 1, 2, 3
ATTEMPT, SCALE_A, SCALE_B, PLACE_X, PLACE_Y = 16, 0, 1, 2, 3


def _fixed(value: float) -> int:
    """Nearest multiple of 1/ONE. So coarse that any sine is good enough for the same bits everywhere."""
    return round(value * ONE)


def _corners(n: int) -> list[tuple[int, int]]:
    """Rule 2: regular polygon on a circle of radius 0.5, flat edge at the bottom; padded to MAX_SIDES."""
    angles = [2 * math.pi * (v / n + 1 / (2 * n) + 1 / 4) for v in range(n)]
    corners = [(_fixed(0.5 * math.cos(angle)), _fixed(0.5 * math.sin(angle))) for angle in angles]
    return corners + [(0, 0)] * (MAX_SIDES - n)


SIDES = np.array([3, 4, MAX_SIDES])
CORNERS = np.array([_corners(n) for n in (3, 4, MAX_SIDES)])
HALF_SECTORS = np.array([math.floor(math.pi / n * ONE) for n in (3, 4, MAX_SIDES)])
AREAS = np.array([_fixed(n * math.sin(2 * math.pi / n) / (2 * math.pi)) for n in (3, 4, MAX_SIDES)])
TURN_COSINES = np.array([_fixed(math.cos(2 * math.pi * k / TURNS)) for k in range(TURNS)])
TURN_SINES = np.array([_fixed(math.sin(2 * math.pi * k / TURNS)) for k in range(TURNS)])
PAIR_LABELS = np.array([[6, 3, 5], [3, 7, 4], [5, 4, 8]])  # rule 7, by the two kinds

GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


# Draws


@jit
def mix(z):
    """The output function of splitmix64 (Steele, Lea & Flood, 2014): a bijection of uint64."""
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@jit
def word(stream, address):
    """Number `address` of the splitmix64 sequence that starts from `stream`: uint64."""
    return mix(stream + np.uint64(address + 1) * GAMMA)


@jit
def draw(stream, address, n):
    """Integer uniform on 0..n-1, 1 <= n < 2^32: the upper 32 bits times n, divided by 2^32.

    No rejection: a value's probability is off by less than 2^-32, that is 6e-8 of it for n = 255.
    """
    return np.int64(((word(stream, address) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@jit
def draw_grey(stream, address, light):
    """Rule 1: a light or a dark grey."""
    if light:
        return LIGHT_FIRST + draw(stream, address, LIGHT_COUNT)
    return DARK_FIRST + draw(stream, address, DARK_COUNT)


# Fixed-point mathematics


@jit
def times(a, b):
    """a * b, rounded to the nearest unit."""
    return (a * b + HALF) >> FRACTION_BITS


@jit
def sine_cosine(angle):
    """Sine and cosine for |angle| <= pi/3.

    Nested Taylor series, sin x = x (1 - x^2/(2*3) (1 - x^2/(4*5) (...))), to x^13 and x^12: right to a few
    units.
    """
    square = times(angle, angle)
    sine = cosine = ONE
    for k in (12, 10, 8, 6, 4, 2):
        sine = ONE - times(square, sine) // (k * (k + 1))
        cosine = ONE - times(square, cosine) // (k * (k - 1))
    return times(angle, sine), cosine


@jit
def two_to_minus(t):
    """2^-t for t >= 0: the whole part is a shift, the rest a nested Taylor series of exp(-x)."""
    whole = t >> FRACTION_BITS
    if whole > FRACTION_BITS:
        return 0
    x = times(t & (ONE - 1), LN2)
    power = ONE
    for k in (12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1):
        power = ONE - times(x, power) // k
    return power >> whole


@jit
def unit(x, y):
    """(x, y) / |(x, y)|. The factor ONE is a power of two, so a fused multiply-add would change nothing."""
    length = math.sqrt(float(x * x + y * y))
    nearest_x = math.floor(float(x) / length * ONE + 0.5)
    nearest_y = math.floor(float(y) / length * ONE + 0.5)
    return np.int64(nearest_x), np.int64(nearest_y)


@jit
def ceil_divide(a, b):
    """a / b rounded up, for a >= 0 and b > 0."""
    return (a + b - 1) // b


# Shapes


@jit
def draw_scales(stream, attempt):
    """Rule 3: two independent scales; the larger one is for x."""
    address = ATTEMPT + 4 * attempt
    a = SMALLEST_SCALE + draw(stream, address + SCALE_A, LARGEST_SCALE - SMALLEST_SCALE + 1)
    b = SMALLEST_SCALE + draw(stream, address + SCALE_B, LARGEST_SCALE - SMALLEST_SCALE + 1)
    return max(a, b), min(a, b)


@jit
def deform(kind, sine, cosine, turn, scale_x, scale_y, corners):
    """Rule 3: rotate, scale, rotate the base back to horizontal, rotate by `turn` steps.

    The base, (1, 0) at first, lies along (sx cos, sy sin) after the scaling, so no arctangent is needed to
    rotate it back.
    corners: (MAX_SIDES, 2) int64, gets the corners, relative to the centre.
    """
    base_x, base_y = times(scale_x, cosine), times(scale_y, sine)
    side_x, side_y = -times(scale_x, sine), times(scale_y, cosine)
    back_cosine, back_sine = unit(base_x, base_y)
    turn_cosine, turn_sine = TURN_COSINES[turn], TURN_SINES[turn]
    c = (turn_cosine * back_cosine + turn_sine * back_sine + HALF) >> FRACTION_BITS
    s = (turn_sine * back_cosine - turn_cosine * back_sine + HALF) >> FRACTION_BITS
    xx, xy = times(c, base_x) - times(s, base_y), times(c, side_x) - times(s, side_y)
    yx, yy = times(s, base_x) + times(c, base_y), times(s, side_x) + times(c, side_y)
    for v in range(SIDES[kind]):
        x, y = CORNERS[kind, v, 0], CORNERS[kind, v, 1]
        corners[v, 0] = (xx * x + xy * y + HALF) >> FRACTION_BITS
        corners[v, 1] = (yx * x + yy * y + HALF) >> FRACTION_BITS


@jit
def draw_place(stream, address, margin, sides, axis, corners):
    """Rule 4: the centre's coordinate on one axis, uniform where all corners keep the margin."""
    low, high = corners[0, axis], corners[0, axis]
    for v in range(1, sides):
        low = min(low, corners[v, axis])
        high = max(high, corners[v, axis])
    return margin - low + draw(stream, address, ONE - 2 * margin - (high - low) + 1)


@jit
def place(stream, attempt, margin, kind, angle_sine, angle_cosine, turn, corners):
    """Rules 3 and 4: one attempt at a shape whose rotations are given. Returns (x, y, area)."""
    scale_x, scale_y = draw_scales(stream, attempt)
    deform(kind, angle_sine, angle_cosine, turn, scale_x, scale_y, corners)
    address = ATTEMPT + 4 * attempt
    x = draw_place(stream, address + PLACE_X, margin, SIDES[kind], 0, corners)
    y = draw_place(stream, address + PLACE_Y, margin, SIDES[kind], 1, corners)
    return x, y, times(times(scale_x, scale_y), AREAS[kind])


@jit
def support(corners, sides, x, y):
    """How far the shape reaches towards (x, y), times |(x, y)|: the largest inner product with a corner."""
    reach = corners[0, 0] * x + corners[0, 1] * y
    for v in range(1, sides):
        reach = max(reach, corners[v, 0] * x + corners[v, 1] * y)
    return reach


@jit
def overlaps(reach, distance_squared, new_area, old_area):
    """Rule 5: whether the second shape is to be rejected.

    reach: p * d, the sum of both supports along the line of centres, not divided by its length d.
    distance_squared: d * d. So (p - d) / d = (reach - d^2) / d^2 needs no root.
    """
    if reach < distance_squared:
        return False
    overlap = ONE
    if distance_squared > 0:
        t = np.int64(math.floor(float(reach - distance_squared) / float(distance_squared) * ONE))
        overlap = ONE - two_to_minus(t)
    return 2 * overlap * new_area > old_area * ONE


@jit
def whole_pixels(position, size):
    """The pixel a coordinate of the canvas lies in: rounded down, as a cast to an integer does."""
    return (position * size) >> FRACTION_BITS


@jit
def draw_scene(stream, size, kinds, centres, corners):
    """Rules 2 to 5: decide on the shapes of one image; returns how many they are.

    size: edge of the canvas in pixels: the margin of rule 4 and the stored centre of rule 5 depend on it.
    kinds: (2,) int64; centres: (2, 2) int64; corners: (2, MAX_SIDES, 2) int64; all are filled in.
    """
    margin = ceil_divide(ONE, size)
    wanted = 1 + draw(stream, COUNT, 2)
    area = 0
    for shape in range(wanted):
        address = SHAPE + 4 * shape
        kind = draw(stream, address + KIND, KINDS)
        angle = draw(stream, address + ANGLE, 2 * HALF_SECTORS[kind] + 1) - HALF_SECTORS[kind]
        turn = draw(stream, address + TURN, TURNS)
        sine, cosine = sine_cosine(angle)
        kinds[shape] = kind
        if shape == 0:
            x, y, area = place(stream, 0, margin, kind, sine, cosine, turn, corners[0])
            centres[0, 0], centres[0, 1] = x, y
        elif not place_second(stream, size, margin, kinds, area, sine, cosine, turn, centres, corners):
            return 1
    return wanted


@jit
def place_second(stream, size, margin, kinds, old_area, sine, cosine, turn, centres, corners):
    """Rule 5: redraw scale and position until accepted. Returns False at MAX_REJECTIONS rejections.

    The author's program stores the first shape's centre in whole pixels, but its corners as they are, and
    looks from there. The new shape's centre is still exact.
    """
    stored_x = whole_pixels(centres[0, 0], size) * ONE // size
    stored_y = whole_pixels(centres[0, 1], size) * ONE // size
    lost_x, lost_y = centres[0, 0] - stored_x, centres[0, 1] - stored_y
    for attempt in range(1, MAX_REJECTIONS + 1):
        x, y, area = place(stream, attempt, margin, kinds[1], sine, cosine, turn, corners[1])
        centres[1, 0], centres[1, 1] = x, y
        dx, dy = x - stored_x, y - stored_y
        reach = support(corners[0], SIDES[kinds[0]], dx, dy) + lost_x * dx + lost_y * dy
        reach += support(corners[1], SIDES[kinds[1]], -dx, -dy)
        if not overlaps(reach, dx * dx + dy * dy, area, old_area):
            return True
    return False


# Rendering


@jit
def snap(corners, sides, centre, size):
    """Move the corners to the centre and into whole pixels, rounded down, in place."""
    for v in range(sides):
        corners[v, 0] = whole_pixels(centre[0] + corners[v, 0], size)
        corners[v, 1] = whole_pixels(centre[1] + corners[v, 1], size)


@jit
def widen(spans, row, x):
    """Make a row's span hold pixel x."""
    spans[row, 0] = min(spans[row, 0], x)
    spans[row, 1] = max(spans[row, 1], x)


@jit
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


@jit
def paint(corners, sides, grey, spans, size, image):
    """Rule 6: fill a snapped shape. image: (size * size,) uint8."""
    top, bottom = trace(corners, sides, spans)
    for row in range(top, bottom + 1):
        for pixel in range(row * size + spans[row, 0], row * size + spans[row, 1] + 1):
            image[pixel] = grey


@jit
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
    draw_images(np.uint64(key), np.int64(start), np.int64(size), pixels, labels)
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
