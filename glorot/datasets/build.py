"""Images of several classes -> examples for training, validation and test.

Where an image is not in a ready-made split, its split is a function of the SHA-256 of its file, and of nothing else:
the first tenth of all hashes is for the test set, the second for validation, the rest for training, or what other
shares are asked for. So a larger source never moves an image from one split to another.

Of images that are the same after scaling, pixel by pixel (so of equal files, too), one is kept; where they are in
different classes, none is. So no image is in two splits. Of equal images in ready-made splits the one in the test set
is kept, else the one for validation: nothing is tested that was trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np

from glorot.datasets import Examples
from glorot.datasets.images import Image, Shape, read_images
from glorot.errors import DataError

SPLITS = {"train": "training", "valid": "validation", "test": "test"}  # in the order they are stored; for people
TENTHS = {"valid": Fraction(1, 10), "test": Fraction(1, 10)}  # of all hashes; the rest is for training
PROPORTIONS = {"train": 9, "valid": 1, "test": 1}  # the paper's
MAX_CLASSES = 256
Progress = Callable[[int, int], None]  # of images: how many are done, how many there are


def no_progress(done: int, total: int) -> None:
    """For who does not watch."""


@dataclass(frozen=True)
class Candidate:
    """A file that may become an example. shown: how the manifest calls it. label: the number of its class.

    split: the ready-made one it is in; empty where its hash decides.
    """

    path: Path
    shown: str
    label: int
    split: str = ""


@dataclass(frozen=True)
class Skip:
    """A file that is no example. reason: "KIND" or "KIND: DETAIL". label: None for one that lies in no class."""

    file: str
    label: int | None
    reason: str

    @property
    def kind(self) -> str:
        return self.reason.partition(": ")[0]


Pair = tuple[Candidate, Image]


@dataclass(frozen=True)
class Pool:
    """What there is to take examples from. places: (label, split) -> images, the smallest hash first."""

    class_names: Sequence[str]
    places: Mapping[tuple[int, str], list[Pair]]
    skipped: Sequence[Skip]

    def usable(self, label: int) -> int:
        return sum(len(self.places[label, split]) for split in SPLITS)


Take = Callable[[Pool], Mapping[tuple[int, str], int]]  # how many of each place are taken; raises DataError


@dataclass(frozen=True)
class Built:
    """splits: "train", "valid", "test" -> examples. chosen: split -> how the manifest calls its files, in their order.

    usable: images of each class, left over ones included.
    """

    splits: dict[str, Examples]
    chosen: dict[str, list[str]]
    usable: list[int]
    skipped: list[Skip]


def split_of(digest: bytes, shares: Mapping[str, Fraction] = TENTHS) -> str:
    """The split an image belongs to, by the SHA-256 of its file. shares: of all hashes; the rest is for training."""
    number, bound = int.from_bytes(digest[:8], "big"), Fraction(0)
    for split in ("test", "valid"):
        bound += shares.get(split, 0)
        if number < bound * 2**64:
            return split
    return "train"


def build(
    candidates: Sequence[Candidate],
    class_names: Sequence[str],
    shape: Shape,
    take: Take,
    shares: Mapping[str, Fraction] = TENTHS,
    progress: Progress = no_progress,
) -> Built:
    """Read the files and split what they hold. take: which of it becomes examples, such as `everything`.

    Raises DataError where that is not enough.
    """
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(candidates))

    progress(0, len(candidates))
    images = read_images([one.path for one in candidates], shape, advance)
    found = list(zip(candidates, images, strict=True))
    skipped = [Skip(one.shown, one.label, image) for one, image in found if isinstance(image, str)]
    kept = _without_doubles([(one, image) for one, image in found if isinstance(image, Image)], class_names, skipped)
    kept.sort(key=lambda pair: pair[1].digest)
    pool = Pool(class_names, {(label, split): [] for label in range(len(class_names)) for split in SPLITS}, skipped)
    for one, image in kept:
        pool.places[one.label, one.split or split_of(image.digest, shares)].append((one, image))
    counts = take(pool)
    splits, chosen = {}, {}
    for split in SPLITS:
        places = [(label, split) for label in range(len(class_names))]
        pairs = [pair for place in places for pair in pool.places[place][: counts[place]]]
        pairs.sort(key=lambda pair: pair[1].digest)  # classes mixed, for those who use the first n only
        pixels = np.stack([image.pixels for _, image in pairs])
        splits[split] = Examples(pixels, np.array([one.label for one, _ in pairs], np.uint8))
        chosen[split] = [one.shown for one, _ in pairs]
    return Built(splits, chosen, [pool.usable(label) for label in range(len(class_names))], skipped)


def _without_doubles(usable: Sequence[Pair], class_names: Sequence[str], skipped: list[Skip]) -> list[Pair]:
    """One of each set of equal images, or none; the others go to `skipped`."""
    rank = ("test", "valid", "train", "").index
    equal: dict[bytes, list[Pair]] = {}
    for one, image in sorted(usable, key=lambda pair: (rank(pair[0].split), pair[1].digest, pair[0].shown)):
        equal.setdefault(image.pixels.tobytes(), []).append((one, image))
    kept = []
    for same in equal.values():
        labels = sorted({one.label for one, _ in same})
        if len(labels) > 1:
            reason = "the same image in several classes: " + " and ".join(class_names[label] for label in labels)
            skipped.extend(Skip(one.shown, one.label, reason) for one, _ in same)
            continue
        kept.append(same[0])
        reason = f"the same image as another: {same[0][0].shown}"
        skipped.extend(Skip(one.shown, one.label, reason) for one, _ in same[1:])
    return kept


# What is taken. -------------------------------------------------------------------------------------


def everything(pool: Pool) -> dict[tuple[int, str], int]:
    """All images. Raises DataError for a class with none to train on, and for too few to validate or test."""
    for label, name in enumerate(pool.class_names):
        if not pool.places[label, "train"]:
            there = " and ".join(SPLITS[split] for split in ("valid", "test") if pool.places[label, split])
            found = f"found {pool.usable(label)}, only for {there}" if there else "found none that can be used"
            raise DataError(f"class {name}: expected images to train on, {found}{_such_as(pool, label)}")
    for split in ("valid", "test"):
        counts = [len(pool.places[label, split]) for label in range(len(pool.class_names))]
        if sum(count > 0 for count in counts) < 2:
            found = f"found {sum(counts):,} in one" if any(counts) else "found none"
            raise DataError(
                f"expected images of two classes or more for {SPLITS[split]}, {found}; add images, raise its share as "
                "with split: [0.6, 0.2, 0.2], or sort them into folders train, valid and test"
            )
    return {place: len(pairs) for place, pairs in pool.places.items()}


def equally(pool: Pool) -> dict[tuple[int, str], int]:
    """In each split as many images of each class as the smallest has there. Raises DataError where it has none."""
    everything(pool)
    least = {split: min((len(pool.places[label, split]), label) for label in range(len(pool.class_names)))
             for split in SPLITS}  # fmt: skip
    for split, (count, label) in least.items():
        if count == 0:
            raise DataError(
                f"class {pool.class_names[label]}: expected images for {SPLITS[split]}, as the classes are to be "
                f"balanced; found none among its {pool.usable(label)} usable images; add images, or remove balance"
            )
    return {(label, split): least[split][0] for label, split in pool.places}


def proportionally(most: int | None = None) -> Take:
    """From each class k images to test, k to validate and 9 k to train on (the paper's proportions), with the largest
    k that every class has images for. That is somewhat less than an eleventh of the smallest class, as hashes do not
    fall evenly. most: the largest k."""

    def take(pool: Pool) -> dict[tuple[int, str], int]:
        room = {place: len(there) // PROPORTIONS[place[1]] for place, there in pool.places.items()}
        label, split = min(room, key=room.__getitem__)
        k = room[label, split]
        if k == 0:
            raise DataError(
                f"class {pool.class_names[label]}: expected about 40 images or more, as hashes choose a tenth for "
                f"validation and a tenth for test; found {pool.usable(label)}, and none of them for {SPLITS[split]}"
                f"{_such_as(pool, label)}"
            )
        return {place: PROPORTIONS[place[1]] * min(k, most or k) for place in room}

    return take


def _such_as(pool: Pool, label: int) -> str:
    """How many files of a class were skipped, with an example."""
    skipped = [one for one in pool.skipped if one.label == label]
    if not skipped:
        return ""
    files = "1 file was skipped:" if len(skipped) == 1 else f"{len(skipped):,} files were skipped, such as"
    return f" ({files} {skipped[0].file}: {skipped[0].reason})"


def by_kind(skipped: Sequence[Skip]) -> dict[str, list[str]]:
    """Kind of reason -> files, the most frequent first."""
    ordered = sorted(skipped, key=lambda one: (one.kind, one.file))
    groups = {kind: [one.file for one in group] for kind, group in groupby(ordered, lambda one: one.kind)}
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
