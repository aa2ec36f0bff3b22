"""`glorot report`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glorot.cli.shared import (
    OK,
    WRONG_USAGE,
    Names,
    data_option,
    epilog,
    format_option,
    output_option,
    places_of,
    plugin_option,
    printed,
    say,
    show,
)
from glorot.errors import GlorotError

if TYPE_CHECKING:
    from glorot.reporting.document import Document
    from glorot.reporting.views import Study


def values() -> Iterable[str]:
    from glorot.sweeps.sweep import VALUES

    return VALUES


@click.command(epilog=epilog("glorot report quickstart\n"
                           "glorot report results/lecture --value valid_error --format csv\n"
                           "glorot report table1 lecture --paper\n"
                           "glorot report my-study --figures"))  # fmt: skip
@click.argument("sweeps", nargs=-1, metavar="[NAME|DIR|SWEEP.yaml]...")
@output_option
@plugin_option
@format_option
@click.option("--value", type=Names(values), help="Which error or loss the table shows.  [default: as the sweep says]")
@click.option("--paper", is_flag=True, help="Print one table of all these sweeps, beside the paper's Table 1.")
@click.option("--scorecard", is_flag=True, help="Instead of tables, judge published claims by these runs.")
@click.option("--of", "source", type=click.Choice(("paper", "lecture", "published")),
              help="Whose claims the scorecard judges: the paper's, the lecture's, or those that follow from published "
              "numbers in the sweep.  [default: published for sweeps that have such numbers, else paper]")  # fmt: skip
@click.option("--figures", is_flag=False, flag_value="", metavar="[sweep|paper]",
              help="Also draw figures: those of each sweep, or the paper's figures from all these sweeps together.  "
              "[default: sweep; paper for the shipped reproductions]")  # fmt: skip
@click.option("--html", "page", is_flag=True, help="Also write report.html: everything about a sweep in one file.")
@click.option("--extrapolate", type=click.IntRange(1), metavar="UPDATES",
              help="Instead of tables, estimate the error of each run after this many updates.")  # fmt: skip
@data_option
def report(
    sweeps: tuple[str, ...], output: Path, form: str | None, value: str | None, paper: bool, scorecard: bool,
    source: str | None, figures: str | None, page: bool, extrapolate: int | None, data: Path | None,
) -> int:  # fmt: skip
    """Print the tables of sweeps that were run.

    Give the name, the folder or the file of a sweep. Without one, all sweeps in OUTPUT are shown. Prints the table, and
    writes table.md and table.csv to the folder of the sweep. --figures draws PNG, SVG and PDF files in its subfolder
    figures. --html writes report.html there, one file that needs no internet.

    With --paper, --figures paper or --scorecard, one report is made from all these sweeps: paper.md and paper.csv, the
    paper's figures, or scorecard.md (claims of the paper, or of published numbers in the sweep, each with its number,
    ours, and a verdict). It goes to the folder of the sweep if there is only one, else to OUTPUT.
    """
    if figures not in (None, "", "sweep", "paper"):  # "--figures NAME": the name of a sweep
        sweeps, figures = (*sweeps, figures), ""
    if scorecard and (value or paper or page or figures is not None):
        raise click.UsageError("--scorecard is a report of its own; give it without other options but --format")
    if extrapolate and (value or paper or page or figures is not None or scorecard):
        raise click.UsageError("--extrapolate is a report of its own; give it without other options but --format")
    if paper and value not in (None, "test_error"):
        raise click.UsageError("--paper shows test errors; leave --value out")
    if scorecard:
        return _scorecard(sweeps, output, form, source)
    if source:
        raise click.UsageError("--of is for the scorecard: add --scorecard")
    if figures is not None and not sweeps and not _own(output):
        _draw_papers([], output, data)  # some need no run
        return OK
    places = [place for name in sweeps for place in places_of(name, output)] if sweeps else _own(output)
    if not places:
        raise GlorotError(
            f"expected results in {output}, found none; run a sweep first: glorot run SWEEP{_others(output)}"
        )
    if extrapolate:
        return _extrapolated([folder for folder, _ in places], extrapolate, form)
    together = places[0][0] if sweeps and len(places) == 1 else output
    codes = [_tables(places, form, "test_error" if paper else value, together if paper else None)]
    codes += [_page(folder, file, value) for folder, file in places if page]
    if figures is not None:
        folders = [folder for folder, _ in places]
        papers = figures == "paper" or (not figures and all(map(_is_reproduction, folders)))
        if papers:
            _draw_papers(folders, together, data)
        else:
            codes += [_draw_own(folder, file, value, data) for folder, file in places]
    return max(codes)


def _extrapolated(folders: list[Path], updates: int, form: str | None) -> int:
    from glorot.reporting.extrapolation import document
    from glorot.results.stored import gather

    show(printed(document(gather(folders), updates), form))
    return OK


def _own(output: Path) -> list[tuple[Path, Path | None]]:
    """The sweeps directly in a folder. In results/, what lies deeper was made by others: glorot's own examples."""
    from glorot.results.folders import find_folders

    return [(folder, None) for folder in find_folders(output) if folder.parent == output]


def _others(output: Path) -> str:
    """What to name for the sweeps that lie deeper, as a remedy."""
    from glorot.results.folders import find_folders

    deeper = sorted({str(folder.parent) for folder in find_folders(output)} - {str(output)})
    return f"; or name those of others: glorot report {' '.join(deeper)}" if deeper else ""


def _is_reproduction(folder: Path) -> bool:
    """Whether a shipped sweep of the paper's results lies there, whose figures are the paper's."""
    return folder.name in ("figures", "figures-quick", "table1") or folder.name.startswith("reference-")


