"""Shapeset's drawing, pixel for pixel: against its twin, and against pygame, which drew the author's images."""

import os

import naive_shapeset as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glorot.compiled.cache import jit
from glorot.datasets import fixed_point, shapeset
from glorot.datasets.shapeset import generate, stream_key

paint, whole_pixels = jit(shapeset.paint), jit(fixed_point.whole_pixels)  # compiled, as they are inside of draw_images

KEY = stream_key("test")
SIZES = [(64, 500), (17, 300), (50, 300), (100, 200), (333, 50)]
EDGE = 32  # of the canvas of single polygons


@pytest.fixture(scope="module")
def pygame():
    """pygame, which draws without a screen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
        patch.setitem(os.environ, "PYGAME_HIDE_SUPPORT_PROMPT", "1")
        yield pytest.importorskip("pygame", reason="pygame is not installed: pip install 'glorot[test]'")


def pygame_image(pygame, size, ground, polygons):
    """What pygame draws: (size, size) uint8. polygons: (grey, corners in pixels), the later on top."""
    surface = pygame.Surface((size, size), depth=8)
    surface.fill(ground)
    for grey, corners in polygons:
        pygame.draw.polygon(surface, grey, corners)
    return pygame.surfarray.array2d(surface).T  # it counts columns first


def painted(corners):
    """What the kernel draws of a polygon with corners in whole pixels: (EDGE, EDGE) uint8."""
    image, spans = np.zeros(EDGE * EDGE, np.uint8), np.zeros((EDGE, 2), np.int64)
    paint(np.array(corners), len(corners), 1, spans, EDGE, image)
    return image.reshape(EDGE, EDGE)


def naively_painted(corners):
    image = np.zeros((EDGE, EDGE), np.uint8)
    for x, y in naive.filled(corners):
        image[y, x] = 1
    return image


# Whole images


@pytest.mark.parametrize(("size", "count"), [(32, 10_000), *SIZES])
def test_images_are_pygames(pygame, size, count):
    """The corners go to pygame as real numbers: it makes pixels of them."""
    images = generate(KEY, 0, count, size=size).pixels.reshape(count, size, size)
    for i in range(count):
        scene = naive.scene(KEY, i, size)
        expected = pygame_image(pygame, size, scene.ground, [(shape.grey, shape.on_canvas) for shape in scene.shapes])
        np.testing.assert_array_equal(images[i], expected, err_msg=f"image {i}")


@pytest.mark.parametrize(("size", "count"), [(32, 4_000), *SIZES])
def test_images_are_the_twins(size, count):
    images = generate(KEY, 0, count, size=size).pixels.reshape(count, size, size)
    for i in range(count):
        np.testing.assert_array_equal(images[i], naive.image(naive.scene(KEY, i, size), size), err_msg=f"image {i}")


# Single polygons


def hull(points):
    """The corners of the smallest convex polygon around some points, in order (Andrew, 1979)."""
    halves = []
    for ordered in (sorted(set(points)), sorted(set(points), reverse=True)):
        half = []
        for x, y in ordered:
            while len(half) > 1:
                (xa, ya), (xb, yb) = half[-2:]
                if (xb - xa) * (y - ya) - (yb - ya) * (x - xa) > 0:
                    break
                half.pop()
            half.append((x, y))
        halves += half[:-1]
    return halves or points[:1]


@st.composite
def polygons(draw):
    """Convex ones, also flat and tiny ones, whose corners are then rounded down; in both directions, from any corner.

    Rounded, they need not be convex any more: corners fall together, sides cross.
    """
    units = draw(st.sampled_from([1, 2, 16, 1000]))  # of a pixel
    low, high = sorted(draw(st.tuples(st.integers(0, EDGE * units - 1), st.integers(0, EDGE * units - 1))))
    along, across = st.integers(0, EDGE * units - 1), st.integers(low, high)
    x, y = draw(st.sampled_from([(along, across), (across, along), (across, across)]))
    corners = [(x // units, y // units) for x, y in hull(draw(st.lists(st.tuples(x, y), min_size=1, max_size=24)))]
    first = draw(st.integers(0, len(corners) - 1))
    corners = (corners[first:] + corners[:first])[:: draw(st.sampled_from([1, -1]))]
    return corners + corners[-1:] * (3 - len(corners))


DEGENERATE = {
    "one pixel": [(5, 7), (5, 7), (5, 7)],
    "a corner of the canvas": [(31, 31), (31, 31), (31, 31)],
    "one row": [(5, 7), (20, 7), (9, 7)],
    "one row, all of the canvas": [(31, 0), (0, 0), (12, 0), (31, 0)],
    "one column": [(5, 7), (5, 20), (5, 9)],
    "two pixels": [(5, 7), (5, 8), (5, 8)],
    "a diagonal": [(3, 3), (9, 9), (6, 6)],
    "two rows": [(5, 7), (20, 7), (12, 8)],
    "sides that cross": [(4, 4), (5, 9), (4, 9), (5, 4)],
    "a top row that goes back": [(5, 4), (9, 4), (8, 4), (8, 9), (4, 9), (4, 4)],
    "a bottom row that goes back": [(4, 4), (8, 4), (8, 9), (9, 9), (3, 9), (4, 9)],
    "a bulge in the middle": [(4, 4), (8, 4), (8, 6), (9, 6), (8, 6), (7, 9), (4, 9)],
}


@pytest.mark.parametrize("corners", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_polygons(corners, request):
    np.testing.assert_array_equal(painted(corners), naively_painted(corners))
    pygame = request.getfixturevalue("pygame")
    np.testing.assert_array_equal(painted(corners), pygame_image(pygame, EDGE, 0, [(1, corners)]))


@pytest.mark.parametrize(
    ("corners", "rows"),
    [
        ([(1, 0), (3, 0), (3, 2), (1, 2)], ["0111", "0111", "0111"]),  # the borders belong to it
        ([(0, 0), (3, 2), (0, 2)], ["1000", "1100", "1111"]),
        ([(1, 0), (3, 1), (1, 2), (0, 1)], ["0100", "1111", "0100"]),
        ([(2, 1), (2, 1), (2, 1)], ["0000", "0010", "0000"]),
        ([(3, 1), (0, 1), (2, 1)], ["0000", "1111", "0000"]),
        ([(1, 0), (1, 2), (1, 1)], ["0100", "0100", "0100"]),
    ],
)
def test_small_polygons_by_hand(corners, rows):
    expected = np.zeros((EDGE, EDGE), np.uint8)
    expected[:3, :4] = [[int(pixel) for pixel in row] for row in rows]
    np.testing.assert_array_equal(painted(corners), expected)
    np.testing.assert_array_equal(naively_painted(corners), expected)


@settings(deadline=None, max_examples=500)
@given(polygons())
def test_polygons_are_the_twins(corners):
    np.testing.assert_array_equal(painted(corners), naively_painted(corners))


@settings(deadline=None, max_examples=1000)
@given(polygons())
def test_polygons_are_pygames(pygame, corners):
    np.testing.assert_array_equal(painted(corners), pygame_image(pygame, EDGE, 0, [(1, corners)]))


def test_pixels_are_cut_off_towards_zero():
    """Next to a whole number, on both sides, on canvases whose pixel is no whole number of units."""
    for size in (16, 17, 32, 50, 64, 333, 1024):
        for pixel in (1, 2, size // 2, size - 1):
            border = -(-pixel * fixed_point.ONE // size)  # the first unit of this pixel
            assert whole_pixels(border, size) == pixel
            assert whole_pixels(border - 1, size) == pixel - 1
