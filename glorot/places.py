"""Folders of the user's that are not named on the command line."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where everything lies that can be made again: $GLOROT_CACHE, else glorot's folder in the user's cache."""
    if os.environ.get("GLOROT_CACHE"):
        return Path(os.environ["GLOROT_CACHE"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("glorot"))
