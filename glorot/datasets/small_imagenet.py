"""Small-ImageNet, the paper's grey 37 x 37 photographs in ten classes, built from images the user has.

The paper's data set was never published, so every build is a rebuilt one: of ImageNet's images where the user has them,
else a stand-in from fewer or others. Its manifest, and every table, says what from. `wordnet` says which ids make which
class, `build` how images are split. ILSVRC-2012 alone has only two kinds of flower, some 2,600 images, and so at most
236 images a class in the test set; with further flowers (``--class flowers=DIR``) it can have the paper's 1,000.
"""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from glorot.datasets import DataFile, FiniteDataset
from glorot.datasets import manifest as manifests
from glorot.datasets.build import Candidate, Progress, build, no_progress, proportionally
from glorot.datasets.images import Shape
from glorot.datasets.layout import files_below, unreadable
from glorot.datasets.wordnet import CLASS_NAMES, classes
from glorot.errors import DataError
from glorot.printable import printable

NAME = "small_imagenet"
SHAPE = Shape(37, 37, "grey")
MOST = 1_000  # images of a class in the test set: the paper's 90,000 / 10,000 / 10,000 in all
COMPLETE = 110_000
WORDNET_ID = re.compile(r"n[0-9]{8}")
HOW_TO_GET = (
    "Small-ImageNet was never published; build it from images you have with `glorot data build small-imagenet "
    "--from DIR`, or leave it out, for example with `--only dataset=shapeset`"
)
REBUILD = "build it again with `glorot data build small-imagenet`"


@dataclass
class Source:
    """A folder that images come from. kind: how tables call it, such as "Tiny-ImageNet". used: images in the result."""

    kind: str
    folder: str
    files: int = 0
    used: int = 0


def data_file(folder: Path) -> Path:
    return folder / "small-imagenet" / "small-imagenet.npz"


def manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of what was built; None where there is none."""
    return manifests.read_manifest(data_file(folder).with_suffix(".json"))


def files(folder: Path) -> list[DataFile]:
    """The one file it consists of, with the SHA-256 its manifest has, if there is one."""
    return [DataFile(data_file(folder), (manifest(folder) or {"sha256": ""})["sha256"])]


def load(folder: Path, content: str = "") -> FiniteDataset:
    """The data set. content: SHA-256 of the data file; else the manifest has it. Raises DataError."""
    [file] = files(folder)
    if not file.sha256:
        raise DataError(f"{file.path.with_suffix('.json')}: expected the manifest of a build, found none; {REBUILD}")
    return manifests.load(file.path, content or file.sha256, NAME, REBUILD)


def fetch(folder: Path) -> NoReturn:
    """Raise DataError: there is nowhere to fetch it from."""
    raise DataError(HOW_TO_GET)


def build_into(
    folder: Path,
    trees: Sequence[Path],
    by_hand: Sequence[tuple[str, Path]] = (),
    progress: Progress = no_progress,
    allow_skipped: bool = False,
) -> dict[str, Any]:
    """Build the data set, write it with its manifest below the data folder, and return the manifest.

    trees: ImageNet training trees (folders named by WordNet id). by_hand: (class, folder of its images).
    allow_skipped: whether a large part of the files may be skipped.
    Raises DataError; what was built before is then left as it was.
    """
    candidates: list[Candidate] = []
    sources: list[Source] = []
    source_of: dict[str, Source] = {}
    without_class: dict[str, int] = {}
    for number, (name, tree) in enumerate([("", tree) for tree in trees] + list(by_hand), start=1):
        found, kind = _of_class(tree, name) if name else _of_tree(tree, without_class)
        source = Source(kind, _name_of(tree), len(found))
        sources.append(source)
        for path, label in found:
            shown = f"{number}/{printable(path.relative_to(tree).as_posix())}"
            source_of[shown] = source
            candidates.append(Candidate(path, shown, label))
    _check_classes(candidates)
    built = build(candidates, CLASS_NAMES, SHAPE, proportionally(MOST), progress=progress)
    for shown in itertools.chain(*built.chosen.values()):
        source_of[shown].used += 1
    data = manifests.packed(built.splits)
    facts = {
        "name": NAME,
        "about": describe(sources),
        "sources": [vars(source) for source in sources],
        "without_class": {"ids": len(without_class), "files": sum(without_class.values())},
    }
    found_manifest = manifests.manifest_of(built, CLASS_NAMES, SHAPE, data, facts)
    too_many = manifests.too_many_skipped(found_manifest)
    if too_many and not allow_skipped:
        raise DataError(too_many)
    manifests.write(data_file(folder), data)
    manifests.write_manifest(data_file(folder).with_suffix(".json"), found_manifest)
    return found_manifest


def describe(sources: Sequence[Source]) -> str:
    """What a table's footnote says: "stand-in: 4,620 images (4,200 of Tiny-ImageNet, 420 of the folder flowers)"."""
    counts: dict[str, int] = {}
    for source in sources:
        counts[source.kind] = counts.get(source.kind, 0) + source.used
    total = sum(counts.values())
    status = "rebuilt" if total == COMPLETE and set(counts) == {"ImageNet"} else "stand-in"
    if len(counts) == 1:
        return f"{status}: {total:,} images of {next(iter(counts))}"
    return f"{status}: {total:,} images ({', '.join(f'{count:,} of {kind}' for kind, count in counts.items())})"


def _of_tree(tree: Path, without_class: dict[str, int]) -> tuple[list[tuple[Path, int]], str]:
    """The files of an ImageNet training tree with their labels, and what tree it is.

    Tiny-ImageNet has its images one folder deeper than ImageNet has. without_class: gets ids of no class and how many
    files each has. Raises DataError.
    """
    root = tree / "train" if (tree / "train").is_dir() else tree
    try:
        folders = sorted(path for path in root.iterdir() if WORDNET_ID.fullmatch(path.name) and path.is_dir())
        if not folders:
            raise DataError(f"{tree}: expected folders named by WordNet id, such as n01443537; found none in {root}")
        kind = "Tiny-ImageNet" if all((path / "images").is_dir() for path in folders) else "ImageNet"
        found = []
        for path in folders:
            name = classes().get(path.name)
            inside = files_below(path)
            if name is None:
                without_class[path.name] = without_class.get(path.name, 0) + len(inside)
            else:
                found += [(one, CLASS_NAMES.index(name)) for one in inside if one.suffix != ".txt"]  # boxes
    except OSError as error:
        raise unreadable(tree, error) from error
    return found, kind


def _of_class(folder: Path, name: str) -> tuple[list[tuple[Path, int]], str]:
    """The files of a folder that the user says is of one class. Raises DataError."""
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: expected a folder of images of {name}, found none")
        return [(one, CLASS_NAMES.index(name)) for one in files_below(folder)], f"the folder {_name_of(folder)}"
    except OSError as error:
        raise unreadable(folder, error) from error


def _name_of(folder: Path) -> str:
    """The name of a folder, "." and ".." resolved, as a table can show it."""
    return printable(folder.resolve().name) or "/"


def _check_classes(candidates: Sequence[Candidate]) -> None:
    """Raise a DataError where a class has no file, before hours are spent on the others."""
    counts = Counter(one.label for one in candidates)
    missing = [name for label, name in enumerate(CLASS_NAMES) if not counts[label]]
    if missing:
        there = ", ".join(f"{name} {counts[label]:,}" for label, name in enumerate(CLASS_NAMES) if counts[label])
        raise DataError(
            f"expected images of all ten classes, found none of {', '.join(missing)} ({there or 'nor any other'}); "
            f"add a folder of them with --class {missing[0]}=DIR, or another tree with --from"
        )
