"""Any folder of class folders as a data set: `dataset: {folder: PATH, size: [32, 32], color: grey}`.

Built once, by `build`, and kept in the user's cache: folders/SHA256.npz, named by its content, and for each state of a
folder a manifest folders/STATE.json that says which content it gave. A state is the names, sizes, inodes and times (of
modification and of change) of all files, and what they are made into: to know it takes no look into them. Old ones may
be removed. Where the cache cannot be written, they go to the data folder.
"""

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from glorot.datasets import DataFile, FiniteDataset
from glorot.datasets import manifest as manifests
from glorot.datasets.build import SPLITS, TENTHS, Progress, build, equally, everything, no_progress
from glorot.datasets.images import Shape
from glorot.datasets.layout import Layout, layout_of
from glorot.datasets.local import LocalData, exact
from glorot.errors import DataError
from glorot.places import cache_folder
from glorot.printable import printable

FORMAT = 2  # rises when the same images give other examples
Tell = Callable[[str, bool], None]  # a line, and whether something went wrong


def data_file(content: str, data_folder: Path) -> Path:
    """Where a data file is; where it would be looked for first, if it is not there."""
    places = [place / f"{content}.npz" for place in _places(data_folder)]
    return next((path for path in places if path.is_file()), places[0])


def files(dataset: LocalData, data_folder: Path) -> list[DataFile]:
    return [DataFile(data_file(dataset.content, data_folder), dataset.content)]


def load(dataset: LocalData, data_folder: Path) -> FiniteDataset:
    """The data set as it was built. Raises DataError."""
    path = data_file(dataset.content, data_folder)
    remedy = f"remove it, and it is built again from {dataset.folder}"
    return manifests.load(path, dataset.content, str(dataset), remedy)


def found(dataset: LocalData, data_folder: Path, allow_skipped: bool = False) -> dict[str, Any] | None:
    """The manifest of what this folder, as it is now, was built into; None where it was not. Raises DataError."""
    return _found(dataset, layout_of(Path(dataset.folder)), data_folder, allow_skipped)


def build_into(
    dataset: LocalData,
    data_folder: Path,
    progress: Progress = no_progress,
    tell: Tell = lambda line, went_wrong: None,
    allow_skipped: bool = False,
) -> dict[str, Any]:
    """Build the data set unless it is there, and return its manifest.

    tell: is told, in lines, what was used and what was skipped. allow_skipped: whether any number of files may be.
    Raises DataError.
    """
    folder, shape = Path(dataset.folder), Shape(*dataset.size, dataset.color)
    layout = layout_of(folder)
    there = _found(dataset, layout, data_folder, allow_skipped)
    if there:
        return there
    name = f"{_state(dataset, layout)}.json"  # before the files are read: they might change
    try:
        shares = _shares(dataset, layout)
        take = equally if dataset.balance else everything
        built = build(layout.candidates, layout.class_names, shape, take, shares, progress)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    built.skipped.extend(layout.strays)
    data = manifests.packed(built.splits)
    manifest = manifests.manifest_of(built, layout.class_names, shape, data, {"name": printable(folder.name)})
    total = sum(manifest["images"].values())
    manifest["about"] = (
        f"{total:,} images in {len(layout.class_names)} classes, {shape}; chance {manifest['chance']:.1f} %"
    )
    place = write(manifest, data, name, data_folder, tell)
    tell(f"{dataset}: {manifest['about']}; {_how_split(shares, layout)}", False)
    for line in manifests.used(manifest):
        tell(f"  {line}", False)
    for line in manifests.skipped(manifest, place):
        tell(f"{dataset}: {line}", True)
    return _allowed(manifest, place, dataset, allow_skipped)


def _places(data_folder: Path) -> list[Path]:
    """The folders where data sets are built into, the one that is tried first in front."""
    return [cache_folder() / "folders", data_folder / "folders"]


