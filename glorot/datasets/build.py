"""Images of several classes -> one file with a balanced, fixed split, and a manifest that says what became of what.

An image's split is a function of the SHA-256 of its file, and of nothing else: the first tenth of all hashes is for the
test set, the second for validation, the rest for training. So a larger source never moves an image from one split to
another. From each class and split the images with the smallest hashes are taken, k for test, k for validation and
9 k for training (the paper's proportions), with the largest k that every class has images for. That is somewhat less
than an eleventh of the smallest class, as hashes do not fall evenly: the price of a split that never changes.

Of images that are the same after scaling, pixel by pixel (so of equal files, too), one is kept; where they are in
different classes, none is. So no image is in two splits.
"""

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glorot.datasets import Examples, FiniteDataset
from glorot.datasets.download import new_file, sha256_of
from glorot.datasets.images import Image, Shape, read_images
from glorot.errors import DataError

FORMAT = 1  # rises when the same images give another file
SHARES = {"train": 9, "valid": 1, "test": 1}
MAX_CLASSES = 256
Progress = Callable[[int, int], None]  # of images: how many are done, how many there are
Places = dict[tuple[int, str], list[tuple["Candidate", Image]]]  # (label, split) -> images, smallest hash first


def no_progress(done: int, total: int) -> None:
    """For who does not watch."""


@dataclass(frozen=True)
class Candidate:
    """A file that may become an example. shown: how the manifest calls it. label: the number of its class."""

    path: Path
    shown: str
    label: int


@dataclass(frozen=True)
class Built:
    """splits: "train", "valid", "test" -> examples. chosen: split -> how the manifest calls its files, in their order.

    usable: images of each class, left over ones included. skipped: file -> why it is no example.
    """

    splits: dict[str, Examples]
    chosen: dict[str, list[str]]
    usable: list[int]
    skipped: dict[str, str]


def split_of(digest: bytes) -> str:
    """The split an image belongs to, by the SHA-256 of its file."""
    tenth = int.from_bytes(digest[:8], "big") * 10 >> 64
    return {0: "test", 1: "valid"}.get(tenth, "train")


def build(
    candidates: Sequence[Candidate],
    class_names: Sequence[str],
    shape: Shape,
    most: int | None = None,
    progress: Progress = no_progress,
) -> Built:
    """Read the files and split what they hold. most: the largest k (images of a class in the test set).

    Raises DataError where some class has too few usable images.
    """
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(candidates))

    progress(0, len(candidates))
    images = read_images([one.path for one in candidates], shape, advance)
    skipped = {one.shown: found for one, found in zip(candidates, images, strict=True) if isinstance(found, str)}
    usable = [(one, found) for one, found in zip(candidates, images, strict=True) if isinstance(found, Image)]
    kept = _without_doubles(usable, class_names, skipped)
    kept.sort(key=lambda pair: pair[1].digest)
    places: Places = {(label, split): [] for label in range(len(class_names)) for split in SHARES}
    for one, image in kept:
        places[one.label, split_of(image.digest)].append((one, image))
    k = min(_largest(places, class_names, skipped), most or len(kept))
    splits, chosen = {}, {}
    for split, share in SHARES.items():
        pairs = [pair for label in range(len(class_names)) for pair in places[label, split][: share * k]]
        pairs.sort(key=lambda pair: pair[1].digest)  # classes mixed, for those who use the first n only
        pixels = np.stack([image.pixels for _, image in pairs])
        splits[split] = Examples(pixels, np.array([one.label for one, _ in pairs], np.uint8))
        chosen[split] = [one.shown for one, _ in pairs]
    counts = Counter(one.label for one, _ in kept)
    return Built(splits, chosen, [counts[label] for label in range(len(class_names))], skipped)


def _without_doubles(
    usable: Sequence[tuple[Candidate, Image]], class_names: Sequence[str], skipped: dict[str, str]
) -> list[tuple[Candidate, Image]]:
    """One of each set of equal images, or none; the others go to `skipped`."""
    equal: dict[bytes, list[tuple[Candidate, Image]]] = {}
    for one, image in sorted(usable, key=lambda pair: (pair[1].digest, pair[0].shown)):
        equal.setdefault(image.pixels.tobytes(), []).append((one, image))
    kept = []
    for same in equal.values():
        first = same[0][0]
        labels = sorted({one.label for one, _ in same})
        if len(labels) > 1:
            reason = "the same image in " + " and ".join(class_names[label] for label in labels)
            skipped.update((one.shown, reason) for one, _ in same)
            continue
        kept.append(same[0])
        skipped.update((one.shown, f"the same image as {first.shown}") for one, _ in same[1:])
    return kept


