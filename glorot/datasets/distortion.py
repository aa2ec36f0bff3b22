"""What augmentation and preprocessing do to pixels, compiled. tests/naive.py has the slow twin.

A new image takes, at each of its pixels, the value of the old one at some other place, between four of its pixels::

      new image, pixel (x, y)                            old image
    +---------------------+      position (px, py)     +------------------+
    |          .          |     ------------------->   |     a   b        |    value = bilinear(a, b, c, d),
    |         (x,y)       |     affine map + field     |      (px,py)     |    rounded to a byte
    +---------------------+                            |     c   d        |
                                                       +------------------+

Outside of the old image there is the data set's background or, where it has none, the nearest pixel of the edge.

The distortion of example i in epoch e is a function of (seed, e, i) alone: its draws are words of a counter-based
generator (the one of ``shapeset.py``). All is done by IEEE operations in a fixed order: the same bits everywhere.
"""

import math

import numpy as np

from glorot.compiled.cache import inner, jit
from glorot.datasets.augmentation import Augmentation
from glorot.datasets.draws import word
from glorot.randomness import PURPOSES

SHIFT, ANGLE, SCALE, SHEAR, FLIP, FIELD = 0, 2, 3, 5, 6, 16  # addresses of an image's draws
TRUNCATED = 4.0  # standard deviations at which the Gaussian ends
F = np.float32
NEAREST = -1  # as a background: the nearest pixel of the edge


@inner
def uniform(stream, address):
    """U(-1, 1), float64: 53 bits of a word."""
    return np.float64(word(stream, address) >> np.uint64(11)) * 2.0**-52 - 1.0


@inner
def whole(stream, address, most):
    """A whole number from -most to most, all equally likely."""
    number = np.int64(((word(stream, address) >> np.uint64(32)) * np.uint64(2 * most + 1)) >> np.uint64(32))
    return number - most


@inner
def sine_cosine(angle):
    """Of an angle of up to pi in radians, by their series: no libm, so the same bits everywhere."""
    square, sine, cosine = angle * angle, 0.0, 0.0
    for k in range(13, 0, -1):
        sine = 1.0 - square / (2 * k * (2 * k + 1)) * (sine if k < 13 else 1.0)
        cosine = 1.0 - square / (2 * k * (2 * k - 1)) * (cosine if k < 13 else 1.0)
    return angle * sine, cosine


@inner
def smooth(field, taps, rows, padded):
    """Convolve a field with taps, along its rows and then its columns, in place; outside it is 0.

    field: (height, width) float32. taps: (2 r + 1,) float32. rows: as field, room. padded: room for the longer side
    and r on either side of it.
    """
    height, width = field.shape
    radius = len(taps) // 2
    padded[:] = F(0)
    rows[:] = F(0)
    for y in range(height):
        padded[radius : radius + width] = field[y]
        for k in range(len(taps)):
            tap, below = taps[k], padded[k : k + width]
            for x in range(width):
                rows[y, x] += tap * below[x]
    field[:] = F(0)
    for y in range(height):
        for k in range(max(0, radius - y), min(len(taps), height + radius - y)):
            tap, source = taps[k], rows[y + k - radius]
            for x in range(width):
                field[y, x] += tap * source[x]


@inner
def affine(stream, shift, rotation, scaling, shear, flip, matrix):
    """Draw an image's affine map and write its inverse to matrix, (2, 3): from a new place to the old one, both
    relative to the centre."""
    sx, sy = 1.0 + scaling * uniform(stream, SCALE), 1.0 + scaling * uniform(stream, SCALE + 1)
    k = shear * uniform(stream, SHEAR)
    sine, cosine = sine_cosine(rotation * uniform(stream, ANGLE))
    sign = -1.0 if flip and word(stream, FLIP) >> np.uint64(63) == np.uint64(1) else 1.0
    tx, ty = whole(stream, SHIFT, shift), whole(stream, SHIFT + 1, shift)
    # forward: flip * rotation * [[1, k], [0, 1]] * diag(sx, sy); backward, one after the other:
    matrix[0, 0], matrix[0, 1] = sign * (cosine + k * sine) / sx, (sine - k * cosine) / sx
    matrix[1, 0], matrix[1, 1] = sign * -sine / sy, cosine / sy
    for row in range(2):
        matrix[row, 2] = -(matrix[row, 0] * tx + matrix[row, 1] * ty)


@inner
def frame(image, background, padded):
    """The image with what is around it, one pixel before and two behind. image: (height, width) uint8."""
    height, width = image.shape
    for y in range(height + 3):
        for x in range(width + 3):
            inside_y, inside_x = min(max(y - 1, 0), height - 1), min(max(x - 1, 0), width - 1)
            outside = inside_y != y - 1 or inside_x != x - 1
            padded[y, x] = F(background) if outside and background >= 0 else F(image[inside_y, inside_x])


@inner
def sample(padded, matrix, dx, dy, alpha, background, new):
    """Fill the new image. dx, dy: fields of displacements, (height, width) float32, which alpha multiplies; where alpha
    is 0 they are not read."""
    height, width = new.shape
    cx, cy = (width - 1) / 2, (height - 1) / 2
    margin = 1.0 if background >= 0 else 0.0
    for y in range(height):
        for x in range(width):
            px = matrix[0, 0] * (x - cx) + matrix[0, 1] * (y - cy) + matrix[0, 2] + cx
            py = matrix[1, 0] * (x - cx) + matrix[1, 1] * (y - cy) + matrix[1, 2] + cy
            if alpha > 0:
                px += alpha * dx[y, x]
                py += alpha * dy[y, x]
            px = min(max(px, -margin), width - 1 + margin) + 1.0
            py = min(max(py, -margin), height - 1 + margin) + 1.0
            x0, y0 = np.int64(px), np.int64(py)
            fx, fy = px - x0, py - y0
            above = (1.0 - fx) * padded[y0, x0] + fx * padded[y0, x0 + 1]
            below = (1.0 - fx) * padded[y0 + 1, x0] + fx * padded[y0 + 1, x0 + 1]
            new[y, x] = np.uint8((1.0 - fy) * above + fy * below + 0.5)


