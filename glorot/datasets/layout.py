"""Which files below a folder are images of which class, and of which ready-made split.

A folder has class folders, or folders of splits (train, valid, test, or as others call them) that have class folders.
What could be meant in two ways is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glorot.datasets.build import MAX_CLASSES, SPLITS, Candidate, Skip
from glorot.errors import DataError
from glorot.printable import printable

SPLIT_NAMES = {
    "train": "train", "training": "train", "trn": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test", "tst": "test",
}  # in small letters -> split  # fmt: skip
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
EXPECTED = "expected a folder of class folders, each with images of its class, or such folders in train, valid, test"


@dataclass(frozen=True)
class Layout:
    """class_names: in the order of their labels. ready: split -> the name of its folder. strays: images in no class."""

    class_names: list[str]
    candidates: list[Candidate]
    ready: Mapping[str, str] = field(default_factory=dict)
    strays: list[Skip] = field(default_factory=list)


def layout_of(folder: Path) -> Layout:
    """The layout of a folder. Raises DataError."""
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: {EXPECTED}; found {'a file' if folder.exists() else 'no such folder'}")
        found, folders = _strays(folder, folder), _folders(folder)
        ready = _ready_splits(folder, folders)
        for top in ready.values():
            found += _strays(top, folder)
        classes = _classes(folder, ready) if ready else {"": _class_folders(folder, folders)}
        names = sorted({one.name for class_folders in classes.values() for one in class_folders})
        labels = {name: label for label, name in enumerate(names)}
        candidates = [
            Candidate(path, _shown(path, folder), labels[one.name], split)
            for split, class_folders in classes.items()
            for one in class_folders
            for path in _files_of(one, folder)
        ]
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(folder, error) from error
    return Layout([printable(name) for name in names], candidates, {s: top.name for s, top in ready.items()}, found)


def unreadable(folder: Path, error: OSError | ValueError) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{folder}: expected a folder of images, cannot read it: {reason}")


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, in order, but those whose name or folder begins with a dot. Raises OSError.

    Links to files are followed; links to folders are not, and are found as if they were files: there is no way out and
    no way round in circles, and nothing is passed over in silence.
    """
    found: list[Path] = []
    queue = [folder]
    for at in queue:
        for entry in sorted(at.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir() and not entry.is_symlink():
                queue.append(entry)
            else:
                found.append(entry)
    return sorted(found)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _strays(folder: Path, top: Path) -> list[Skip]:
    """The images that lie where only folders are looked for."""
    images = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())
    names = (path for path in sorted(images) if not path.name.startswith("."))
    return [Skip(_shown(path, top), None, "in no class folder") for path in names]


def _files_of(one: Path, top: Path) -> list[Path]:
    files = files_below(one)
    if not files:
        raise DataError(f"{top}: {EXPECTED}; found nothing in {_shown(one, top)}")
    return files


def _ready_splits(folder: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """Split -> its folder; empty where the folders are of classes. Raises DataError where that is not clear."""
    named = {path: SPLIT_NAMES[path.name.casefold()] for path in folders if path.name.casefold() in SPLIT_NAMES}
    with_classes = [path for path in named if _folders(path)]
    if not with_classes and len(set(named.values())) < 2:
        return {}  # "train" may be a class, of pictures of trains
    for path in folders:
        if path not in named:
            raise DataError(
                f"{folder}: {EXPECTED}; found {_names(named)}, which are called like splits, beside {_names([path])}; "
                "move one or the other elsewhere, or rename what is a class"
            )
        if path not in with_classes:
            raise DataError(
                f"{folder}: expected class folders in {_names([path])}, as it is called like a split; found none; sort "
                "its images into folders of their classes, or move it elsewhere"
            )
    ready: dict[str, Path] = {}
    for path, split in named.items():
        if split in ready:
            both = _names([ready[split], path])
            raise DataError(f"{folder}: expected one folder for {SPLITS[split]}, found {both}; move one away")
        ready[split] = path
    if "train" not in ready:
        raise DataError(f"{folder}: expected a folder train beside {_names(named)}, found none; add it")
    return {split: ready[split] for split in SPLITS if split in ready}


def _classes(folder: Path, ready: Mapping[str, Path]) -> dict[str, Sequence[Path]]:
    """Split -> its class folders; where a split is not there, hashes take it out of train's, whose split is "" then."""
    found = {split: _class_folders(path, _folders(path)) for split, path in ready.items()}
    names = {one.name for one in found["train"]}
    for split, class_folders in found.items():
        others = [one for one in class_folders if one.name not in names]
        if others:
            raise DataError(
                f"{folder}: expected the classes of {_names([ready['train']])} in {_names([ready[split]])} too, found "
                f"also {_names(others)}, which has nothing to train on; move it elsewhere, or add it to train"
            )
    if len(ready) < len(SPLITS):
        found[""] = found.pop("train")
    return found


def _class_folders(folder: Path, folders: Sequence[Path]) -> Sequence[Path]:
    """The folders, if they can be those of classes. Raises DataError."""
    if not 2 <= len(folders) <= MAX_CLASSES:
        hint = ""
        if len(folders) == 1 and len(_folders(folders[0])) > 1:
            hint = f"; did you mean {folders[0]}?"
        raise DataError(f"{folder}: {EXPECTED}; 2 to {MAX_CLASSES} of them; found {len(folders)}{hint}")
    inside = {one: set() if _strays(one, one) else {path.name for path in _folders(one)} for one in folders}
    first, *others = folders
    for other in others:
        same = inside[first] & inside[other]
        if len(same) > 1:
            names = " and ".join(sorted(map(printable, same))[:2])
            raise DataError(
                f"{folder}: {EXPECTED}; found {names} in both {_names([first, other])}: if those are the classes, "
                "merge the folders of each, and if these are splits, call them train, valid and test"
            )
    return folders


def _shown(path: Path, top: Path) -> str:
    return printable(path.relative_to(top).as_posix())


def _names(paths: object) -> str:
    return " and ".join(printable(path.name) for path in paths)  # type: ignore[attr-defined]
