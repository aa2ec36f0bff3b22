"""Where results are: the folders of sweeps below an output folder."""

import os
from pathlib import Path

from glorot.errors import ResultsError


def find_folders(output: Path | str) -> list[Path]:
    """The sweeps' folders in an output folder (or the folder itself): those with sweep.yaml and runs.csv.

    Links to folders are followed. A folder to which several ways lead is found once, by the shortest.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    level = [Path(output)]
    while level:
        deeper: list[Path] = []
        for folder in sorted(level, key=lambda one: (os.path.islink(one), one)):
            inside, names = _listed(folder, seen)
            deeper += [folder / name for name in inside]
            if "runs.csv" in [*names, *inside] and os.path.isfile(folder / "sweep.yaml"):
                found.append(folder)
        level = deeper
    return sorted(found)


def _listed(folder: Path, seen: set[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in a folder; none of one that was seen, is gone, or may not be read."""

    def refused(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
            raise ResultsError(f"cannot look through {folder}: {error.strerror}") from error

    try:
        status = folder.stat()
    except OSError:
        return [], []
    inode = status.st_dev, status.st_ino
    if inode in seen:
        return [], []
    seen.add(inode)
    _, inside, names = next(os.walk(folder, onerror=refused), (folder, [], []))
    return inside, names