@jit
def distort(key, epochs, indices, images, shift, rotation, scaling, shear, alpha, flip, taps, background, new):
    """Distort images, each by its own draws.

    key: of the seed. epochs, indices: (n,) int64, which examples these are. images, new: (n, channels, height, width)
    uint8. rotation: radians. alpha: 0 for no field. taps: of the Gaussian, float32.
    """
    _, channels, height, width = images.shape
    matrix, padded = np.empty((2, 3)), np.empty((height + 3, width + 3), F)
    dx, dy, rows = np.empty((height, width), F), np.empty((height, width), F), np.empty((height, width), F)
    line = np.empty(max(height, width) + len(taps), F)
    for n in range(len(images)):
        stream = word(word(key, epochs[n]), indices[n])
        affine(stream, shift, rotation, scaling, shear, flip, matrix)
        if alpha > 0:
            for y in range(height):
                for x in range(width):
                    bits = word(stream, FIELD + y * width + x)
                    dx[y, x] = F(np.int32(bits >> np.uint64(40))) * F(2.0**-23) - F(1)
                    dy[y, x] = F(np.int32((bits >> np.uint64(8)) & np.uint64(0xFFFFFF))) * F(2.0**-23) - F(1)
            smooth(dx, taps, rows, line)
            smooth(dy, taps, rows, line)
        for c in range(channels):
            frame(images[n, c], background, padded)
            sample(padded, matrix, dx, dy, alpha, background, new[n, c])


@jit
def deskew(images, background, new):
    """Shear each image across, about its centre of mass, so that its ink stands upright: its second moments are then
    E[(x - mx)(y - my)] = 0. Ink is what differs from the background (here: from the mean of the edge where there is
    none), over all channels. images, new: (n, channels, height, width) uint8."""
    _, channels, height, width = images.shape
    matrix, padded, nothing = np.zeros((2, 3)), np.empty((height + 3, width + 3), F), np.empty((0, 0), F)
    for n in range(len(images)):
        total = mx = my = xy = yy = 0.0
        for c in range(channels):
            image, ground = images[n, c], background + 0.0
            if background < 0:
                edge = image[0].sum() + image[-1].sum() + image[:, 0].sum() + image[:, -1].sum()
                ground = edge / (2.0 * (height + width))
            for y in range(height):
                for x in range(width):
                    ink = abs(image[y, x] - ground)
                    total += ink
                    mx += ink * x
                    my += ink * y
                    xy += ink * x * y
                    yy += ink * y * y
        slant = 0.0
        if total > 0:
            mx, my = mx / total, my / total
            spread = yy / total - my * my
            slant = (xy / total - mx * my) / spread if spread > 1e-9 else 0.0
        cy = (height - 1) / 2
        matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[1, 1] = 1.0, slant, slant * (cy - my), 1.0
        for c in range(channels):
            frame(images[n, c], background, padded)
            sample(padded, matrix, nothing, nothing, 0.0, background, new[n, c])


def gaussian(sigma: float) -> np.ndarray:
    """Taps of a Gaussian that sum to 1, (2 r + 1,) float32, r = 4 sigma rounded."""
    radius = int(TRUNCATED * sigma + 0.5)
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    return np.array([weight / math.fsum(weights) for weight in weights], F)


def key_of(seed: int) -> int:
    """The 64-bit key of the distortions of a run."""
    return int(np.random.SeedSequence((seed, PURPOSES["distortion"])).generate_state(1, np.uint64)[0])


def distorted(
    pixels: np.ndarray,
    shape: tuple[int, ...],
    augmentation: Augmentation,
    seed: int,
    epochs: np.ndarray,
    indices: np.ndarray,
    background: int | None,
) -> np.ndarray:
    """Distorted images, (n, n_inputs) uint8, each a function of (seed, epoch, index) and its pixels.

    shape: of one image, (height, width) or (channels, height, width). background: None: the nearest pixel.
    """
    images = _images(pixels, shape)
    new, elastic = np.empty_like(images), augmentation.elastic
    distort(
        np.uint64(key_of(seed)), epochs.astype(np.int64), indices.astype(np.int64), images,
        np.int64(augmentation.shift), math.radians(augmentation.rotation), float(augmentation.scaling),
        float(augmentation.shear), elastic.alpha if elastic else 0.0, augmentation.flip,
        gaussian(elastic.sigma) if elastic else np.ones(1, F), np.int64(NEAREST if background is None else background),
        new,
    )  # fmt: skip
    return new.reshape(pixels.shape)


def deskewed(pixels: np.ndarray, shape: tuple[int, ...], background: int | None) -> np.ndarray:
    """Upright images, (n, n_inputs) uint8."""
    images = _images(pixels, shape)
    new = np.empty_like(images)
    deskew(images, np.int64(NEAREST if background is None else background), new)
    return new.reshape(pixels.shape)


def _images(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(n, channels, height, width)."""
    channels = shape[0] if len(shape) == 3 else 1
    return np.ascontiguousarray(pixels).reshape(len(pixels), channels, *shape[-2:])
