"""The sweep files that ship with the package, so that `glorot run quickstart` works anywhere."""

from importlib import resources
from pathlib import Path

from glorot.errors import SweepError, nearest
from glorot.sweeps import config


def folder() -> Path:
    """Where they are: inside the installed package, or beside it in a checkout."""
    package = Path(str(resources.files("glorot")))
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.yaml"))


def shipped() -> dict[str, str]:
    """Name -> description of each."""
    return {name: config.load(folder() / f"{name}.yaml").description for name in names()}


def resolve(sweep: Path) -> Path:
    """The file a user means: the one given, or else the shipped sweep of this name. Raises SweepError."""
    is_bare = sweep.name == str(sweep)
    if is_bare and sweep.name in names() and not sweep.is_file():
        return folder() / f"{sweep}.yaml"
    if sweep.exists():
        return sweep
    around = [path.name for path in sweep.parent.glob("*.y*ml")] + (names() if is_bare else [])
    found = nearest(sweep.name, around)
    raise SweepError(f"{sweep}: no such file{found or '; `glorot list` shows the shipped sweeps'}")


def resolve_network(file: Path) -> Path:
    """The file a user means: the one given, or else the small network of this name that ships. Raises SweepError."""
    there = {path.stem: path for path in sorted((folder() / "networks").glob("*.yaml"))}
    if file.is_file() or str(file) not in there:
        if file.exists():
            return file
        raise SweepError(f"{file}: no such file; shipped networks: {', '.join(there)}{nearest(file.name, there)}")
    return there[str(file)]
