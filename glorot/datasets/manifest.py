"""A built data set as files: the data, whose bytes depend on the examples alone, and a manifest that says what became
of what. The manifest is also what a user is told when a data set is built."""

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glorot.datasets import Examples, FiniteDataset
from glorot.datasets.build import SPLITS, Built, Skip, by_kind
from glorot.datasets.download import new_file, sha256_of
from glorot.datasets.images import Shape
from glorot.errors import DataError
from glorot.files import read_bytes
from glorot.printable import printable

FORMAT = 1  # of a manifest
MOST_SKIPPED = 0.1  # of all files, before it must be allowed
SHOWN = 3  # files named of each kind


def packed(splits: Mapping[str, Examples]) -> bytes:
    """The bytes of the data file: an uncompressed .npz whose bytes depend on the arrays alone.

    Uncompressed, as what a zlib makes of the same bytes differs between its versions.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for split in SPLITS:
            for name, array in (("pixels", splits[split].pixels), ("labels", splits[split].labels)):
                info = zipfile.ZipInfo(f"{split}_{name}.npy", (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o644 << 16  # as if always written on the same system
                with archive.open(info, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def chance(labels: np.ndarray) -> float:
    """Error in percent of always answering the commonest class. labels: (n,), of the test set."""
    return 100 * (1 - int(np.bincount(labels).max()) / len(labels))


def manifest_of(
    built: Built, class_names: Sequence[str], shape: Shape, data: bytes, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What a build was made from and what came out. data: the data file. facts: what else there is to say."""
    import PIL

    import glorot

    reasons: dict[int | None, Counter[str]] = {}
    for one in built.skipped:
        reasons.setdefault(one.label, Counter())[one.kind] += 1
    classes = {
        name: {"usable": built.usable[label]}
        | {split: int((examples.labels == label).sum()) for split, examples in built.splits.items()}
        | ({"skipped": dict(sorted(reasons[label].items()))} if label in reasons else {})
        for label, name in enumerate(class_names)
    }
    return {
        "format": FORMAT,
        "sha256": hashlib.sha256(data).hexdigest(),
        **facts,
        "files": sum(built.usable) + len(built.skipped),
        "images": {split: len(examples) for split, examples in built.splits.items()},
        "chance": round(chance(built.splits["test"].labels), 2),
        "size": [shape.height, shape.width],
        "color": shape.color,
        "classes": classes,
        "skipped": sorted(({"file": o.file, "reason": o.reason} for o in built.skipped), key=lambda o: o["file"]),
        "made_with": {"glorot": glorot.__version__, "pillow": PIL.__version__},
    }


def write(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all. Raises DataError."""
    try:
        with new_file(path, hashlib.sha256(data).hexdigest()) as file:
            file.write(data)
    except OSError as error:
        remedy = "correct that, or name another folder with --data or GLOROT_DATA"
        raise DataError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest as JSON. Raises DataError."""
    write(path, (json.dumps(manifest, indent=1, ensure_ascii=True) + "\n").encode("ascii"))


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A manifest that was written; None where there is none, or none of this format."""
    try:
        manifest = json.loads(read_bytes(path))
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
            splits = [Examples(arrays[f"{split}_pixels"], arrays[f"{split}_labels"]) for split in SPLITS]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: expected a data file that glorot has built: {error}; {remedy}") from error
    train, valid, test = splits
    return FiniteDataset(name, int(train.labels.max()) + 1, train, valid, test)


# What a user is told. -------------------------------------------------------------------------------


def used(manifest: Mapping[str, Any]) -> list[str]:
    """A table, in lines, of each class: how many of its images are used for what, and how many files were skipped."""
    rows = [("class", *SPLITS.values(), "skipped")]
    for name, counts in manifest["classes"].items():
        skipped_here = sum(counts.get("skipped", {}).values())
        rows.append((printable(name), *(f"{counts[split]:,}" for split in SPLITS), f"{skipped_here:,}"))
    in_all = (f"{manifest['images'][split]:,}" for split in SPLITS)
    rows.append(("in all", *in_all, f"{len(manifest['skipped']):,}"))
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [
        "  ".join([name.ljust(first), *(text.rjust(width) for text, width in zip(texts, widths, strict=True))])
        for name, *texts in rows
    ]
    left_over = sum(counts["usable"] for counts in manifest["classes"].values()) - sum(manifest["images"].values())
    return lines + [f"{left_over:,} usable images are left over, as the classes are balanced"] * (left_over > 0)


def skipped(manifest: Mapping[str, Any], place: Path) -> list[str]:
    """What was skipped, in lines: each reason with its first files. place: where the manifest lies."""
    if not manifest["skipped"]:
        return []
    kinds = [f"  {text}" for text in _kinds(manifest)]
    return [f"{_share(manifest)} were skipped, all listed in {place}:", *kinds]


def too_many_skipped(manifest: Mapping[str, Any]) -> str:
    """Why the build may not be used without a word of the user's; empty where it may."""
    if len(manifest["skipped"]) <= MOST_SKIPPED * manifest["files"]:
        return ""
    expected = f"expected that at most {MOST_SKIPPED:.0%} of the files cannot be used"
    reasons = ", ".join(_kinds(manifest))
    return f"{expected}, found {_share(manifest)}: {reasons}; correct them, or use the others with --allow-skipped"


def _share(manifest: Mapping[str, Any]) -> str:
    count, files = len(manifest["skipped"]), manifest["files"]
    return f"{count:,} of {files:,} files ({100 * count / files:.1f} %)"


def _kinds(manifest: Mapping[str, Any]) -> list[str]:
    """ "400 damaged (cat/1.png, cat/2.png, cat/3.png, ...)", the most frequent reason first."""
    texts = []
    for kind, files in by_kind([Skip(one["file"], None, one["reason"]) for one in manifest["skipped"]]).items():
        names = ", ".join([*map(printable, files[:SHOWN]), *(["..."] if len(files) > SHOWN else [])])
        texts.append(f"{len(files):,} {kind} ({names})")
    return texts
