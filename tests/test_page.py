"""The report in one file: its size, what a browser makes of it, and that labels are text there."""

import json
import os
import re
import shutil
import subprocess

import pytest
from stored import error, table_of
from test_report import BASE, METHODS
from test_sweep_figures import SWEEP, history_of, stored

from glorot.reporting import page
from glorot.reporting.document import Document, Grid, Paragraph
from glorot.reporting.views import Study
from glorot.results.store import Store

LABEL = '<script>alert(1)</script> "q" \\u05d0\\u05d1 &lt; :x:'
WIDE = Grid(["Claim", "Paper", "Ours", "Verdict", "Rule", "Runs"], [["considerably", "15.60 %", *["incomparable"] * 4]])
SCORES = Document("Scorecard", [Paragraph("1 held"), WIDE])
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    text = SWEEP.replace('"Mine <$x$>"', json.dumps(LABEL).replace("\\\\u", "\\u"))
    return stored(tmp_path_factory.mktemp("results") / "study", text)


@pytest.fixture(scope="module")
def written(study):
    return page.written(study, ["glorot run x.yaml"], SWEEP, SCORES)


def test_what_it_has(study, written):
    headings = re.findall("<h2>([^<]*)</h2>", written)
    assert headings == [
        "Results", "Settings chosen", "Curves", "Inside the networks", "Scorecard", "Failed and diverged runs", "Runs",
        "How this was made",
    ]  # fmt: skip
    assert written.count("<details") == 24
    assert "20 updates</small>" in written
    assert "diverged: the loss was not finite any more after 7 updates" in written
    assert "learning_rate 0.1 " not in written.partition("Settings chosen")[0]  # said once
    assert page.answer(study, 0).startswith("depth 2: lowest test error 34.00 ± 2.00 %: <script>")


@pytest.mark.parametrize(
    ("diverged", "sigmoid", "wanted"),
    [
        ([], 80, ": Tanh N. Every other one is significantly higher"),
        ([("Tanh", "2")], 80, ": Tanh N. Not compared: Tanh (a seed diverged)"),
        ([("Tanh", "1"), ("Tanh", "2")], 31, ": Tanh N. Not significantly higher: Sigmoid. Not compared: Tanh (2 seeds "
         "diverged)"),
        ([("Tanh", "2"), ("Sigmoid", "0")], 80, ": Tanh N. Not compared: Tanh (a seed diverged), Sigmoid (a seed "
         "diverged)"),
        ([(name, seed) for name in ("Tanh", "Sigmoid") for seed in "012"], 80, ": Tanh N"),
    ],
)  # fmt: skip
def test_an_answer_says_nothing_of_what_was_not_tested(tmp_path, diverged, sigmoid, wanted):
    means = {"Tanh": 60, "Tanh N": 30, "Sigmoid": sigmoid}
    outcomes = {(name, seed): error(mean + int(seed)) for name, mean in means.items() for seed in "012"}
    text = "name: x\n" + BASE + "grid:" + METHODS + "  seed: [0, 1, 2]\n"
    table = table_of(tmp_path, text, outcomes | dict.fromkeys(diverged, "diverged"))
    assert page.answer(Study(table, Store(tmp_path)), 0).endswith(wanted)


def test_too_few_runs_are_said_to_be(tmp_path):
    outcomes = {("Tanh",): error(60, test_loss=6.0), ("Tanh N",): error(30, test_loss=3.0)}
    table = table_of(tmp_path, "name: x\n" + BASE + "grid:" + METHODS, outcomes, "test_loss")
    answer = page.answer(Study(table, Store(tmp_path)), 0)
    assert answer.endswith(": Tanh N. Too few runs to test the differences")


def test_nothing_of_a_label_is_markup(written):
    assert "<script>alert" not in written
    assert written.count("<script") == 2  # the data, and ours
    assert written.count("</script>") == 2
    data = json.loads(re.search(r'id="data">(.*?)</script>', written, re.DOTALL)[1])
    assert data["charts"]["error"]["labels"][0][1].startswith("<script>alert(1)")
    line = data["charts"]["error"]["lines"][0]
    assert (line["x"], line["y"]) == ([0, 10, 20], [90.0, 39.0, 34.0])


