"""Folders of the user's that are not named on the command line, and ~ in those that are."""

import os
import stat
import tempfile
from pathlib import Path

from glorot.errors import GlorotError


def expanded(path: Path | str) -> Path:
    """A path with the user's folder in place of ~. Raises GlorotError where that is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise GlorotError(f"{path}: expected ~ to stand for a known folder, found none; write the path out") from None


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
            f"expected a home, or a temporary folder {folder} of one's own, for what glorot keeps; found neither; "
            "name a folder with the environment's GLOROT_CACHE"
        )
    return folder
