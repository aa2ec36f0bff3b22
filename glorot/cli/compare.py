"""`glorot compare`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from glorot.cli.report import values
from glorot.cli.shared import OK, Names, epilog, format_option, output_option, places_of, plugin_option, printed, show
from glorot.errors import ResultsError
from glorot.places import expanded

if TYPE_CHECKING:
    from glorot.reporting.report import Table


@click.command(epilog=epilog("glorot compare table1 my-table\n"
                           "glorot compare before=results/study after=elsewhere/study --format latex"))  # fmt: skip
@click.argument("sweeps", nargs=-1, required=True, metavar="[LABEL=]NAME|DIR|SWEEP.yaml...")
@output_option
@format_option
@plugin_option
@click.option("--value", type=Names(values), help="Which error or loss to compare.  [default: as the first sweep says]")
def compare(sweeps: tuple[str, ...], output: Path, form: str | None, value: str | None) -> int:
    """Compare the stored results of two sweeps, cell by cell.

    For each cell that both tables have, prints both values, their difference, p and a verdict. Above them are the
    settings that differ. If there are more than two sweeps, each is compared with the first. Writes no files. The exit
    code is 0 whatever it finds.
    """
    from glorot.reporting import comparison

    if len(sweeps) < 2:
        raise click.UsageError("expected two sweeps or more to compare, found one")
    named: list[tuple[str, Table]] = []
    for text in sweeps:
        named.append(_table(text, output, value or (named[0][1].value if named else None)))
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        labelled = [text.partition("=")[0] if "=" in text else text for text in sweeps]
        named = [(label, table) for label, (_, table) in zip(labelled, named, strict=True)]
    show(printed(comparison.document(named), form))
    return OK


def _table(text: str, output: Path, value: str | None) -> "tuple[str, Table]":
    """What a result is called, and its table. Raises GlorotError."""
    from glorot.reporting.report import stored_table

    label, equals, name = text.partition("=")
    if not equals or expanded(text).exists():
        label, name = "", text
    places = places_of(name, output)
    if len(places) > 1:
        raise ResultsError(f"expected the results of one sweep in {name}, found {len(places)}; name one of them")
    table = stored_table(*places[0], value)
    return label or table.source.sweep.name, table
