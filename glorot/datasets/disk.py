"""Data sets that stay on disk: one file of bytes, of which only what is trained on next is in memory.

A converted data set is a folder with two files. ``examples.bytes`` has the pixels of the training, the validation and
the test images, one image after the other, and then their classes in the same order; ``manifest.json`` says how many of
what there are::

    examples.bytes    train pixels | valid pixels | test pixels | train, valid, test classes

It is mapped a block at a time. A training epoch takes the blocks in a random order. Several of them together make a
window, and the examples of a window are mixed at random. So an example can be anywhere in its epoch, but the examples
of one block come within one window. The next window is read by a thread while the present one is trained on.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from glorot.datasets import DataFile, Dataset, Examples, FiniteDataset
from glorot.datasets.catalogue import DatasetInfo
from glorot.errors import DataError, GlorotError
from glorot.files import read_bytes, whole
from glorot.randomness import generator

FORMAT = 1
DATA, MANIFEST = "examples.bytes", "manifest.json"
SPLITS = ("train", "valid", "test")
BLOCK_BYTES, WINDOW_BLOCKS = 2**18, 32  # of pixels; part of what a seed means
CHUNK = 10_000  # examples converted together
AGAIN = "make it again with `glorot data convert`"


class DiskDataset:
    """A converted data set. folder: of its two files. manifest: see ``manifest_of``."""

    def __init__(self, name: str, folder: Path, manifest: dict[str, Any]):
        self.name, self.path = name, folder / DATA
        self.counts: dict[str, int] = manifest["examples"]
        self.n_classes, self.n_inputs = manifest["classes"], int(np.prod(manifest["shape"]))
        self.block = max(1, BLOCK_BYTES // self.n_inputs)  # examples
        self._reader = ThreadPoolExecutor(1)
        self._windows: dict[tuple[int, int, int], Future[Examples]] = {}

    def __len__(self) -> int:
        """How many training examples there are."""
        return self.counts["train"]

    @cached_property
    def valid(self) -> Examples:
        return self._part("valid", 0, self.counts["valid"])

    @cached_property
    def test(self) -> Examples:
        return self._part("test", 0, self.counts["test"])

    def _part(self, split: str, start: int, count: int) -> Examples:
        """Examples start .. start+count-1 of a split, copied from a map of just these."""
        before = sum(self.counts[one] for one in SPLITS[: SPLITS.index(split)]) + start
        total = sum(self.counts.values())
        shape = (count, self.n_inputs)
        return Examples(
            self._mapped(before * self.n_inputs, shape), self._mapped(total * self.n_inputs + before, (count,))
        )

    def _mapped(self, offset: int, shape: tuple[int, ...]) -> np.ndarray:
        try:
            return np.array(np.memmap(self.path, np.uint8, "r", offset, shape))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: cannot be read any more: {error}; {AGAIN}") from error

    # The order of the training examples. ---------------------------------------------------------------

    def _blocks(self, seed: int, epoch: int, window: int) -> np.ndarray:
        """The numbers of the blocks of a window, in the order of the epoch."""
        order = generator(seed, "order", epoch).permutation(-(-len(self) // self.block))
        return order[window * WINDOW_BLOCKS : (window + 1) * WINDOW_BLOCKS]

    @lru_cache(maxsize=4)  # noqa: B019  (a data set lives as long as its process)
    def _starts(self, seed: int, epoch: int) -> np.ndarray:
        """Where in an epoch each window begins, and its end: only one of them has the block that is short."""
        blocks = -(-len(self) // self.block)
        order = generator(seed, "order", epoch).permutation(blocks)
        sizes = np.where(order == blocks - 1, len(self) - (blocks - 1) * self.block, self.block)
        return np.concatenate([[0], np.add.reduceat(sizes, np.arange(0, blocks, WINDOW_BLOCKS)).cumsum()])

    @lru_cache(maxsize=4)  # noqa: B019
    def _mixed(self, seed: int, epoch: int, window: int) -> np.ndarray:
        """The window's examples by their number in the data set, in the order in which they are trained on."""
        return self._unmixed(seed, epoch, window)[self._mix(seed, epoch, window)]

    def _unmixed(self, seed: int, epoch: int, window: int) -> np.ndarray:
        ranges = [np.arange(b * self.block, min((b + 1) * self.block, len(self)))
                  for b in self._blocks(seed, epoch, window)]  # fmt: skip
        return np.concatenate(ranges)

    @lru_cache(maxsize=4)  # noqa: B019
    def _mix(self, seed: int, epoch: int, window: int) -> np.ndarray:
        starts = self._starts(seed, epoch)
        index = epoch * (len(starts) - 1) + window
        return generator(seed, "window", index).permutation(int(starts[window + 1] - starts[window]))

    def _pieces(self, seed: int, start: int, count: int) -> Iterator[tuple[int, int, int, int]]:
        """(epoch, window, first, end) of the parts of windows that these positions of the stream are."""
        done = 0
        while done < count:
            epoch, position = divmod(start + done, len(self))
            starts = self._starts(seed, epoch)
            window = int(np.searchsorted(starts, position, "right")) - 1
            first = position - int(starts[window])
            end = min(first + count - done, int(starts[window + 1] - starts[window]))
            yield epoch, window, first, end
            done += end - first

    def order(self, seed: int, start: int, count: int) -> np.ndarray:
        """Which of the training examples these are: (count,) int64."""
        return np.concatenate(
            [
                self._mixed(seed, epoch, window)[first:end]
                for epoch, window, first, end in self._pieces(seed, start, count)
            ]
        )

    def train(self, seed: int, start: int, count: int) -> Examples:
        """Examples start .. start+count-1 of the seed's stream: pixels (count, n_inputs), labels (count,)."""
        parts = []
        for epoch, window, first, end in self._pieces(seed, start, count):
            ready, chosen = self._window(seed, epoch, window), self._mix(seed, epoch, window)[first:end]
            parts.append(Examples(ready.pixels[chosen], ready.labels[chosen]))
        if len(parts) == 1:
            return parts[0]
        return Examples(
            np.concatenate([part.pixels for part in parts]), np.concatenate([part.labels for part in parts])
        )

    # Reading ahead. ------------------------------------------------------------------------------------

    def _window(self, seed: int, epoch: int, window: int) -> Examples:
        """A window's examples, unmixed; the one that follows is being read from now on."""
        last = len(self._starts(seed, epoch)) - 2
        following = (seed, epoch, window + 1) if window < last else (seed, epoch + 1, 0)
        now = (seed, epoch, window)
        kept = {key: self._windows[key] for key in (now, following) if key in self._windows}
        for key in (now, following):
            if key not in kept:
                kept[key] = self._reader.submit(self._read, *key)
        self._windows = kept
        return kept[now].result()

    def _read(self, seed: int, epoch: int, window: int) -> Examples:
        blocks = self._blocks(seed, epoch, window)
        sizes = [min(self.block, len(self) - int(b) * self.block) for b in blocks]
        pixels, labels, at = np.empty((sum(sizes), self.n_inputs), np.uint8), np.empty(sum(sizes), np.uint8), 0
        for b, size in zip(blocks, sizes, strict=True):
            part = self._part("train", int(b) * self.block, size)
            pixels[at : at + size], labels[at : at + size] = part.pixels, part.labels
            at += size
        return Examples(pixels, labels)


