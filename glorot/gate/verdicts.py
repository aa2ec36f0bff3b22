"""Verdicts of ``glorot check``: what becomes of a cell that is compared with a baseline, and how that is told."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from glorot.errors import GlorotError
from glorot.reporting import markdown
from glorot.reporting.document import Bold, Document, Grid, Paragraph, Records, Text

KINDS = ("worse", "changed", "missing", "stale", "better", "new", "same")  # what needs attention comes first
BAD = ("worse", "changed", "missing", "stale")
NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Verdict:
    """What became of one cell.

    kind: one of KINDS. cell: its name. baseline, found: both numbers as text; NONE where there is none. why: how
    that was decided. seconds: how long the runs took, where that is known.
    """

    kind: str
    cell: str
    baseline: str
    found: str
    why: str
    seconds: float | None = None

    @property
    def line(self) -> str:
        return f"{self.kind:8}{self.cell}: {self.baseline} -> {self.found} ({self.why})"


def beyond(old: float, new: float, factor: float) -> str | None:
    """Whether a number, of which less is better, is worse or better by more than the factor."""
    return "worse" if new > old * factor else "better" if new * factor < old else None


def checked_factor(factor: float | None, default: float) -> float:
    factor = default if factor is None else factor
    if not 1 <= factor < math.inf:  # nothing would ever be beyond NaN
        raise GlorotError(f"expected a factor of at least 1, found {factor:g}")
    return factor


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: well; 1: something is worse, changed or missing; 2: nothing was measured on both sides."""
    if not _anything_measured(verdicts):
        return 2
    return 1 if any(verdict.kind in BAD for verdict in verdicts) else 0


def _anything_measured(verdicts: Iterable[Verdict]) -> bool:
    return any(verdict.kind not in ("missing", "new", "stale") for verdict in verdicts)


def as_json(title: str, verdicts: Sequence[Verdict], steps: Sequence[Mapping[str, Any]] | None = None) -> str:
    """The same for programs. steps: of the history, where there is one."""
    whole: dict[str, Any] = {"title": title, "exit_code": exit_code(verdicts), "verdicts": list(map(asdict, verdicts))}
    return json.dumps(whole | ({} if steps is None else {"steps": list(steps)}), indent=2, ensure_ascii=False) + "\n"


def closing(verdicts: Sequence[Verdict]) -> str:
    """The counts, and what to do about what changed."""
    counts = Counter(verdict.kind for verdict in verdicts)
    parts = ", ".join(f"{counts[kind]} {kind}" for kind in reversed(KINDS) if counts[kind])
    text = f"{len(verdicts)} {'cell' if len(verdicts) == 1 else 'cells'}: {parts or 'none'}"
    if not _anything_measured(verdicts):
        return f"{text}; nothing was measured that is in the baseline"
    if counts["changed"]:
        text += (
            "; the same bits were promised, so a change that is meant raises RESULTS_VERSION in glorot/sweeps/runs.py: "
            "then run the sweep again, and check it with --update"
        )
    return text


def document(title: str, verdicts: Sequence[Verdict]) -> Document:
    """The closing line, and a table with what needs attention first."""
    outcome = {0: "passed", 1: "failed", 2: "measured nothing"}[exit_code(verdicts)]
    rows = []
    for one in sorted(verdicts, key=lambda verdict: KINDS.index(verdict.kind)):
        kind: Text = (Bold(one.kind),) if one.kind in BAD else one.kind
        rows.append([kind, *map(_on_one_line, (one.cell, one.baseline, one.found, one.why))])
    grid = Grid(["verdict", "cell", "baseline", "now", "why"], rows, right=False)
    records = Records(tuple(field.name for field in fields(Verdict)), list(map(asdict, verdicts)))
    return Document(f"{_on_one_line(title)}: {outcome}", [Paragraph(closing(verdicts)), grid], records)


def summary(title: str, verdicts: Sequence[Verdict]) -> str:
    """The document as markdown."""
    return markdown.written(document(title, verdicts))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def junit(title: str, verdicts: Sequence[Verdict]) -> str:
    """JUnit XML: a test case a cell. If nothing was measured, one more that is an error."""
    from xml.etree import ElementTree as xml

    cases = [(verdict.cell, *_junit_result(verdict), verdict.seconds) for verdict in verdicts]
    if not _anything_measured(verdicts):
        cases.append(("anything measured", "error", closing(verdicts), None))
    tags = Counter(tag for _, tag, _, _ in cases)
    counts = {"tests": len(cases), "failures": tags["failure"], "errors": tags["error"], "skipped": tags["skipped"]}
    attributes = {key: str(count) for key, count in counts.items()}
    suites = xml.Element("testsuites", attributes)
    suite = xml.SubElement(suites, "testsuite", {"name": _legal(title), **attributes})
    for name, tag, message, seconds in cases:
        case = xml.SubElement(suite, "testcase", classname=_legal(title), name=_legal(name))
        if seconds is not None:
            case.set("time", f"{seconds:.3f}")
        if tag == "system-out":
            xml.SubElement(case, tag).text = _legal(message)
        else:
            xml.SubElement(case, tag, message=_legal(message))
    xml.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(suites, encoding="unicode") + "\n"


def _junit_result(verdict: Verdict) -> tuple[str, str]:
    tag = "failure" if verdict.kind in BAD else "skipped" if verdict.kind == "new" else "system-out"
    return tag, verdict.line


def _legal(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
