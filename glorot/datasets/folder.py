"""Any folder of class folders as a data set: `dataset: {folder: PATH, size: [32, 32], color: grey}`.

Built once, by `build`, and kept below the data folder: folders/SHA256.npz, named by its content, and for each state of
a folder a manifest folders/STATE.json that says which content it gave. A state is the names, sizes and times of
modification of all files, and what they are made into: to know it takes no look into them. Old ones may be removed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from glorot.datasets import DataFile, FiniteDataset, LocalData
from glorot.datasets.build import (
    FORMAT,
    MAX_CLASSES,
    Candidate,
    Progress,
    build,
    files_below,
    manifest_of,
    no_progress,
    packed,
    read_manifest,
    shown_name,
    text_of,
    unreadable,
    write,
    write_manifest,
)
from glorot.datasets.build import load as load_built
from glorot.datasets.images import Shape
from glorot.errors import DataError

LAYOUT = "expected a folder of class folders, each with images of its class"


def data_file(content: str, data_folder: Path) -> Path:
    return data_folder / "folders" / f"{content}.npz"


def files(dataset: LocalData, data_folder: Path) -> list[DataFile]:
    return [DataFile(data_file(dataset.content, data_folder), dataset.content)]


def load(dataset: LocalData, data_folder: Path) -> FiniteDataset:
    """The data set as it was built. Raises DataError."""
    path = data_file(dataset.content, data_folder)
    return load_built(path, dataset.content, str(dataset), f"remove it, and it is built again from {dataset.folder}")


def found(dataset: LocalData, data_folder: Path) -> dict[str, Any] | None:
    """The manifest of what this folder, as it is now, was built into; None where it was not. Raises DataError."""
    manifest = read_manifest(_manifest_file(dataset, list_files(Path(dataset.folder)), data_folder))
    return manifest if manifest and data_file(manifest["sha256"], data_folder).is_file() else None


def build_into(dataset: LocalData, data_folder: Path, progress: Progress = no_progress) -> dict[str, Any]:
    """Build the data set unless it is there, and return its manifest. Raises DataError."""
    there = found(dataset, data_folder)
    if there:
        return there
    folder, shape = Path(dataset.folder), Shape(*dataset.size, dataset.color)
    listed = list_files(folder)
    names = [text_of(name) for name in listed]
    candidates = [
        Candidate(path, text_of(path.relative_to(folder).as_posix()), label)
        for label, paths in enumerate(listed.values())
        for path in paths
    ]
    manifest_file = _manifest_file(dataset, listed, data_folder)  # before the files are read: they might change
    try:
        built = build(candidates, names, shape, progress=progress)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    total = sum(map(len, built.splits.values()))
    data = packed(built.splits)
    about = f"{total:,} images in {len(names)} classes, {shape}"
    manifest = manifest_of(built, names, shape, data, {"name": shown_name(folder), "about": about})
    write(data_file(manifest["sha256"], data_folder), data)
    write_manifest(manifest_file, manifest)
    return manifest


def list_files(folder: Path) -> dict[str, list[Path]]:
    """Class -> its files. The classes are the folders in `folder`, in the order of their names. Raises DataError."""
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: {LAYOUT}; found {'a file' if folder.exists() else 'no such folder'}")
        classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        if not 2 <= len(classes) <= MAX_CLASSES:
            raise DataError(f"{folder}: {LAYOUT}, 2 to {MAX_CLASSES} of them; found {len(classes)}")
        listed = {path.name: files_below(path) for path in classes}
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(folder, error) from error
    for name, paths in listed.items():
        if not paths:
            raise DataError(f"{folder}: {LAYOUT}; found nothing in {text_of(name)}")
    return listed


def _manifest_file(dataset: LocalData, listed: dict[str, list[Path]], data_folder: Path) -> Path:
    """Where the manifest of this state of the folder is."""
    state: list[Any] = [FORMAT, dataset.size, dataset.color]
    for paths in listed.values():
        for path in paths:
            try:
                status = path.stat()
                facts = [status.st_size, status.st_mtime_ns]
            except OSError:  # a link that leads nowhere, say; reading it will tell
                facts = []
            state.append([text_of(path.relative_to(dataset.folder).as_posix()), *facts])
    key = hashlib.sha256(json.dumps(state).encode("ascii")).hexdigest()
    return data_folder / "folders" / f"{key[:32]}.json"
