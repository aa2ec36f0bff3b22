"""`glorot new`: files to begin with."""

from pathlib import Path

import click

from glorot.cli.shared import epilog, file_type, say
from glorot.errors import GlorotError
from glorot.places import expanded


@click.command(epilog=epilog("glorot new my-study\nglorot new my-table1 --from table1\n"
                           "glorot new --plugin my_units.py"))  # fmt: skip
@click.argument("name", required=False)
@click.option("--from", "experiment", metavar="SWEEP", help="Copy a shipped sweep.")
@click.option(
    "--plugin", type=file_type, metavar="FILE.py",
    help="Write a plug-in with an activation, an initializer and a loss, to change.",
)  # fmt: skip
def new(name: str | None, experiment: str | None, plugin: Path | None) -> None:
    """Write a sweep file with comments, NAME.yaml, or a plug-in.

    The sweep is a short example, or with --from a copy of a shipped sweep. Existing files are never overwritten.
    """
    from glorot.plugins import starter as plugin_starter
    from glorot.sweeps import config, starter

    if not name and not plugin:
        raise click.UsageError("expected a NAME for a sweep, or --plugin FILE.py")
    if experiment and not name:
        raise click.UsageError("expected a NAME for the sweep that begins with --from")
    texts: dict[Path, str] = {}
    if name:
        file = expanded(name if name.endswith(config.SUFFIXES) else f"{name}.yaml")
        texts[file] = starter.text(file.stem, experiment)
        config.parse(texts[file], str(file))  # a name that no sweep can have is refused here
    if plugin:
        if plugin.suffix != ".py" or not plugin.stem.isidentifier():
            raise click.UsageError(f"--plugin: expected a file such as my_units.py, found {plugin}")
        texts[plugin] = plugin_starter.TEXT
    for file in texts:
        if file.exists():
            raise GlorotError(f"{file}: expected no such file, found one; choose another name")
    for file, text in texts.items():
        try:
            with open(file, "x", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            raise GlorotError(f"cannot write {file}: {error.strerror}") from error
    if name:
        say(f"{next(iter(texts))} is written; next: glorot run {next(iter(texts))}")
    if plugin:
        say(f"{plugin} is written; next: glorot list --plugin {plugin}")
