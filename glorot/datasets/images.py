"""Image files -> small arrays: the centre of each image, averaged down, or why a file is no use.

A pixel of the result is the mean of exactly the area it covers, rounded half up, computed in whole numbers: no
machine's arithmetic shows in it. Grey is Rec. 601's luma, of a JPEG its own Y channel (Pillow's draft mode reads that
alone), else as Pillow computes it (0.299 R + 0.587 G + 0.114 B). Grey of 16 bits is averaged as it is, then divided by
257, so that white stays white. Files are read whole, opened by Pillow from memory, and judged by their header before
anything is decoded.
"""

import hashlib
import io
import os
import stat
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glorot.machine import cores, started, starting, working_folder

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_PIXELS = 50_000_000  # of an image, as its header says; a telephone's have less, a "bomb" has more
MAX_BYTES = 200_000_000  # of a file
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # Pillow's other readers are never run
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # what is transparent is laid on white
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")  # grey from 0 to 65,535
ALONE = 1_000  # so few files are not worth starting processes for
CHUNK = 32  # files handed to a process at a time
ORIENTATION = 0x0112  # EXIF's tag; its value -> how to lay the image upright: transpose, flip up-down, left-right
UPRIGHT = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


class Shape(NamedTuple):
    """What images are made into. color: "grey" (one plane) or "rgb" (three: red, green, blue)."""

    height: int
    width: int
    color: str = "grey"

    def __str__(self) -> str:
        return f"{self.height} x {self.width} {self.color}"


@dataclass(frozen=True)
class Image:
    """digest: SHA-256 of the file. pixels: (planes * height * width,) uint8, plane by plane, row by row."""

    digest: bytes
    pixels: np.ndarray


class Unusable(Exception):
    """Why a file gives no image: "KIND", or "KIND: DETAIL" where files of one kind differ."""


