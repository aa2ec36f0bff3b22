"""Folders of the user's that are not named on the command line, and ~ in those that are."""

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from glorot.errors import GlorotError


def expanded(path: Path | str) -> Path:
    """A path with the user's folder in place of ~. Raises GlorotError where that is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise GlorotError(f"{path}: expected ~ to stand for a known folder, found none; write the whole path") from None


def cache_folder() -> Path:
    """Where everything lies that can be made again: $GLOROT_CACHE, else glorot's folder in the user's cache."""
    chosen = os.environ.get("GLOROT_CACHE")
    return expanded(chosen) if chosen else user_cache()


def user_cache() -> Path:
    """glorot's folder in the user's cache; of a user without a home, one among the temporary files. Raises GlorotError
    where that one is somebody else's."""
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("glorot")).expanduser()
    except RuntimeError:
        return _of_nobody()
    return folder if folder.is_absolute() else _of_nobody()


def _of_nobody() -> Path:
    """A temporary folder that nobody else can write to: compiled kernels are read from there."""
    folder = Path(tempfile.gettempdir()) / f"glorot-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    except OSError:
        ours = False
    if not ours:
        raise GlorotError(
            f"expected a home folder, or a temporary folder {folder} that is yours alone; found neither; "
            "name a folder with the environment variable GLOROT_CACHE"
        )
    return folder


# What is in the cache. -----------------------------------------------------------------------------

PARTS = {
    "kernels": "compiled kernels; those that no one used for 30 days are removed",
    "checkpoints": "states of runs, to go on from; the oldest are removed beyond 4 GiB",
    "folders": "data sets built from folders of images",
    "plugins": "copies of plug-ins, for other processes",
    "tracebacks": "of what went wrong unexpectedly",
}


_STATE = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}(\.last)?\.npz")  # what training/checkpoint.py calls a saved state


def saved_states(folder: Path) -> list[str]:
    """The names of the saved states in a folder. The user may have chosen it, and have other files there, which are
    never ours to read or remove. Raises OSError, but not where there is no such folder."""
    try:
        return [name for name in os.listdir(folder) if _STATE.fullmatch(name)]
    except FileNotFoundError:
        return []


class Part(NamedTuple):
    """A folder of the cache. size: in bytes."""

    name: str
    about: str
    files: int
    size: int


def parts() -> list[Part]:
    """What lies in each folder of the cache; nothing where there is none."""
    return [Part(name, about, *_counted(cache_folder() / name)) for name, about in PARTS.items()]


def removed() -> list[Part]:
    """Remove all of it. Returns what is left, which is nothing but what could not be removed."""
    for name in PARTS:
        folder = cache_folder() / name
        if folder.is_symlink():  # what it leads to is somebody else's, too
            folder.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return parts()


def _counted(folder: Path) -> tuple[int, int]:
    """How many files there are below a folder, and their bytes."""
    files = size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(path, name)).st_size
                files += 1
            except OSError:  # gone meanwhile
                continue
    return files, size