def _tables(places: list[tuple[Path, Path | None]], form: str | None, value: str | None, paper: Path | None) -> int:
    """Print and write the table of each sweep. paper: write there, beside the paper's, one of all instead."""
    from glorot.reporting.report import stored_table

    code, tables = OK, []
    for number, (folder, file) in enumerate(places):
        try:
            table = stored_table(folder, file, value)
        except GlorotError as error:
            if len(places) == 1:
                raise
            say(f"glorot: skipped: {error}")
            code = WRONG_USAGE
            continue
        tables.append(table)
        if not paper:
            show(("\n" if number and form in (None, "markdown") else "") + printed(table.document(), form))
            try:
                table.write(folder)
            except GlorotError as error:  # the folder may be someone else's
                say(f"glorot: {error}")
                code = WRONG_USAGE
    if paper:
        from glorot.paper.table1 import paper_table

        together = paper_table(tables)
        show(printed(together.document(), form))
        together.write(paper)
    return code


def _scorecard(sweeps: tuple[str, ...], output: Path, form: str | None, source: str | None) -> int:
    """Print the scorecard of these sweeps' runs, and write it. With no results at all: of what needs no run."""
    from glorot.paper import scorecard
    from glorot.results.selected import gather_readable

    places = [place for name in sweeps for place in places_of(name, output)]
    folders = [folder for folder, _ in places or _own(output)]
    if source == "published" or (source is None and places and all(map(_has_published, folders))):
        return _of_published(folders, folders[0] if len(folders) == 1 and sweeps else output, form)
    source = source or "paper"
    runs, problems = gather_readable(folders)
    for problem in problems:
        say(f"glorot: not on the scorecard: {problem}")
    if problems and len(problems) == len(folders):
        return WRONG_USAGE
    evidence = scorecard.evidence_of(runs)
    card = scorecard.CARDS[source]
    say(f"{len(evidence.runs)} stored runs; and {card.tells}")
    document = scorecard.document(scorecard.judge(evidence, card.sections), card)
    show(printed(document, form))
    place = folders[0] if sweeps and len(folders) == 1 else output
    scorecard.write(place, printed(document, "markdown"), card.file)
    say(f"written: {place / card.file}")
    return WRONG_USAGE if problems else OK


def _has_published(folder: Path) -> bool:
    """Whether a stored sweep has published numbers."""
    from glorot.sweeps.runs import stored_sweep

    try:
        return stored_sweep(folder).published is not None
    except GlorotError:
        return False


def _of_published(folders: list[Path], place: Path, form: str | None) -> int:
    """Print the scorecard of the published numbers of these sweeps, and write it."""
    from glorot.paper import claims_of_published, scorecard
    from glorot.reporting.report import stored_table

    document = claims_of_published.scorecard([stored_table(folder) for folder in folders])
    show(printed(document, form))
    scorecard.write(place, printed(document, "markdown"))
    say(f"written: {place / scorecard.FILE}")
    return OK


def _card(folder: Path) -> "Document | None":
    """The scorecard of a sweep, where it was written."""
    from glorot.paper import claims_of_published, scorecard
    from glorot.reporting.report import stored_table

    if not (folder / scorecard.FILE).is_file():
        return None
    if _has_published(folder):
        return claims_of_published.scorecard([stored_table(folder)])
    return scorecard.document(scorecard.judge(scorecard.evidence([folder])))


def _page(folder: Path, file: Path | None, value: str | None) -> int:
    """Write report.html of one sweep; with the scorecard, where that was written."""
    from glorot.reporting.page import FILE, written
    from glorot.results.store import write_text

    try:
        study = _study(folder, file, value)
        commands = [f"glorot run {folder / 'sweep.yaml'}", f"glorot report {folder} --html"]
        text = written(study, commands, (folder / "sweep.yaml").read_text("utf-8"), _card(folder))
        write_text(folder / FILE, text)
    except (GlorotError, OSError) as error:
        say(f"glorot: no report.html of {folder}: {error}")
        return WRONG_USAGE
    say(f"written: {folder / FILE}")
    return OK


def _study(folder: Path, file: Path | None, value: str | None) -> "Study":
    from glorot.reporting.report import stored_table
    from glorot.reporting.views import Study
    from glorot.results.store import Store

    return Study(stored_table(folder, file, value), Store(folder))


def _draw_own(folder: Path, file: Path | None, value: str | None, data: Path | None) -> int:
    """The figures of one sweep, in figures/ there."""
    from glorot.datasets.loading import data_folder
    from glorot.reporting.figures import draw
    from glorot.training.checkpoint import checkpoint_folder

    try:
        study = _study(folder, file, value)
        files, notes = draw(study, folder / "figures", data_folder(data), checkpoint_folder())
    except (GlorotError, OSError) as error:
        say(f"glorot: no figures of {folder}: {error}")
        return WRONG_USAGE
    for note in notes:
        say(note)
    count = sum(path.suffix == ".svg" for path in files)
    say(f"{count} figures drawn in {folder / 'figures'}" + ", all of them on contact-sheet.png" * (count > 0))
    return OK


def _draw_papers(folders: list[Path], place: Path, data: Path | None) -> None:
    """Figures 1-12 of the runs in these folders, in figures/ there, and what there are no runs for."""
    from glorot.datasets.loading import data_folder
    from glorot.paper.figures import draw_all
    from glorot.results.selected import gather_readable

    runs, problems = gather_readable(folders)
    for problem in problems:
        say(f"glorot: not in the figures: {problem}")
    target = place / "figures"
    files, notes = draw_all(runs, target, data_folder(data))
    for note in notes:
        say(note)
    count = sum(file.suffix == ".svg" for file in files)
    say(f"{count} figures drawn in {target}, all of them on contact-sheet.png")
