"""`glorot report NAME --html`: a sweep's report in one file that loads nothing.

Tables and text are HTML, curves are matplotlib's SVG; the same numbers stand as JSON in the page for a little
JavaScript (``page.js``) that sorts, filters, reads values under the pointer and fills the drawers of runs. All that is
text goes in as text: escaped here, and by textContent there.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

import glorot
from glorot.reporting import document, html, pictures, plots, views
from glorot.reporting.document import Document, Text
from glorot.reporting.html import text
from glorot.reporting.style import DPI, STYLE, color, dashes
from glorot.reporting.summary import VALUES, Cell
from glorot.reporting.table_notes import chosen_by, chosen_text
from glorot.reporting.views import Study
from glorot.results.troubles import what_happened
from glorot.sweeps import search
from glorot.sweeps.fields import ABOUT

if TYPE_CHECKING:
    from glorot.sweeps.runs import Run

FILE = "report.html"
POINTS, MOMENTS, CURVE = 80, 21, 40  # of a line, of a network, of a run's curve: how many are kept at most
LINES = 40  # of a chart: those of the first rows
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
QUANTITIES = (  # of the probes: quantity, column, title, whether by powers of ten
    ("activation", "std", "standard deviation of activations", False),
    ("activation", "saturation", "share of saturated units", False),
    ("gradient", "std", "standard deviation of gradients dC/dz", True),
    ("weight_gradient", "std", "standard deviation of weight gradients", True),
)


def written(study: Study, commands: Sequence[str], sweep_file: str, scorecard: Document | None = None) -> str:
    """The page. commands: those that gave these results. sweep_file: the text of sweep.yaml. Raises ResultsError."""
    charts = dict(_charts(study))
    networks = list(_networks(study))
    runs = _runs(study)
    data = {
        "charts": {name: data for name, (_, data) in charts.items()},
        "networks": networks,
        "runs": runs,
    }
    sections = {
        "Results": _results(study),
        "Settings chosen": _chosen(study),
        "Curves": "".join(svg for svg, _ in charts.values()),
        "Inside the networks": _inside() if networks else "",
        "Scorecard": html.fragment(scorecard) if scorecard else "",
        "Failed and diverged runs": _troubles(study),
        "Runs": _drawers(study, runs),
        "How this was made": _making(study, commands, sweep_file),
    }
    kept = {title: content for title, content in sections.items() if content}
    ids = {title: title.lower().replace(" ", "-") for title in kept}
    links = "".join(f'<a href="#{ids[title]}">{title}</a>' for title in kept)
    body = "".join(
        f'<section id="{ids[title]}"><h2>{title}</h2>\n{content}</section>\n' for title, content in kept.items()
    )
    return (
        f'<!doctype html>\n<html lang="en" data-theme="light">\n<head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(study.name)}</title>\n<style>\n{_file('page.css')}</style></head>\n<body>\n"
        f'<a class="skip" href="#results">Skip to the results</a>\n'
        f'<nav class="controls">{links}<button type="button" id="theme">Light or dark</button></nav>\n'
        f"<main><h1>{text(study.name)}</h1>\n{_opening(study)}\n{body}</main>\n"
        f'<script type="application/json" id="data">{_json(data)}</script>\n<script>\n{_file("page.js")}</script>\n'
        "</body>\n</html>\n"
    )


def _file(name: str) -> str:
    return resources.files("glorot.reporting").joinpath(name).read_text("utf-8")


def _json(data: Any) -> str:
    """JSON in which no tag ends or begins; null for what is no number, such as a loss that a model does not have."""
    finite = _finite(data)
    return json.dumps(finite, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


# Question and answer -------------------------------------------------------------------------------


def _opening(study: Study) -> str:
    about = "" if study.table.title == study.name else f'<p class="question">{text(study.table.title)}</p>'
    found = [answer(study, number) for number in range(len(study.table.columns))]
    items = "".join(f"<li>{text(one)}</li>" for one in found if one)
    return about + (f'<div class="answer"><ul>{items}</ul></div>' if items else "")


def answer(study: Study, column: int) -> str:
    """ "MNIST: lowest test error 1.75 %: Tanh N. Not significantly higher: Softsign": a column in words."""
    table = study.table
    cells = {row: line[column] for row, line in zip(table.rows, table.cells, strict=True)}
    known = {row: cell for row, cell in cells.items() if cell.mean is not None and math.isfinite(cell.mean)}
    if not known:
        return ""
    best = min(known, key=lambda row: (bool(known[row].diverged), known[row].mean))
    name = f"{table.columns[column]}: " if len(table.columns) > 1 else ""
    what = VALUES[table.value].removesuffix(" (%)").lower()
    number = "".join(part if isinstance(part, str) else part.text for part in known[best].number(table.value))
    percent = " %" if table.value.endswith("error") else ""
    others = {row: cell for row, cell in known.items() if row != best}
    alike = [row for row, cell in others.items() if cell.mark.best]
    untested = {row: cell for row, cell in others.items() if not cell.mark.test}
    told = [f"{name}lowest {what} {number}{percent}: {best}"]
    if alike:
        told.append(f"Not significantly higher: {', '.join(alike)}")
    elif others and not untested:
        told.append("Every other one is significantly higher")
    if others and not any(cell.mark.test or cell.diverged for cell in known.values()):
        told.append("Too few runs to test the differences")
    elif untested:
        told.append(f"Not compared: {', '.join(map(_untested, untested, untested.values()))}")
    return ". ".join(told)


def _untested(row: str, cell: Cell) -> str:
    """ "Tanh (a seed diverged)": its mean flatters."""
    seeds = "a seed" if cell.diverged == 1 else f"{cell.diverged} seeds"
    return f"{row} ({seeds} diverged)" if cell.diverged else row


# Tables --------------------------------------------------------------------------------------------


def _results(study: Study) -> str:
    table = study.table
    head = "".join(
        f'<th scope="col"{side}>{text(name)}</th>'
        for name, side in [(VALUES[table.value], ""), *((name, ' class="number"') for name in table.columns)]
    )
    rows = "".join(
        f'<tr><th scope="row">{text(row)}</th>'
        + "".join(_cell(cell, table.parts(row, name, cell)) for name, cell in zip(table.columns, cells, strict=True))
        + "</tr>\n"
        for row, cells in zip(table.rows, table.cells, strict=True)
    )
    notes = html.block(document.notes([note for note in table.notes if not note.startswith("Chosen by ")]))
    return (
        '<p class="controls"><label>Filter rows <input type="search" data-filters="#table tbody tr"></label></p>'
        f'<div class="scroll"><table id="table" class="sortable"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n{notes}\n"
        '<p>As files: <a href="table.csv">table.csv</a>, <a href="runs.csv">runs.csv</a>, '
        '<a href="provenance.csv">provenance.csv</a></p>'
    )


def _cell(cell: Cell, shown: Text) -> str:
    sort = "" if cell.mean is None or not math.isfinite(cell.mean) else repr(cell.mean)
    updates = sorted({run.settings.updates for run in cell.shown if "updates" not in run.settings.ignored})
    small = f"<small>{' or '.join(f'{number:,}' for number in updates[:3])} updates</small>" if updates else ""
    return f'<td class="number" data-sort="{sort}">{text(shown)}{small}</td>'


def _chosen(study: Study) -> str:
    sweep = study.table.source.sweep
    found = [(place, place.cell) for place in chain(*study.places) if place.cell.chosen]
    if not found:
        return ""
    several = len(study.table.columns) > 1
    rows = "".join(
        f'<tr><th scope="row">{text(place.row)}</th>{f"<td>{text(place.column)}</td>" if several else ""}'
        f"<td>{text(chosen_text(sweep, cell))}</td></tr>"
        for place, cell in found
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Row", "Column", "Setting") if several or name != "Column"
    )
    return (
        f"<p>Chosen by {text(chosen_by(sweep))}. A better setting may lie beyond one at the end of its grid.</p>"
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _troubles(study: Study) -> str:
    found = what_happened(study.store, _every(study))
    rows = [f"<tr><td>{text(_title(run))}</td><td>{text(what)}</td></tr>\n" for run, what in found]
    if not rows:
        return ""
    head = '<th scope="col">Run</th><th scope="col">What happened</th>'
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


# Curves --------------------------------------------------------------------------------------------


def _charts(study: Study) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    lacking = views.without_history(study)
    for what, y in (("error", "test error (%)"), ("loss", "test loss")):
        found = [_thinned(panel) for panel in views.curves(study, what)]
        panels = [panel for panel in found if panel.lines]
        if panels:
            figure = plots.lines(panels, "", "", "updates", y, log_x=False, keys=False)
            caption = f"{y} over updates. Thick: mean over seeds; band: standard error; thin: validation"
            note = "; dotted: chance" if any(panel.chance is not None for panel in panels) else ""
            note += "" if study.table.rows[LINES:] == [] else f"; the first {LINES} rows"
            note += f"; no history of {lacking}" if lacking else ""
            yield what, (_figure(what, _inline(figure), caption + note), _chart(figure, panels))


def _thinned(panel: views.Panel) -> views.Panel:
    lines = []
    for line in panel.lines:
        if line.number < LINES:
            keep = _some(len(line.x), POINTS)
            thin, spread = (None if one is None else one[keep] for one in (line.thin, line.spread))
            lines.append(
                views.Line(line.label, line.number, line.x[keep], line.y[keep], spread, thin, line.lost, line.seeds)
            )
    return views.Panel(panel.title, lines, panel.chance)


def _some(n: int, most: int) -> np.ndarray:
    """Which of n things to keep: the first, the last and others between them, at even distances."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) if n else np.array([], int)