def read_image(path: Path, shape: Shape) -> Image:
    """The image in a file. Raises Unusable whatever is wrong with it, and nothing else."""
    try:
        data = _bytes_of(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow only warns of makes no image unusable
            return Image(hashlib.sha256(data).digest(), _decoded(data, shape))
    except Unusable:
        raise
    except MemoryError:
        raise Unusable("too little memory to decode it") from None
    except OSError as error:
        kind = f"cannot be read: {error.strerror}" if error.strerror else f"damaged: {error}"
        raise Unusable(_one_line(kind)) from None
    except Exception as error:  # a decoder may fail in any way on bytes that anyone made
        raise Unusable(_one_line(f"damaged: {type(error).__name__}: {error}")) from None


def read_images(
    paths: Sequence[Path], shape: Shape, advance: Callable[[int], None] = lambda count: None
) -> list[Image | str]:
    """Each file's image, or why there is none, in the order of the paths; on all cores where that pays.

    advance is told of so many more files that are done.
    """
    found: list[Image | str] = [""] * len(paths)
    chunks = [range(start, min(start + CHUNK, len(paths))) for start in range(0, len(paths), CHUNK)]
    alone = len(paths) <= ALONE or cores() == 1
    done = _here(paths, chunks, shape) if alone else _in_processes(paths, chunks, shape)
    for chunk, images in done:
        found[chunk.start : chunk.stop] = images
        advance(len(chunk))
    return found


def averaged(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """A plane (h, w) uint8 or uint16 -> (height, width) uint8: the mean over each target pixel's area, of 16 bits
    divided by 257, rounded half up.

    Areas are counted in 1/height and 1/width of a pixel. All sums are whole numbers, below 2^24 in float32 and below
    2^53 in float64, and so exact in whatever order a BLAS adds them.
    """
    h, w = plane.shape
    top, scale = (65_535, 257) if plane.dtype == np.uint16 else (255, 1)
    kind = np.float32 if top * h < 2**24 else np.float64
    sums = _overlaps(h, height, kind) @ plane.astype(kind)
    sums = sums.astype(np.float64) @ _overlaps(w, width, np.float64).T
    return ((2 * sums.astype(np.int64) + h * w * scale) // (2 * h * w * scale)).astype(np.uint8)


def _overlaps(size: int, parts: int, kind: type) -> np.ndarray:
    """(parts, size): how much of each pixel lies in each of the equal parts of a line, in 1/parts of a pixel."""
    part, pixel = np.arange(parts)[:, None] * size, np.arange(size)[None, :] * parts
    overlap = np.minimum(part + size, pixel + parts) - np.maximum(part, pixel)
    return np.maximum(overlap, 0).astype(kind)


# One file. -----------------------------------------------------------------------------------------


def _bytes_of(path: Path) -> bytes:
    """All of a regular file: anything else (a pipe, a device) might never end."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise Unusable("a link to a folder, which is not followed")
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("not a regular file")
    if status.st_size > MAX_BYTES:
        raise Unusable(f"more than {MAX_BYTES:,} bytes: {status.st_size:,}")
    if status.st_size == 0:
        raise Unusable("empty")
    with open(path, "rb") as file:
        return file.read(MAX_BYTES)


def _decoded(data: bytes, shape: Shape) -> np.ndarray:
    """The pixels of an image file's bytes. Raises Unusable, and whatever Pillow raises."""
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    try:
        picture: Picture = pillow.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise Unusable("not an image of a known format") from None
    except pillow.DecompressionBombError:
        raise Unusable(f"more than {MAX_PIXELS:,} pixels") from None
    if picture.width * picture.height > MAX_PIXELS:  # nothing has been decoded yet
        raise Unusable(f"more than {MAX_PIXELS:,} pixels: {picture.width} x {picture.height}")
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:  # MPO: a JPEG with more JPEGs behind it
        raise Unusable("animated, or of several pages")
    sixteen_bits = picture.mode in SIXTEEN_BITS or (picture.mode == "I" and picture.format in ("PNG", "PPM"))
    if picture.mode not in MODES and not sixteen_bits:
        raise Unusable(f"{picture.mode} colours, which cannot be turned into grey without doubt")
    mode = "RGB" if shape.color == "rgb" else "L"
    picture.draft(mode, picture.size)
    picture.load()  # before anything else that reads on: a second attempt does not see damage that the first one met
    transpose, flip_rows, flip_columns = UPRIGHT.get(_orientation(picture), (False,) * 3)
    if picture.has_transparency_data and not sixteen_bits:
        picture = picture.convert("RGBA")
        picture = pillow.alpha_composite(pillow.new("RGBA", picture.size, "white"), picture)
    height, width = (shape.width, shape.height) if transpose else (shape.height, shape.width)
    picture = picture if sixteen_bits else picture.convert(mode)
    pixels = np.asarray(picture.crop(centre(*picture.size, height, width)))
    if sixteen_bits:
        pixels = _whitened(pixels.astype(np.uint16), picture.info.get("transparency"))
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    small = np.stack([averaged(plane, height, width) for plane in planes])
    small = np.repeat(small, 3, axis=0) if sixteen_bits and mode == "RGB" else small
    small = small.transpose(0, 2, 1) if transpose else small
    return small[:, :: -1 if flip_rows else 1, :: -1 if flip_columns else 1].reshape(-1)


def _orientation(picture: "Picture") -> int:
    """EXIF's word on how the image lies, 1 to 8; 1, upright, where there is none that can be read."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged chunk of EXIF says nothing, whichever way it is damaged
        return 1
    return value if isinstance(value, int) else 1


def _whitened(pixels: np.ndarray, transparent: object) -> np.ndarray:
    """Grey of 16 bits with the one value that is transparent, if any, laid on white."""
    return np.where(pixels == transparent, np.uint16(65_535), pixels) if isinstance(transparent, int) else pixels


def centre(width: int, height: int, to_height: int, to_width: int) -> tuple[int, int, int, int]:
    """The largest box in the middle of an image that has the target's proportions: left, top, right, bottom."""
    wide = width * to_height > height * to_width
    box_width = max(1, height * to_width // to_height) if wide else width
    box_height = height if wide else max(1, width * to_height // to_width)
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height


def _one_line(text: str) -> str:
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:200]


# Many files. ---------------------------------------------------------------------------------------

Done = Iterator[tuple[range, list[Image | str]]]


def _here(paths: Sequence[Path], chunks: Sequence[range], shape: Shape) -> Done:
    for chunk in chunks:
        yield chunk, _read_chunk([paths[i] for i in chunk], shape)


def _read_chunk(paths: Sequence[Path], shape: Shape) -> list[Image | str]:
    from threadpoolctl import threadpool_limits

    found: list[Image | str] = []
    with threadpool_limits(1):  # the processes share the cores already
        for path in paths:
            try:
                found.append(read_image(path, shape))
            except Unusable as error:
                found.append(str(error))
    return found


def _in_processes(paths: Sequence[Path], chunks: Sequence[range], shape: Shape) -> Done:
    """Chunks in the order they are done. A file that kills its process (decoders are C) costs only itself."""
    waiting = deque(chunks)
    while waiting:
        running: dict[Future[list[Image | str]], range] = {}
        pool = _pool(min(cores(), len(waiting)))
        try:
            while waiting or running:
                while waiting and len(running) < 2 * cores():
                    with starting():
                        future = pool.submit(_read_chunk, [paths[i] for i in waiting[0]], shape)
                    running[future] = waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    images = future.result()
                    yield running.pop(future), images
        except BrokenProcessPool:
            for chunk in running.values():
                yield chunk, [_read_apart(paths[i], shape) for i in chunk]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_apart(path: Path, shape: Shape) -> Image | str:
    """A file's image by a process of its own."""
    with _pool(1) as pool:
        try:
            with starting():
                future = pool.submit(_read_chunk, [path], shape)
            return future.result()[0]
        except BrokenProcessPool:
            return "its decoder crashed"


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=started, initargs=(working_folder(),))
