"""Where data sets lie, whether they are what they should be, and loading them: named ones, and a user's own."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from glorot.datasets import DataFile, Dataset
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.local import AnyData, LocalData
from glorot.errors import DataError
from glorot.places import expanded, user_cache


def data_folder(chosen: Path | str | None = None) -> Path:
    """The folder data sets lie in: the one given, else $GLOROT_DATA, else the user's cache."""
    if chosen:
        return expanded(chosen)
    if os.environ.get("GLOROT_DATA"):
        return expanded(os.environ["GLOROT_DATA"])
    return user_cache() / "data"


def pinned(
    dataset: AnyData,
    folder: Path,
    build: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str, bool], None] = lambda line, went_wrong: None,
    allow_skipped: bool = False,
) -> AnyData:
    """The data set with its content, where it is one that is built here; as it was, where it is not there.

    folder: the data folder. build: whether a folder of images may be built for it, if it was not yet. tell: is told in
    lines, when it is built, what was used and (as gone wrong) what was skipped. allow_skipped: whether a large part of
    the files may be skipped. A dataset with content keeps it: what is found to be other is refused when it is loaded.
    """
    if isinstance(dataset, str) and dataset != "small_imagenet":
        return dataset
    local = LocalData(name=dataset) if isinstance(dataset, str) else dataset
    if local.content and not missing_files(local, folder):
        return dataset
    from glorot.datasets import arrays, disk, small_imagenet
    from glorot.datasets import folder as class_folders

    try:
        if not local.name and disk.is_converted(local.folder):
            return _of_disk(local, disk.manifest_of(local.folder))
        if local.name:
            manifest = small_imagenet.manifest(folder)
        elif local.form != "folder":
            manifest = arrays.build_into(local, folder, tell) if build else arrays.found(local, folder)
        elif build:
            manifest = class_folders.build_into(local, folder, progress, tell, allow_skipped)
        else:
            manifest = class_folders.found(local, folder, allow_skipped)
    except DataError as error:
        return replace(local, problem=str(error))
    if manifest is None:
        return dataset
    content, chance = local.content or manifest["sha256"], None if local.name else manifest["chance"]
    if local.form != "folder":
        local = replace(
            local, size=tuple(manifest["size"]), color=manifest["color"], numbers=manifest.get("numbers", "")
        )
    return replace(local, content=content, about=manifest["about"], chance=chance)


def _of_disk(local: LocalData, manifest: dict[str, Any]) -> LocalData:
    """A folder that is a converted data set: its images are as its manifest says."""
    *channels, height, width = manifest["shape"]
    return replace(
        local, content=local.content or manifest["sha256"], about=manifest["about"], chance=manifest["chance"],
        size=(height, width), color="rgb" if channels == [3] else "grey",
    )  # fmt: skip


def unpinned(dataset: AnyData) -> AnyData:
    """The data set as the user's sweep file has it, whatever its content."""
    from glorot.datasets import disk

    if isinstance(dataset, str):
        return dataset
    if not dataset.name and disk.is_converted(dataset.folder):
        return LocalData(folder=dataset.folder)
    if dataset.form != "folder":
        dataset = replace(dataset, size=LocalData.size, color=LocalData.color, numbers="")
    return dataset.name or replace(dataset, content="", about="", chance=None, problem="")


def data_files(dataset: AnyData, folder: Path) -> list[DataFile]:
    """The files of a data set; none for one that needs no file, or for a folder of images that is not built yet."""
    if isinstance(dataset, str):
        return DATASETS[dataset].files(folder)
    if dataset.name:
        return [DataFile(file.path, dataset.content or file.sha256) for file in DATASETS[dataset.name].files(folder)]
    from glorot.datasets import disk
    from glorot.datasets import folder as class_folders

    if disk.is_converted(dataset.folder):
        return [DataFile(file.path, dataset.content or file.sha256) for file in disk.files(dataset.folder)]
    return class_folders.files(dataset, folder) if dataset.content else []


def missing_files(dataset: AnyData, folder: Path) -> list[Path]:
    """The files of this data set that are not in the folder; the folder of images itself, if it is not built yet."""
    if isinstance(dataset, LocalData) and not (dataset.name or dataset.content):
        return [Path(dataset.folder)]
    return [file.path for file in data_files(dataset, folder) if not file.path.is_file()]


def verify(dataset: AnyData, folder: Path) -> list[tuple[DataFile, str]]:
    """Each file of a data set with its status; an empty list for one that needs no file.

    The status is "verified" or "missing", or begins with "wrong checksum" (then the one found),
    "no checksum" (there, but nothing to hold it against) or "unreadable" (then why).
    """
    from glorot.datasets.download import sha256_of

    def status(file: DataFile) -> str:
        if not file.path.is_file():
            return "missing"
        if not file.sha256:
            return "no checksum"
        try:
            found = sha256_of(file.path)
        except OSError as error:
            return f"unreadable: {error.strerror}"
        return "verified" if found == file.sha256 else f"wrong checksum: found {found}"

    return [(file, status(file)) for file in data_files(dataset, folder)]


def load(dataset: AnyData, folder: Path) -> Dataset:
    """Load a data set. Raises DataError where it is missing or not what it should be."""
    missing = missing_files(dataset, folder)
    if missing:
        raise DataError(not_there(dataset, folder, missing))
    if isinstance(dataset, str):
        return DATASETS[dataset].implementation().load(folder, **DATASETS[dataset].parameters)
    from glorot.datasets import disk, small_imagenet
    from glorot.datasets import folder as class_folders

    if disk.is_converted(dataset.folder):
        return disk.load(dataset.folder, str(dataset), dataset.content)
    if dataset.name:
        return small_imagenet.load(folder, dataset.content)
    return class_folders.load(dataset, folder)


def not_there(dataset: AnyData, folder: Path, missing: list[Path]) -> str:
    """The message for a data set that is not there: what was expected where, and what to do."""
    if isinstance(dataset, LocalData) and not dataset.name:
        if dataset.problem:
            return f"data set {dataset}: {dataset.problem}"
        if not dataset.content:
            return f"data set {dataset} is not built yet: `glorot run` does it first; run_ids are not final before that"
    others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"data set {dataset} is not there: expected {missing[0]}{others}; {remedy(dataset)}"


def remedy(dataset: AnyData, again: bool = False) -> str:
    """What to do about a data set that is not there or, again, that is not what it should be."""
    if isinstance(dataset, LocalData):
        if not dataset.name:
            return f"remove `content` from the sweep to take {dataset.folder} as it is now"
        dataset = dataset.name
    usual = f"get it {'again ' if again else ''}with `glorot data fetch {dataset}`"
    if not again:
        usual += ", or name the folder that holds it with --data or GLOROT_DATA"
    return getattr(DATASETS[dataset].implementation(), "HOW_TO_GET", usual)
