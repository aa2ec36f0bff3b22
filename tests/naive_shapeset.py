"""Shapeset-3x2 as a reader of the rules would write it: floats, math.sin, one loop a rule, pixels in sets.

Shares with glorot.datasets.shapeset nothing but the random draws: splitmix64 and the address of each draw.
Lengths are in pixels, x to the right, y downwards.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

NAMES = {"T": 3, "P": 4, "E": 20}
LABELS = ["T", "P", "E", "T+P", "P+E", "T+E", "T+T", "P+P", "E+E"]


def word(stream: int, address: int) -> int:
    """Number `address` of the splitmix64 sequence that starts from `stream`."""
    mask = (1 << 64) - 1
    z = (stream + (address + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


@dataclass
class Draws:
    """The draws of one image."""

    stream: int

    def fraction(self, address: int) -> float:
        """Uniform on [0, 1)."""
        return (word(self.stream, address) >> 32) / 2**32

    def integer(self, address: int, n: int) -> int:
        """Uniform on 0..n-1."""
        return math.floor(self.fraction(address) * n)

    def uniform(self, address: int, low: float, high: float) -> float:
        return low + (high - low) * self.fraction(address)


@dataclass
class Shape:
    name: str
    grey: int
    centre: tuple[float, float]
    corners: list[tuple[float, float]]  # relative to the centre

    @property
    def on_canvas(self) -> list[tuple[float, float]]:
        cx, cy = self.centre
        return [(cx + x, cy + y) for x, y in self.corners]

    @property
    def snapped(self) -> list[tuple[int, int]]:
        """The corners on the canvas, in whole pixels."""
        return [(math.floor(x), math.floor(y)) for x, y in self.on_canvas]


@dataclass
class Scene:
    ground: int
    light: bool
    shapes: list[Shape] = field(default_factory=list)
    rejections: int = 0

    @property
    def label(self) -> int:
        names = [shape.name for shape in self.shapes]
        return LABELS.index("+".join(sorted(names, key="TPE".index)))


def rotate(points, angle):
    c, s = math.cos(angle), math.sin(angle)
    return [(c * x - s * y, s * x + c * y) for x, y in points]


def deformed(n, first_angle, scale_x, scale_y, last_angle):
    """Rules 2 and 3: the corners of a shape around its centre."""
    angles = [2 * math.pi * (v / n + 1 / (2 * n) + 1 / 4) for v in range(n)]
    points = [(0.5 * math.cos(angle), 0.5 * math.sin(angle)) for angle in angles]
    points = rotate(points, first_angle)
    points = [(scale_x * x, scale_y * y) for x, y in points]
    points = rotate(points, -math.atan(scale_y / scale_x * math.tan(first_angle)))
    return rotate(points, last_angle)


def area(corners):
    """The shoelace formula."""
    following = corners[1:] + corners[:1]
    return abs(sum(xa * yb - xb * ya for (xa, ya), (xb, yb) in zip(corners, following, strict=True))) / 2


def overlap_times_ratio(first, second):
    """Rule 5: what must not exceed 0.5. The first shape's centre is stored in whole pixels."""
    stored_x, stored_y = math.floor(first.centre[0]), math.floor(first.centre[1])
    dx, dy = second.centre[0] - stored_x, second.centre[1] - stored_y
    d = math.hypot(dx, dy)
    ux, uy = dx / d, dy / d
    p = max((x - stored_x) * ux + (y - stored_y) * uy for x, y in first.on_canvas)
    p += max(-x * ux - y * uy for x, y in second.corners)
    if p < d:
        return 0.0
    return (1 - 2 ** (-(p - d) / d)) * area(second.corners) / area(first.corners)


def placed(draws, size, name, grey, first_angle, last_angle, attempt):
    """Rules 3 and 4: one attempt at one shape."""
    address = 16 + 4 * attempt
    scales = [draws.uniform(address + k, 0.2, 0.8) * size for k in (0, 1)]
    corners = deformed(NAMES[name], first_angle, max(scales), min(scales), last_angle)
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    centre = (
        draws.uniform(address + 2, 1 - min(xs), size - 1 - max(xs)),
        draws.uniform(address + 3, 1 - min(ys), size - 1 - max(ys)),
    )
    return Shape(name, grey, centre, corners)


def scene(key: int, index: int, size: int = 32) -> Scene:
    """Rules 1 to 5: what image `index` of the stream `key` shows."""
    draws = Draws(word(key, index))

    def grey(address, light):
        return 140 + draws.integer(address, 116) if light else draws.integer(address, 115)

    light = draws.integer(0, 2) == 1
    result = Scene(grey(1, not light), light)
    for s in range(1 + draws.integer(2, 2)):
        name = "TPE"[draws.integer(4 + 4 * s, 3)]
        rotations = (
            draws.uniform(4 + 4 * s + 2, -math.pi / NAMES[name], math.pi / NAMES[name]),
            2 * math.pi * draws.integer(4 + 4 * s + 3, 255) / 255,
        )
        arguments = (draws, size, name, grey(4 + 4 * s + 1, light), *rotations)
        if s == 0:
            result.shapes.append(placed(*arguments, 0))
            continue
        for attempt in range(1, 51):
            shape = placed(*arguments, attempt)
            if overlap_times_ratio(result.shapes[0], shape) <= 0.5:
                result.shapes.append(shape)
                break
            result.rejections += 1
    return result


def filled(corners: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """The pixels (x, y) that pygame.draw.polygon fills, for corners in whole pixels.

    Row by row: where edges cross it, from the first to the second, from the third to the fourth, ..., ends
    included. Then the horizontal edges, which cross nothing.
    """
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    first, last = min(y for _, y in corners), max(y for _, y in corners)
    pixels = set()

    def fill(y, xa, xb):
        pixels.update((x, y) for x in range(min(xa, xb), max(xa, xb) + 1))

    for y in range(first, last + 1):
        crossings = []
        for edge in edges:
            (xa, ya), (xb, yb) = sorted(edge, key=lambda corner: corner[1])
            if ya <= y < yb or ya < y == yb == last:  # the upper end, but the lower one in the last row only
                crossings.append(math.floor(xa + Fraction((y - ya) * (xb - xa), yb - ya)))
        crossings.sort()
        for xa, xb in zip(crossings[::2], crossings[1::2], strict=True):
            fill(y, xa, xb)
    for (xa, ya), (xb, yb) in edges:
        if first < ya == yb < last:
            fill(ya, xa, xb)
    if first == last:
        fill(first, min(x for x, _ in corners), max(x for x, _ in corners))
    return pixels


def image(scene: Scene, size: int = 32) -> np.ndarray:
    """Rule 6: the image, (size, size) uint8."""
    pixels = np.full((size, size), scene.ground, np.uint8)
    for shape in scene.shapes:
        for x, y in filled(shape.snapped):
            pixels[y, x] = shape.grey
    return pixels