# The files. ----------------------------------------------------------------------------------------------


def is_converted(folder: Path | str) -> bool:
    """Whether a folder is a converted data set."""
    return (Path(folder) / DATA).exists()


def files(folder: Path | str) -> list[DataFile]:
    """The data file, with the checksum that the manifest has. Raises DataError."""
    return [DataFile(Path(folder) / DATA, manifest_of(folder)["sha256"])]


def manifest_of(folder: Path | str) -> dict[str, Any]:
    """What a converted data set is: shape, classes, examples per split, chance, about, sha256. Raises DataError where
    it is not what it should be, or does not fit the data file."""
    path, data = Path(folder) / MANIFEST, Path(folder) / DATA
    try:
        found = json.loads(read_bytes(path))
        counts = {split: int(found["examples"][split]) for split in SPLITS}
        shape = [int(side) for side in found["shape"]]
        right = found["format"] == FORMAT and len(shape) in (2, 3) and min(*counts.values(), *shape) > 0
        right = right and 2 <= int(found["classes"]) <= 256 and len(found["sha256"]) == 64
        texts = isinstance(found["about"], str) and isinstance(found["name"], str)
        if not (right and texts):
            raise ValueError("its values are impossible")
    except (OSError, ValueError, KeyError, TypeError) as error:
        missing = f"it has no {error}" if isinstance(error, KeyError) else ""
        reason = missing or getattr(error, "strerror", None) or error
        raise DataError(f"{path}: expected the manifest of a converted data set, but: {reason}; {AGAIN}") from error
    expected = sum(counts.values()) * (int(np.prod(shape)) + 1)
    there = data.stat().st_size if data.is_file() else 0
    if there != expected:
        raise DataError(f"{data}: expected {expected:,} bytes, as {MANIFEST} says, found {there:,}; {AGAIN}")
    return {**found, "examples": counts, "shape": shape, "chance": found.get("chance")}


