"""The sweep files that ship with the package, so that `glorot run quickstart` works anywhere."""

from importlib import resources
from pathlib import Path

from glorot.errors import SweepError, nearest
from glorot.registry import parsed
from glorot.sweeps import config, search
from glorot.sweeps.runs import expand
from glorot.sweeps.sweep import Sweep


def folder() -> Path:
    """Where they are: inside the installed package, or beside it in a checkout."""
    package = Path(str(resources.files("glorot")))
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.yaml"))


def shipped() -> dict[str, str]:
    """Name -> description of each, and how large it is."""
    sweeps = {name: config.load(folder() / f"{name}.yaml") for name in names()}
    return {name: f"{sweep.description}  [{size(sweep)}]" for name, sweep in sweeps.items()}


def size(sweep: Sweep) -> str:
    """ "3 runs, 180,000 updates; shapeset": all that `glorot run` will do, short runs that choose among them first."""
    runs = expand(sweep)
    both = [*search.flat(search.short_runs(sweep, runs)), *(search.stand_ins(sweep, runs) if sweep.search else runs)]
    updates = sum(run.settings.all_updates for run in both if "updates" not in run.settings.ignored)
    data = dict.fromkeys(parsed(str(run.settings.dataset))[0] for run in both)
    count = f"{len(both):,} run{'s' if len(both) != 1 else ''}"
    return f"{count}{f', {updates:,} updates' if updates else ''}; {', '.join(data)}"


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