def _found(dataset: LocalData, layout: Layout, data_folder: Path, allow_skipped: bool) -> dict[str, Any] | None:
    there = manifest_of_state(_state(dataset, layout), data_folder)
    return _allowed(*there, dataset, allow_skipped) if there else None


def manifest_of_state(state: str, data_folder: Path) -> tuple[dict[str, Any], Path] | None:
    """The manifest of what a state was built into, and where it lies; None where its data file is not there."""
    for place in _places(data_folder):
        manifest = manifests.read_manifest(place / f"{state}.json")
        if manifest and data_file(manifest["sha256"], data_folder).is_file():
            return manifest, place / f"{state}.json"
    return None


def _allowed(manifest: dict[str, Any], place: Path, dataset: LocalData, allow_skipped: bool) -> dict[str, Any]:
    """The manifest, if its data may be used: few files were skipped, or the user allows it, now or once before."""
    too_many = "" if manifest.get("allowed") else manifests.too_many_skipped(manifest)
    if too_many and not allow_skipped:
        raise DataError(f"{dataset.folder}: {too_many}")
    if too_many:
        manifest["allowed"] = True
        manifests.write_manifest(place, manifest)
    return manifest


def write(manifest: dict[str, Any], data: bytes, name: str, data_folder: Path, tell: Tell) -> Path:
    """Write both files to the first place that can be written, and return where the manifest is. Raises DataError."""
    first, second = _places(data_folder)
    try:
        return _write_to(first, manifest, data, name)
    except DataError as error:
        tell(f"note: {error}; trying {second}", True)
    return _write_to(second, manifest, data, name)


def _write_to(place: Path, manifest: dict[str, Any], data: bytes, name: str) -> Path:
    manifests.write(place / f"{manifest['sha256']}.npz", data)
    manifests.write_manifest(place / name, manifest)
    return place / name


def _shares(dataset: LocalData, layout: Layout) -> dict[str, Fraction]:
    """Split -> which part of all hashes is for it: of those images that no ready-made split has."""
    by_hash = [split for split in SPLITS if split not in layout.ready or split == "train"]
    shares = dict(zip(SPLITS, map(exact, dataset.split), strict=True)) if dataset.split else _usual()
    if len(by_hash) == 1:
        if dataset.split:
            ready = ", ".join(layout.ready.values())
            raise DataError(f"expected no split, as the folder has splits of its own ({ready}); found one: remove it")
        return {}
    total = sum(shares[split] for split in by_hash)
    return {split: shares[split] / total for split in by_hash}


def _usual() -> dict[str, Fraction]:
    return {"train": 1 - sum(TENTHS.values(), Fraction(0))} | TENTHS


def _how_split(shares: dict[str, Fraction], layout: Layout) -> str:
    ready = [f"{name}/ for {SPLITS[split]}" for split, name in layout.ready.items() if split not in shares]
    parts = [f"{100 * float(share):.0f} % for {SPLITS[split]}" for split, share in shares.items()]
    if not parts:
        return f"splits as they are: {', '.join(ready)}"
    what = f"{layout.ready['train']}/ split" if "train" in layout.ready else "split"
    return "; ".join([f"{what} by the hash of each file: {', '.join(parts)}", *([", ".join(ready)] if ready else [])])


def _state(dataset: LocalData, layout: Layout) -> str:
    """The name of this state of the folder."""
    state: list[Any] = [FORMAT, dataset.size, dataset.color, dataset.split, dataset.balance]
    folder = Path(dataset.folder)
    for one in layout.candidates:
        path = one.path
        try:
            status = path.stat()
            facts = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        except OSError:  # a link that leads nowhere, say; reading it will tell
            facts = []
        state.append([path.relative_to(folder).as_posix(), *facts])
    state += [[stray.file] for stray in layout.strays]
    return hashlib.sha256(json.dumps(state).encode("ascii")).hexdigest()[:32]