def test_size(tmp_path, monkeypatch):
    """A hundred runs with long histories."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    text = SWEEP.replace("depth: [2, 3]", "depth: [1, 2, 3, 4, 5]").replace("[0.3, 0.1, 0.01]", "[0.3, 0.1]")
    text = text.replace("seed: [0, 1]", "seed: [0, 1, 2, 3, 4]")

    def long(run):
        first, *_, last = history_of(run)
        return [{**first, "update": update, "test_error": 90 - update / 7.3} for update in range(199)] + [
            {**last, "update": 199}
        ]

    study = stored(tmp_path / "study", text, long)
    html = page.written(study, [], text)
    assert html.count("<details") == 100
    assert len(html.encode()) < 1_000_000


SCRIPT = """
<script>
const told = {errors: window.problems};
const $ = (text) => document.querySelector(text);
told.before = [...document.querySelectorAll("#table tbody th")].map((one) => one.textContent);
$("#table thead th:nth-child(2) button").click(); $("#table thead th:nth-child(2) button").click();
told.after = [...document.querySelectorAll("#table tbody th")].map((one) => one.textContent);
$("input[data-filters*=table]").value = "yours"; $("input[data-filters*=table]").dispatchEvent(new Event("input"));
told.filtered = [...document.querySelectorAll("#table tbody tr")].filter((one) => !one.hidden).length;
$("#moment").value = 2; $("#moment").dispatchEvent(new Event("input"));
told.moment = $("#moment-text").textContent; told.panels = document.querySelectorAll(".layers figure").length;
$("#theme").click();
told.theme = [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor];
const looks = (one) => getComputedStyle(one).filter;
told.colors = looks($(".swatch")) === looks($("svg.drawn")) && looks($(".swatch")).startsWith("invert");
$(".series-list input").click(); told.off = document.querySelectorAll("#chart-error .off").length > 0;
const svg = $("#chart-error svg.drawn"), at = JSON.parse($("#data").textContent).charts.error.lines[1].at[1];
const where = new DOMPoint(...at).matrixTransform(svg.getScreenCTM());
svg.dispatchEvent(new PointerEvent("pointermove", {clientX: where.x, clientY: where.y}));
told.reading = $("#chart-error .reading").textContent;
$("details").open = true;
setTimeout(() => {
  told.drawer = $("details .drawer").textContent.includes("Learning rate") && !!$("details svg polyline");
  told.requests = performance.getEntriesByType("resource").length;
  told.label = $("#table tbody th bdi").textContent;
  told.wide = [window.innerWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth];
  const words = [...document.querySelectorAll("#scorecard th")].map((one) => one.getBoundingClientRect());
  told.broken = words.some((one) => one.height > 2 * words[0].height);
  told.small = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width < 0.75;  // letters of less than 7 pixels
  parent.postMessage(JSON.stringify(told), "*");
}, 300);
</script>
"""
FRAME = """<!doctype html><iframe src="report.html" width="WIDTH" height="900"></iframe><pre id="told"></pre><script>
addEventListener("message", (event) => { document.getElementById("told").textContent = event.data; });
</script>"""  # a window of Chromium is at least 500 pixels wide, a frame is not
NOTED = """<script>window.problems = [];
addEventListener("error", (event) => window.problems.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => window.problems.push(event.blockedURI));
</script></head>"""


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason="needs chromium")
@pytest.mark.parametrize("width", [1200, 390])
def test_in_a_browser(written, tmp_path, width):
    changed = written.replace("</head>", NOTED, 1).replace("</body>", SCRIPT + "</body>")
    (tmp_path / "report.html").write_text(changed, "utf-8")
    (tmp_path / "frame.html").write_text(FRAME.replace("WIDTH", str(width)), "utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1300,1000", "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom",
        (tmp_path / "frame.html").as_uri(),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    told = json.loads(re.search(r'<pre id="told">(\{.*?\})</pre>', ended.stdout, re.DOTALL)[1].replace("&lt;", "<")
                      .replace("&gt;", ">").replace("&amp;", "&"))  # fmt: skip
    assert "CONSOLE" not in ended.stderr
    assert (told["errors"], told["requests"]) == ([], 0)
    assert told["label"] == "Yours" or told["label"].startswith("<script>alert(1)</script>")
    assert told["after"] == told["before"][::-1] != told["before"]  # descending: Yours, with the higher error, first
    assert told["filtered"] == 1
    assert told["moment"].endswith(", depth 2, update 100")
    assert told["panels"] == 3
    assert told["theme"] == ["dark", "rgb(22, 24, 28)"]
    assert (told["off"], told["drawer"]) == (True, True)
    assert told["wide"] == [width, 0]
    assert (told["colors"], told["broken"], told["small"]) == (True, False, False)
    assert told["reading"].startswith("Yours, depth 2: update 10: 4")
