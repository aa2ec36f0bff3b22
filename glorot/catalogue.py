"""The sweep files that ship with the package, so that `glorot run quickstart` works anywhere."""

from importlib import resources
from pathlib import Path

from glorot import config


def folder() -> Path:
    """Where they are: inside the installed package, or beside it in a checkout."""
    package = Path(str(resources.files("glorot")))
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


def shipped() -> dict[str, str]:
    """Name -> description of each."""
    return {path.stem: config.load(path).description for path in sorted(folder().glob("*.yaml"))}


def resolve(sweep: Path) -> Path:
    """The file a user means: the one given, or else the experiment of this name that ships."""
    if sweep.exists() or sweep.name != str(sweep):
        return sweep
    candidate = folder() / f"{sweep}.yaml"
    return candidate if candidate.is_file() else sweep
