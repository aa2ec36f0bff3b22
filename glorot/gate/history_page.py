"""The page of ``glorot check --history``: each cell's curve over the nights, its steps, and the commits around each."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.gate.history import Change, Curve, changes
from glorot.reporting import html, markdown, pictures
from glorot.reporting.document import Block, Document, Grid, Heading, Paragraph, Picture, Records, notes
from glorot.reporting.style import CYCLE, STYLE
from glorot.results.store import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_COMMIT = "not known"
HEADER = ("date", "cell", "quantity", "before", "after", "last commit before", "first commit after")
RECORDS = ("kind", "title", "cell", "quantity", "before", "after", "last_when", "last_commit", "first_when",
           "first_commit", "machine")  # fmt: skip
ABOUT = (
    "A test error on the CPU is the same to the bit from night to night, so every change of it is a step. In other "
    "curves, steps are those of the best piecewise constant curve (L1 Potts functional). A step is a regression where "
    "the number became larger by more than the gate's factor.",
    "Seconds are compared on the same machine only.",
)


def write(folder: Path, all_curves: Sequence[Curve]) -> list[Path]:
    """Write history.html, history.md and history.png. Equal histories give equal bytes. Raises ResultsError."""
    with pictures.shipped(STYLE):
        figure = drawn(all_curves)
    document = document_of(all_curves, pictures.rendered(figure, "svg", STYLE).decode())
    paths = [folder / f"history.{form}" for form in ("html", "md", "png")]
    write_text(paths[0], html.written(document))
    write_text(paths[1], markdown.written(document))
    write_bytes(paths[2], pictures.rendered(figure, "png", STYLE))
    return paths


def document_of(all_curves: Sequence[Curve], svg: str = "") -> Document:
    """The page as a document. Its records are the steps."""
    found = changes(all_curves)
    worse = [change for change in found if change.kind == "worse"]
    points = [point for curve in all_curves for point in curve.points]
    nights = len({point.when[:10] for point in points})
    counts = f"Numbers: {len(points)}. Days: {nights}. Curves: {len(all_curves)}. Steps: {len(found)}"
    blocks: list[Block] = [Paragraph(f"{counts}, regressions among them: {len(worse)}."), Heading("Regressions")]
    blocks.append(_grid(worse) if worse else Paragraph("None."))
    others = [change for change in found if change.kind != "worse"]
    if others:
        blocks += [Heading("Other steps"), _grid(others)]
    if svg:
        blocks += [Heading("Curves"), Picture("All curves. Lines: steps.", svg, counts, "history.png")]
    return Document("History", [*blocks, notes(ABOUT)], Records(RECORDS, [_record(change) for change in found]))


def _grid(found: Sequence[Change]) -> Grid:
    rows = [
        (
            change.first.when[:10], f"{change.first.title}: {change.first.cell}", change.first.quantity,
            f"{change.step.before:.4g}", f"{change.step.after:.4g}",
            change.last.commit or NO_COMMIT, change.first.commit or NO_COMMIT,
        )
        for change in found
    ]  # fmt: skip
    return Grid(HEADER, rows, right=False)


def _record(change: Change) -> dict[str, Any]:
    last, first = change.last, change.first
    return {
        "kind": change.kind, "title": first.title, "cell": first.cell, "quantity": first.quantity,
        "before": change.step.before, "after": change.step.after, "last_when": last.when, "last_commit": last.commit,
        "first_when": first.when, "first_commit": first.commit, "machine": first.machine,
    }  # fmt: skip


def drawn(all_curves: Sequence[Curve]) -> "Figure":
    """A panel for each curve, two side by side: numbers as points, the medians between steps as lines."""
    rows = max(1, -(-len(all_curves) // 2))
    figure = pictures.new(figsize=(10, 1.7 * rows), layout="constrained")
    panels: Any = figure.subplots(rows, 2, squeeze=False)
    for panel, curve in zip(panels.flat, all_curves, strict=False):
        _draw(panel, curve)
    for panel in list(panels.flat)[len(all_curves) :]:
        panel.set_visible(False)
    return figure


def _draw(panel: Any, curve: Curve) -> None:
    values = [point.value for point in curve.points]
    panel.plot(range(len(values)), values, ".", color=CYCLE[0])
    starts = [0, *(step.index for step in curve.steps), len(values)]
    levels = [curve.steps[0].before if curve.steps else statistics.median(values), *(one.after for one in curve.steps)]
    for level, start, end in zip(levels, starts, starts[1:], strict=False):
        panel.plot([start - 0.5, end - 0.5], [level, level], color=CYCLE[1])
    first = curve.points[0]
    panel.set_title(pictures.plain(f"{first.title}: {curve.name}"[:70]), fontsize=7)
    panel.set_ylabel(first.quantity.partition(" (")[0], fontsize=7)
    shown = sorted({0, *(step.index for step in curve.steps[-3:]), len(values) - 1})
    panel.set_xticks(shown, [curve.points[index].when[5:10] for index in shown], fontsize=6)
    panel.tick_params(labelsize=6)