def load(folder: Path | str, name: str, content: str) -> DiskDataset:
    """The data set, where its manifest names this content. Raises DataError."""
    manifest = manifest_of(folder)
    if content != manifest["sha256"]:
        raise DataError(
            f"{folder}: expected a data set with the SHA-256 {content[:16]}..., found {manifest['sha256'][:16]}...; "
            "remove `content` from the sweep to take it as it is now"
        )
    return DiskDataset(name, Path(folder), manifest)


def convert(
    dataset: Dataset, info: DatasetInfo, folder: Path, train_examples: int | None, about: str
) -> dict[str, Any]:
    """Write a data set's two files to a folder, a part at a time. Returns the manifest.

    train_examples: how many; None: all, of one that has an end. about: what it was made from. Raises GlorotError.
    """
    if len(info.image_shape) not in (2, 3) or info.floats:
        raise GlorotError(
            f"expected a data set of images of bytes, but the examples of {info.label} are none; name another one"
        )
    count = train_examples
    if isinstance(dataset, FiniteDataset):
        count = min(count or len(dataset.examples), len(dataset.examples))
    if count is None:
        raise GlorotError(f"{dataset.name} has no end; say how many images with --train-examples")
    labels: list[np.ndarray] = []
    digest = hashlib.sha256()

    try:
        with whole(folder / DATA) as file:
            for part in itertools.chain(_training(dataset, count), (dataset.valid, dataset.test)):
                labels.append(part.labels)
                digest.update(data := np.ascontiguousarray(part.pixels).tobytes())
                file.write(data)
            digest.update(data := np.concatenate(labels).tobytes())
            file.write(data)
        counts = {"train": count, "valid": len(dataset.valid), "test": len(dataset.test)}
        manifest = {
            "format": FORMAT, "name": dataset.name, "about": about, "sha256": digest.hexdigest(),
            "shape": list(info.image_shape), "classes": dataset.n_classes, "examples": counts, "chance": info.chance,
        }  # fmt: skip
        with whole(folder / MANIFEST) as file:
            file.write((json.dumps(manifest, indent=1) + "\n").encode())
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error.strerror or error}; make room, or name another folder"
        ) from error
    return manifest


def _training(dataset: Dataset, count: int) -> Iterator[Examples]:
    """The first training examples: in the order of the data set, or of seed 0's stream where it has no end."""
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        if isinstance(dataset, FiniteDataset):
            pixels, classes = dataset.examples.pixels, dataset.examples.labels
            yield Examples(pixels[start : start + size], classes[start : start + size])
        else:
            yield dataset.train(0, start, size)
