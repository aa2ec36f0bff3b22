"""One document, several writers: what a user wrote is text in all of them.

The files tests/golden/document.* are compared as whole text; GLOROT_GOLDEN=write makes them anew, as in test_report.py.
"""

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from stored import close

from glorot.bench import contest, estimate, minibatches, start
from glorot.bench.setting import Setting
from glorot.reporting import inspection_text, lessons, markdown, matrices, terminal, writers
from glorot.reporting.document import Bold, Document, Grid, Heading, Matrices, Paragraph, Picture, Records, notes, plain
from glorot.sweeps.shipped import resolve_network
from glorot.training import by_hand, chain, small_networks, steps
from glorot.training.seen import Inspection, LayerSeen, Pair

GOLDEN = Path(__file__).parent / "golden"
SUFFIXES = {"terminal": "txt", "markdown": "md", "csv": "csv", "json": "json", "latex": "tex", "html": "html"}
HOSTILE = [
    "<script>alert(1)</script>", "a*b* `c` _d_ snake_case", "tanh:x:2", "=1+2", "|z| & 100 % of $x$", 'he said "no"',
    r"C:\new\_x", "[link](http://example.org)", "&lt; &amp;", "-1.5", "@SUM(A1)", "Zürich ± 2", "~~gone~~ {x}^2 #1",
]  # fmt: skip

DOCUMENT = Document(
    "A study <of> 2 methods",
    [
        Paragraph("What was asked, & why."),
        Heading("Errors"),
        Grid(
            ["Test error (%)", "MNIST"],
            [[text, (Bold("1.50"), " ± 0.25")] for text in HOSTILE] + [["none", "\N{EN DASH}"]],
        ),
        notes(["Device: cpu", "Chosen by validation error:\n  - Tanh: learning_rate 0.1\n  - <b>: _x_"]),
        Matrices("layer <1>", [("W1", [["2", "-0.5"], ["1", "10"]]), ("b_1 & c", [["0"], ["1"]])]),
        Picture("Curves", "<svg></svg>", "Error over updates", "figures/curves.svg"),
    ],
    Records(
        ("row", "mean", "n", "best", "p"),
        [
            {"row": text, "mean": 1.5 if text != "=1+2" else float("nan"), "n": 3, "best": True, "p": None}
            for text in HOSTILE
        ],
    ),
    {"sweep": 'mine "<b>"', "glorot": "0.1"},
)


@pytest.mark.parametrize("form", writers.FORMS)
def test_golden(form):
    text = terminal.written(DOCUMENT, 80, True) if form == "terminal" else writers.FORMS[form](DOCUMENT)
    path = GOLDEN / f"document.{SUFFIXES[form]}"
    if os.environ.get("GLOROT_GOLDEN") == "write":
        path.write_bytes(text.encode())
    assert close(text) == close(path.read_bytes().decode()), f"{path} differs; see the head of this file"


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GLOROT_GOLDEN") == "write":
        path.write_bytes(text.encode())
    assert close(text) == close(path.read_bytes().decode()), f"{path} differs; see the head of this file"


def a_layer(layer: int, depth: int) -> LayerSeen:
    """Numbers as of a network whose signals halve from layer to layer."""
    inside = layer <= depth
    some = Pair(0.1 / 2**layer, 0.1 / 2**layer)
    return LayerSeen(
        layer, 20 if layer > 1 else 1024, 20 if inside else 9, 1 / 3, some if inside else None,
        Pair(1e-3 * 2**layer, 1e-3 * 2**layer), Pair(2e-5, 1e-5), some if 1 < layer <= depth else None,
        0.25 if inside else None, None, some if inside else None,
    )  # fmt: skip


@pytest.mark.parametrize("form", writers.FORMS)
def test_what_inspect_shows(form):
    one = Inspection(
        "tanh", "standard", "cross_entropy", "shapeset", "unit", 300, 0, 0.25, [a_layer(l, 3) for l in (1, 2, 3, 4)]
    )
    document = inspection_text.document([one])
    text = terminal.written(document, 80, False) if form == "terminal" else writers.FORMS[form](document)
    check_golden(f"inspect.{SUFFIXES[form]}", text)
    two = terminal.written(inspection_text.document([one, replace(one, initializer="normalized")]), 80, False)
    assert ["layer", "Tanh", "Tanh", "N"] in [line.split() for line in two.splitlines()]