def _largest(places: Places, class_names: Sequence[str], skipped: Mapping[str, str]) -> int:
    """The largest k that every class and split has images for. Raises DataError where that is none."""
    room = {place: len(there) // SHARES[place[1]] for place, there in places.items()}
    label, split = min(room, key=room.__getitem__)
    if room[label, split] == 0:
        usable = sum(len(places[label, one]) for one in SHARES)
        example = next(iter(skipped.items()), None)
        why = f" ({len(skipped)} files were skipped, such as {example[0]}: {example[1]})" if example else ""
        raise DataError(
            f"class {class_names[label]}: expected some 40 images or more, of which hashes choose a tenth each for "
            f"validation and test; found {usable}, of which none is left for {SPLIT_NAMES[split]}{why}"
        )
    return room[label, split]


SPLIT_NAMES = {"train": "training", "valid": "validation", "test": "the test set"}

# Files ---------------------------------------------------------------------------------------------


def packed(splits: Mapping[str, Examples]) -> bytes:
    """The bytes of the data file: an uncompressed .npz whose bytes depend on the arrays alone.

    Uncompressed, as what a zlib makes of the same bytes differs between its versions.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for split in SHARES:
            for name, array in (("pixels", splits[split].pixels), ("labels", splits[split].labels)):
                info = zipfile.ZipInfo(f"{split}_{name}.npy", (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o644 << 16  # as if always written on the same system
                with archive.open(info, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def manifest_of(
    built: Built, class_names: Sequence[str], shape: Shape, data: bytes, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What a build was made of and what came out. data: the data file. facts: what else there is to say."""
    import PIL

    import glorot

    classes = {
        name: {"usable": built.usable[label]}
        | {split: int((examples.labels == label).sum()) for split, examples in built.splits.items()}
        for label, name in enumerate(class_names)
    }
    return {
        "format": FORMAT,
        "sha256": hashlib.sha256(data).hexdigest(),
        **facts,
        "images": {split: len(examples) for split, examples in built.splits.items()},
        "size": [shape.height, shape.width],
        "color": shape.color,
        "classes": classes,
        "skipped": [{"file": file, "reason": reason} for file, reason in sorted(built.skipped.items())],
        "made_with": {"glorot": glorot.__version__, "pillow": PIL.__version__},
    }


def write(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all. Raises DataError."""
    try:
        with new_file(path, hashlib.sha256(data).hexdigest()) as file:
            file.write(data)
    except OSError as error:
        remedy = "mend that or name another folder with --data or GLOROT_DATA"
        raise DataError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest as JSON. Raises DataError."""
    write(path, (json.dumps(manifest, indent=1, ensure_ascii=True) + "\n").encode("ascii"))


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A manifest that was written; None where there is none, or none of this format."""
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return None
    return manifest if all(isinstance(manifest.get(key), str) for key in ("sha256", "about")) else None


def load(path: Path, content: str, name: str, remedy: str) -> FiniteDataset:
    """The data set in a data file. Raises DataError unless its SHA-256 is `content`."""
    try:
        found = sha256_of(path)
        if found != content:
            raise DataError(f"{path}: expected SHA-256 {content}, found {found}; {remedy}")
        with np.load(path, allow_pickle=False) as arrays:
            splits = [Examples(arrays[f"{split}_pixels"], arrays[f"{split}_labels"]) for split in SHARES]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: expected a data file that glorot has built: {error}; {remedy}") from error
    train, valid, test = splits
    return FiniteDataset(name, int(train.labels.max()) + 1, train, valid, test)


def text_of(name: str) -> str:
    """A file's name as text: bytes that are none are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shown_name(folder: Path) -> str:
    """The name of a folder, "." and ".." resolved, as a table can show it."""
    name = text_of(folder.resolve().name) or "/"
    return name if name.isprintable() else json.dumps(name)


def unreadable(folder: Path, error: OSError | ValueError) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{folder}: expected a folder of images, cannot read it: {reason}")


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, in order, but those whose name or folder begins with a dot. Raises OSError.

    Links to files are followed, links to folders below it are not: there is no way out and no way round in circles.
    """
    found: list[Path] = []
    queue = [folder]
    for at in queue:
        for entry in sorted(at.iterdir()):
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                found.append(entry)
            elif not entry.is_symlink():
                queue.append(entry)
    return sorted(found)
