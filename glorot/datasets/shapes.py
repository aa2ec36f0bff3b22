"""Which shapes an image of Shapeset has, and where: rules 2 to 5, as docs/datasets.md counts them.

Every draw has an address of its own (``draws.py``), and all geometry is fixed point (``fixed_point.py``).
"""

import math

import numpy as np

from glorot.compiled.cache import inner
from glorot.datasets.draws import draw
from glorot.datasets.fixed_point import (
    FRACTION_BITS,
    HALF,
    ONE,
    ceil_divide,
    fixed,
    sine_cosine,
    times,
    two_to_minus,
    unit,
    whole_pixels,
)

KINDS = 3  # rule 2: triangle, parallelogram, ellipse
MAX_SIDES = 20
SMALLEST_SCALE, LARGEST_SCALE = round(0.2 * ONE), round(0.8 * ONE)  # rule 3
TURNS = 255  # rule 3: steps of the last rotation
MAX_REJECTIONS = 50  # rule 5

# Addresses of the draws of one image. Shape s has its own at 4 + 4 * s, attempt k at a place at 16 + 4 * k:
# attempt 0 places the first shape, attempts 1 to MAX_REJECTIONS the second.
POLARITY, GROUND, COUNT = 0, 1, 2
SHAPE, KIND, GREY, ANGLE, TURN = 4, 0, 1, 2, 3
ATTEMPT, SCALE_A, SCALE_B, PLACE_X, PLACE_Y = 16, 0, 1, 2, 3


def _corners(n: int) -> list[tuple[int, int]]:
    """Rule 2: regular polygon on a circle of radius 0.5, flat edge at the bottom; padded to MAX_SIDES."""
    angles = [2 * math.pi * (v / n + 1 / (2 * n) + 1 / 4) for v in range(n)]
    corners = [(fixed(0.5 * math.cos(angle)), fixed(0.5 * math.sin(angle))) for angle in angles]
    return corners + [(0, 0)] * (MAX_SIDES - n)


SIDES = np.array([3, 4, MAX_SIDES])
CORNERS = np.array([_corners(n) for n in (3, 4, MAX_SIDES)])
HALF_SECTORS = np.array([math.floor(math.pi / n * ONE) for n in (3, 4, MAX_SIDES)])
AREAS = np.array([fixed(n * math.sin(2 * math.pi / n) / (2 * math.pi)) for n in (3, 4, MAX_SIDES)])
TURN_COSINES = np.array([fixed(math.cos(2 * math.pi * k / TURNS)) for k in range(TURNS)])
TURN_SINES = np.array([fixed(math.sin(2 * math.pi * k / TURNS)) for k in range(TURNS)])


@inner
def draw_scales(stream, attempt):
    """Rule 3: two independent scales; the larger one is for x."""
    address = ATTEMPT + 4 * attempt
    a = SMALLEST_SCALE + draw(stream, address + SCALE_A, LARGEST_SCALE - SMALLEST_SCALE + 1)
    b = SMALLEST_SCALE + draw(stream, address + SCALE_B, LARGEST_SCALE - SMALLEST_SCALE + 1)
    return max(a, b), min(a, b)


@inner
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


@inner
def draw_place(stream, address, margin, sides, axis, corners):
    """Rule 4: the centre's coordinate on one axis, uniform where all corners keep the margin."""
    low, high = corners[0, axis], corners[0, axis]
    for v in range(1, sides):
        low = min(low, corners[v, axis])
        high = max(high, corners[v, axis])
    return margin - low + draw(stream, address, ONE - 2 * margin - (high - low) + 1)


@inner
def place(stream, attempt, margin, kind, angle_sine, angle_cosine, turn, corners):
    """Rules 3 and 4: one attempt at a shape whose rotations are given. Returns (x, y, area)."""
    scale_x, scale_y = draw_scales(stream, attempt)
    deform(kind, angle_sine, angle_cosine, turn, scale_x, scale_y, corners)
    address = ATTEMPT + 4 * attempt
    x = draw_place(stream, address + PLACE_X, margin, SIDES[kind], 0, corners)
    y = draw_place(stream, address + PLACE_Y, margin, SIDES[kind], 1, corners)
    return x, y, times(times(scale_x, scale_y), AREAS[kind])


@inner
def support(corners, sides, x, y):
    """How far the shape reaches towards (x, y), times |(x, y)|: the largest inner product with a corner."""
    reach = corners[0, 0] * x + corners[0, 1] * y
    for v in range(1, sides):
        reach = max(reach, corners[v, 0] * x + corners[v, 1] * y)
    return reach


@inner
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


@inner
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


@inner
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
