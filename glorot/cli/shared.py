"""What commands share: how they print, their exit codes, common options, and the results a user names."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glorot.errors import ResultsError
from glorot.places import expanded

if TYPE_CHECKING:
    from glorot.reporting.document import Document

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def say(text: str) -> None:
    """What is no data goes to stderr."""
    click.echo(text, err=True)


def show(text: str) -> None:
    """Data goes to stdout, with its line ends."""
    click.echo(text, nl=False)


def epilog(example: str) -> str:
    """An example for the end of a command's help, with its line breaks kept."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in example.splitlines())


class Names(click.Choice):
    """One of the names of a registry, which is imported when it is needed."""

    def __init__(self, load: Callable[[], Iterable[str]], without: tuple[str, ...] = ()):
        super().__init__(())
        self.load, self.without = load, without

    def get_metavar(self, *args: Any, **kwargs: Any) -> str | None:
        self.choices = tuple(name for name in self.load() if name not in self.without)
        return super().get_metavar(*args, **kwargs)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from glorot.errors import nearest
        from glorot.registry import Registry

        names = self.load()
        self.choices = tuple(name for name in names if name not in self.without)
        if (
            isinstance(names, Registry) and value not in self.without
        ):  # also a choice with its parameters, "leaky_relu(slope=0.2)"
            try:
                return names.canonical(value)
            except ValueError as error:
                self.fail(str(error), param, ctx)
        if value not in self.choices:
            allowed = ", ".join(self.choices)
            self.fail(f"expected one of {allowed}; found {value!r}{nearest(value, self.choices)}", param, ctx)
        return value


def activation_names() -> Iterable[str]:
    from glorot.models.activations import ACTIVATIONS

    return ACTIVATIONS


def dataset_names() -> Iterable[str]:
    from glorot.datasets.catalogue import DATASETS

    return DATASETS


def input_names() -> Iterable[str]:
    from glorot.datasets.inputs import INPUTS

    return INPUTS


def initializer_names() -> Iterable[str]:
    from glorot.models.initializers import INITIALIZERS

    return INITIALIZERS


def loss_names() -> Iterable[str]:
    from glorot.models.losses import LOSSES

    return LOSSES


def preprocessing_names() -> Iterable[str]:
    from glorot.datasets.prepared import PREPROCESSING

    return PREPROCESSING


class UserPath(click.Path):
    """A path in which ~ is the user's folder, also where no shell has seen it (--data=~/x, a variable)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(expanded(value), param, ctx)


sweep_type = UserPath(path_type=Path)
folder_type = UserPath(path_type=Path, file_okay=False)
file_type = UserPath(path_type=Path, dir_okay=False)
output_option = click.option(
    "-o", "--output", type=folder_type, default=Path("results"), show_default=True,
    help="Folder of results. Those of a sweep are in its subfolder NAME.",
)  # fmt: skip
data_option = click.option(
    "--data", type=folder_type, envvar="GLOROT_DATA", show_envvar=True,
    help="Folder of the data sets.  [default: the user's cache]",
)  # fmt: skip


def _load_plugins(ctx: click.Context, param: click.Parameter, files: tuple[Path, ...]) -> None:
    if files and not ctx.resilient_parsing:
        from glorot.plugins import loading, trial

        for file in files:
            trial.try_out(loading.load(file))


plugin_option = click.option(
    "--plugin", type=sweep_type, multiple=True, envvar="GLOROT_PLUGINS", show_envvar=True,
    is_eager=True, expose_value=False, callback=_load_plugins,
    help="A Python file with activations, initializers or losses of your own. The file is run. Repeatable.",
)  # fmt: skip


format_option = click.option(
    "--format", "form", type=click.Choice(("terminal", "markdown", "csv", "json", "latex", "html")),
    help="Format of the output.  [default: terminal on a terminal, else markdown]",
)  # fmt: skip


def printed(document: "Document", form: str | None) -> str:
    """A document as `--format` asks."""
    from glorot.reporting.writers import FORMS

    return FORMS[form or ("terminal" if sys.stdout.isatty() else "markdown")](document)


def places_of(name: str, output: Path, begun: bool = False) -> list[tuple[Path, Path | None]]:
    """Folders of the results a user names, each with the sweep file where that was named.

    A file is a sweep, whatever its name, as it is for `glorot run`; else there are results of this name, or it is a
    folder of them. begun: also a sweep that has no result yet. Raises ResultsError and SweepError.
    """
    from glorot.errors import nearest
    from glorot.results.folders import find_folders
    from glorot.sweeps import config
    from glorot.sweeps.shipped import resolve

    path = expanded(name)
    if path.is_file():
        return [(output / config.load(path).name, path)]
    if begun and (output / name / "sweep.yaml").is_file():
        return [(output / name, None)]
    for folder in (output / name, path):
        found = find_folders(folder)
        if found:
            return [(one, None) for one in found]
    if path.suffix.lower() in config.SUFFIXES:
        path = resolve(path)  # one that ships; or there is none
        return [(output / config.load(path).name, path)]
    stored = [folder.name for folder in find_folders(output)]
    where = path if path == output else f"{output / name} or {path}"
    remedy = nearest(name, stored) or "; run a sweep first: glorot run SWEEP"
    raise ResultsError(f"expected results in {where}, found none{remedy}")
