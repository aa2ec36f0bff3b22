"""Documents as text, one function per format."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping

from glorot.reporting import html, latex, markdown, terminal
from glorot.reporting.document import Document, Notes, Value


def csv_text(document: Document) -> str:
    """The records, one line each, numbers exact.

    Long rather than wide: a cell of a table has a mean, an error, counts and a choice, which a wide table would have
    to squeeze into text; and the header is the same for every sweep, so files can be stacked.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    records = document.records
    writer.writerow(records.columns)
    writer.writerows([_csv_cell(row.get(column)) for column in records.columns] for row in records.rows)
    return buffer.getvalue()


def _csv_cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else sheet_text(str(value))


def sheet_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before what would be one."""
    number = re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", text, re.IGNORECASE)
    return text if number or not re.match(r"[=+\-@\t\r]", text) else "'" + text


def json_text(document: Document) -> str:
    """The records by name, title, notes and provenance. What is no finite number is null."""
    records = document.records
    rows = [{column: _json_value(row.get(column)) for column in records.columns} for row in records.rows]
    notes = [
        {"text": note.text, "items": list(note.items)}
        for block in document.blocks
        if isinstance(block, Notes)
        for note in block.notes
    ]
    whole = {"title": document.title, "rows": rows, "notes": notes, "provenance": dict(document.provenance)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _json_value(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMS: Mapping[str, Callable[[Document], str]] = {
    "terminal": terminal.written,
    "markdown": markdown.written,
    "csv": csv_text,
    "json": json_text,
    "latex": latex.written,
    "html": html.written,
}