def _inline(figure: Any) -> str:
    """An SVG to stand in a page: no header, no metadata, no background, and its lines by the number of their row."""
    svg = pictures.rendered(figure, "svg", STYLE).decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'id="line-(\d+)-(\d+)[^"]*"', r'data-number="\2"', svg)
    svg = re.sub(r'<g id="patch_1">.*?</g>', "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"(\d+\.\d)\d{3,}", r"\1", svg)  # a tenth of a point is enough
    return svg.replace("<svg", '<svg class="drawn"', 1)


def _chart(figure: Any, panels: Sequence[views.Panel]) -> dict[str, Any]:
    """For page.js: the labels, and each line's points in the SVG's own units beside their values."""
    height = figure.get_figheight() * 72
    lines = []
    for panel, axes in zip(panels, figure.axes, strict=False):
        for line in panel.lines:
            at = axes.transData.transform(np.column_stack([line.x, line.y])) * 72 / DPI
            points = [[round(float(x), 1), round(height - float(y), 1)] for x, y in at]
            title = panel.title if len(panels) > 1 else ""
            xs = [int(x) for x in line.x]
            lines.append({"number": line.number, "panel": title, "at": points, "x": xs, "y": _short(line.y)})
    labels = {line.number: line.label for panel in panels for line in panel.lines}
    named = [
        [number, label, color(number), " ".join(f"{3 * length:g}" for length in dashes(number))]
        for number, label in sorted(labels.items())
    ]
    return {"labels": named, "lines": lines}


def _short(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values]


def _figure(name: str, svg: str, caption: str) -> str:
    return (
        f'<figure id="chart-{name}"><figcaption>{text(caption)}</figcaption><ul class="series-list"></ul>'
        f'<div class="scroll" role="img" aria-label="{escape(caption)}">{svg}</div>'
        '<p class="reading dim" aria-live="polite"></p></figure>\n'
    )


# Inside --------------------------------------------------------------------------------------------


def _networks(study: Study) -> Iterator[dict[str, Any]]:
    """For page.js: what was seen in the network of each cell's first seed."""
    for place in chain(*views.probed(study)):
        quantities, updates = [], np.array([])
        for quantity, column, title, log in QUANTITIES:
            seen = views.layers(study, place, quantity)
            if seen is None:
                continue
            keep = _some(len(seen.updates), MOMENTS)
            updates = seen.updates[keep]
            values = [_short(row) for row in seen.values[column][:, keep]]
            quantities.append({"title": title, "first": seen.first, "log": log, "values": values})
        if len(updates):
            yield {"title": place.title, "updates": [int(one) for one in updates], "quantities": quantities}


def _inside() -> str:
    return (
        '<div id="networks"><p class="controls"><label>Network (first seed) <select id="network"></select></label></p>'
        '<p class="controls"><label>Moment <input type="range" id="moment" min="0" max="0" value="0"></label></p>'
        '<p id="moment-text"></p><p class="dim">One bar per layer, from the input (left) on.</p>'
        '<div class="layers"></div></div>'
    )


# Runs ----------------------------------------------------------------------------------------------


def _every(study: Study) -> "list[Run]":
    """All runs of the sweep that are stored, the short ones of a search in front."""
    source = study.table.source
    return [run for run in [*search.flat(source.short), *source.runs] if run.run_id in source.found]


def _title(run: "Run") -> str:
    return ", ".join(f"{axis.replace('_', ' ')} {label}" for axis, label in run.labels.items()) or run.method


def _runs(study: Study) -> list[dict[str, Any]]:
    """For page.js: settings, provenance and curve of each run."""
    origins = study.store.read_provenance().set_index("run_id")
    found = []
    for run in _every(study):
        settings = [
            [about.title, about.text(getattr(run.settings, name))]
            for name, about in ABOUT.items()
            if about.is_old or getattr(run.settings, name) != about.older
        ]
        provenance = [["run_id", run.run_id], ["status", study.status(run)]]
        if run.run_id in origins.index:
            row: Mapping[str, Any] = origins.loc[run.run_id].to_dict()
            provenance += [[name, str(value)] for name, value in row.items() if str(value) not in ("", "nan", "<NA>")]
        history = study.store.read_history(run.run_id)
        keep = _some(len(history), CURVE)
        curve = [
            [int(one) for one in history["update"].to_numpy()[keep]],
            _short(history["test_error"].to_numpy()[keep]),
        ]
        found.append({"settings": settings, "provenance": provenance, "curve": curve})
    return found


def _drawers(study: Study, runs: Sequence[Any]) -> str:
    items = []
    for number, run in enumerate(_every(study)):
        row = study.table.source.found[run.run_id]
        error = row.get("test_error")
        known = study.status(run) == "done" and isinstance(error, float) and math.isfinite(error)
        what = f"test error {error:.2f} %" if known else study.status(run)
        items.append(
            f'<details data-run="{number}"><summary>{text(_title(run))}: {what}</summary><div class="drawer"></div>'
            "</details>\n"
        )
    search_box = '<p class="controls"><label>Filter runs <input type="search" data-filters="#runs details"></label></p>'
    return search_box + "".join(items)


# Making --------------------------------------------------------------------------------------------


def _making(study: Study, commands: Sequence[str], sweep_file: str) -> str:
    origins = study.store.read_provenance()
    seconds = float(origins["seconds"].fillna(0).sum())
    facts = {
        "Time of all runs": f"{seconds / 60:,.1f} minutes of training and evaluation",
        "Runs stored": str(len(origins)),
    }
    for column, title in (
        ("hardware", "Processor"), ("glorot", "glorot"), ("python", "Python"), ("numpy", "NumPy"), ("numba", "Numba"),
        ("threads", "Threads per run"),
    ):  # fmt: skip
        values = [str(one) for one in origins[column].unique() if str(one) not in ("", "nan", "<NA>")]
        facts[title] = "; ".join(values[:5]) + ("; ..." if len(values) > 5 else "")
    facts["This page"] = f"glorot {glorot.__version__}"
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{text(value)}</td></tr>' for name, value in facts.items() if value
    )
    return (
        f"<h3>Commands</h3><pre>{escape(chr(10).join(commands))}</pre>\n<h3>sweep.yaml</h3><pre>{escape(sweep_file)}</pre>\n"
        f'<h3>Versions and machine</h3><div class="scroll"><table>{rows}</table></div>'
    )