LESSONS = {
    "steps": lambda: lessons.steps(steps.work(small_networks.load(resolve_network(Path("two-layers"))))),
    "chains": lambda: lessons.chains([chain.chain("sigmoid", (weight,) * 3, True) for weight in (0.5, 8.0)]),
    "by-hand": lambda: lessons.by_hand(by_hand.parity((2, 4))),
    "sweep-time": lambda: estimate.document(
        {"runs": 12, "done": 3, "updates": 300_000, "not_timed": 1, "networks_timed": 2, "jobs": 2, "threads": 1,
         "seconds": 90.5},
        "mine", "8 short runs of 10,000 updates to choose,\nthen 4 runs = 4 method",
    ),
    "minibatches": lambda: minibatches.document(
        Setting((20,), 10), [minibatches.Speed(1, 5000.4, 5000.4), minibatches.Speed(4, 2500.4, 10001.6)]
    ),
    "start": lambda: start.document(
        start.Start({"run": 0.251, "status": 0.33}, {"run": 0.18, "status": 0.19}, 11.72, 223_000_000, 168_000_000)
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", ["markdown", "csv"])
@pytest.mark.parametrize("name", LESSONS)
def test_what_lessons_and_timings_show(name, form):
    check_golden(f"{name}.{SUFFIXES[form]}", writers.FORMS[form](LESSONS[name]()))


def test_matrices_that_are_too_wide_stand_below_each_other():
    block = Matrices("", [(name, [["1.25", "-3"], ["0", "12"]]) for name in ("A", "B", "C")])
    assert matrices.lines(block, 33) == [
        "     A              B",
        "[ 1.25  -3 ]   [ 1.25  -3 ]",
        "[    0  12 ]   [    0  12 ]",
        "     C",
        "[ 1.25  -3 ]",
        "[    0  12 ]",
    ]


def test_what_bench_shows():
    measured = {
        "setting": asdict(Setting((1000,) * 5, 10, "tanh", 1, optimizer="momentum")), "processor": "A | processor",
        "ms_per_update": 1.25, "updates_per_second": 800.0, "gflops": 250.0, "weight_gb_per_second": 50.0,
        "floor": {
            "read_gb_per_second": 90.0, "read_write_gb_per_second": 100.0, "gflops": 300.0, "ms_per_update": 1.0,
            "weights_stay": False, "barrier_us": 1.5,
        },
        "share_of_floor": 0.8, "us_per_evaluated_example": 20.0, "times_sgd": {"ours": 1.5, "bytes": 1.67},
        "peers": {"PyTorch": {"ms_per_update": 2.5, "ratio": 2.0, "rounds": 11}},
        "evaluation_peers": {"PyTorch": {"us_per_example": 40.0, "ratio": 2.0}},
    }  # fmt: skip
    check_golden("bench.md", markdown.written(contest.document(measured)))


def test_markdown_shows_what_was_written():
    """As a reader of markdown sees it: markdown-it is rich's own."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = parser.render(markdown.written(DOCUMENT)).replace("<!-- -->", "")
    cells = [html.unescape(cell) for cell in re.findall("<td[^>]*>(.*?)</td>", page)]
    assert cells[::2] == [*HOSTILE, "none"]
    assert ":x:" not in markdown.written(DOCUMENT)


def test_csv_and_json_read_back_and_run_nothing():
    rows = list(csv.DictReader(io.StringIO(writers.csv_text(DOCUMENT))))
    assert [row["row"].removeprefix("'") for row in rows] == HOSTILE
    assert not [row["row"] for row in rows if row["row"][0] in "=@+" or row["row"][:2] == "-a"]
    whole = json.loads(writers.json_text(DOCUMENT))
    assert [row["row"] for row in whole["rows"]] == HOSTILE
    assert [row["mean"] for row in whole["rows"]].count(None) == 1
    assert whole["notes"][1]["items"] == ["Tanh: learning_rate 0.1", "<b>: _x_"]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_terminal_lines_fit(width):
    lines = terminal.written(DOCUMENT, width, False).splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)
    assert "\x1b[1m1.50" in terminal.written(DOCUMENT, width, True)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
@pytest.mark.slow
def test_latex_compiles(tmp_path):
    preamble = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{textcomp}\usepackage{booktabs}"
    body = rf"{preamble}\begin{{document}}{writers.FORMS['latex'](DOCUMENT)}\end{{document}}"
    (tmp_path / "x.tex").write_text(body)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "x.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout


def test_plain_text():
    assert plain(("a ", Bold("b"))) == "a b"
