"""The command line as a user sees it: real processes, their output, files and exit codes."""

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import click
import pytest
from stored import table_rows

from glorot.bench import start
from glorot.bench.setting import Setting
from glorot.cli.main import cli
from glorot.datasets.loading import missing_files
from glorot.errors import GlorotError
from glorot.reporting import markdown
from glorot.reporting.significance import MCNEMAR
from glorot.results.rows import HISTORY_COLUMNS, PROVENANCE_COLUMNS, RUN_COLUMNS

ROOT = Path(__file__).parent.parent
TINY = """\
name: tiny
description: Small networks
base: {dataset: shapeset, depth: 2, width: 8, learning_rate: 0.03, updates: 30, evaluate_every: 10,
       valid_examples: 50, test_examples: 50}
grid:
  activation: [tanh, sigmoid]
  initializer: [standard, normalized]
"""
CELLS = [("tanh", "standard"), ("tanh", "normalized"), ("sigmoid", "standard"), ("sigmoid", "normalized")]
ENDLESS = """\
name: endless
base: {dataset: shapeset, activation: tanh, depth: 2, width: 8, learning_rate: 0.03, evaluate_every: 1_000_000_000,
       valid_examples: 50, test_examples: 50}
grid: {updates: [UPDATES]}
"""
TABLE = """\
## Small networks

| Test error (%)   |   Shapeset |
|:-----------------|-----------:|
| Tanh             |  **00.00** |
| Tanh N           |  **00.00** |
| Sigmoid          |  **00.00** |
| Sigmoid N        |  **00.00** |

- Hidden layers: 2 x 8
- Loss: cross_entropy
- Minibatch: 10
- Learning rate: 0.03
- Updates: 30
- Inputs: pixels in [-1, 1]
- Examples tested: 50
- Device: cpu
- Seeds: 1
- BOLD
"""
BOLD = [
    "Bold: the lowest error in the column, and every error that does not differ from it significantly "
    f"(p >= 0.005, {MCNEMAR}; the p-values are in table.csv)",
    "Every error is bold: no difference is significant. That does not mean that there is none",
    "One run per cell: p takes only the choice of test examples into account. A run's error also changes from one "
    "evaluation to the next, and from seed to seed",
]
TABLE = TABLE.replace("BOLD", "\n- ".join(BOLD))


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """A folder in which tiny.yaml was run once, and what glorot said. Not to be changed."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "tiny.yaml").write_text(TINY)
    arguments = [sys.executable, "-m", "glorot", "run", "tiny.yaml", "-j", "2"]
    ended = subprocess.run(arguments, cwd=folder, capture_output=True, encoding="utf-8", timeout=300)
    return folder, ended


@pytest.fixture
def results(ran, tmp_path):
    """A copy of those results: tmp_path/results/tiny, with tmp_path/tiny.yaml."""
    shutil.copytree(ran[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "results" / "tiny"


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def snapshot(folder):
    """Path -> bytes of each file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_provenance(folder):
    return {name: data for name, data in snapshot(folder).items() if name != "provenance.csv"}


def masked(text):
    """The text with every number of the form 12.34 as 00.00: digits may differ between processors."""
    return re.sub(r"\d\d\.\d\d", "00.00", text)


# Help. ---------------------------------------------------------------------------------------------


def commands(group=cli, path=()):
    """Path -> command, of every command there is."""
    found = {path: group}
    for name, command in group.commands.items():
        found |= commands(command, (*path, name)) if isinstance(command, click.Group) else {(*path, name): command}
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_help(path, glorot):
    """A line that is not cut off where it is listed, a paragraph, an example."""
    ended = glorot(*path, "-h")
    assert (ended.returncode, ended.stderr) == (0, "")
    usage, line, paragraph = ended.stdout.split("\n\n")[:3]
    assert usage.startswith(" ".join(["Usage: glorot", *path]))
    assert "\n" not in line.strip()
    assert len(paragraph) > 60
    assert not paragraph.startswith("Options")
    assert "\n  Example:\n" + " ".join(["    glorot", *path]) in ended.stdout


def test_one_line_of_each_command_is_listed_whole(glorot):
    for path, command in commands().items():
        if isinstance(command, click.Group):
            listed = glorot(*path, "-h").stdout.partition("Commands:")[2].partition("\n\n")[0]
            assert sorted(line.split()[0] for line in listed.strip().splitlines()) == sorted(command.commands)
            assert "..." not in listed


def test_long_help_and_no_command(glorot):
    assert glorot("--help").stdout == glorot("-h").stdout == glorot().stderr
    assert glorot().returncode == 2


def imported(environment, *arguments, among):
    """The modules among these that a command imports."""
    code = f"import sys, glorot.cli as c\ntry: c.main()\nfinally: print([m for m in {among} if m in sys.modules])"
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


def test_help_imports_nothing_heavy(environment):
    assert imported(environment, "--help", among=("numba", "numpy", "pandas", "pydantic", "rich", "yaml")) == "[]"


def test_a_table_and_a_plan_import_only_what_they_need(environment, tmp_path):
    shutil.copytree(ROOT / "results" / "examples" / "seeds", tmp_path / "seeds")
    heavy = ("numba", "matplotlib", "pandas", "rich", "scipy.stats", "dask")
    assert imported(environment, "report", str(tmp_path / "seeds"), "--format", "markdown", among=heavy) == "[]"
    heavy = (*heavy, "scipy", "numpy.random", "multiprocessing")
    assert imported(environment, "status", str(tmp_path / "seeds"), among=(*heavy, "filelock")) == "[]"
    sweep = str(tmp_path / "seeds" / "sweep.yaml")
    assert imported(environment, "run", sweep, "--dry-run", among=heavy) == "[]"


def test_a_short_command_does_not_search_for_garbage(environment):
    """Neither while it imports nor at its end: that takes a fifth of its time."""
    code = (
        "import atexit, gc, glorot.cli as c\n"
        "searches = lambda: sum(one['collections'] for one in gc.get_stats())\n"
        "before = searches()\n"
        "atexit.register(lambda: print(searches() - before, len(gc.get_objects()) < 10_000))\n"
        "c.main()"
    )
    command = [sys.executable, "-c", code, "status", str(ROOT / "results" / "examples" / "seeds")]
    ended = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60)
    assert ended.stdout.splitlines()[-1] == "0 True", ended.stdout + ended.stderr


@pytest.mark.slow
def test_the_start_of_commands_is_set_beside_what_others_take(monkeypatch):
    monkeypatch.setattr(start, "first_lines", lambda folder: {"run": 0.5, "report": 0.25})
    monkeypatch.setattr(start, "_cpu_seconds", lambda *words: 1.5)
    begun = start.measure(Setting((8,), n_inputs=9))
    assert all(0.01 < seconds < 60 for seconds in begun.libraries.values())
    assert all(2**25 < memory < 2**31 for memory in (begun.least_memory, begun.memory))  # of so small a network: alike
    rows = table_rows(markdown.written(start.document(begun)))
    assert ["of it, Numba with one small function", f"{begun.least_memory / 1e6:.0f} MB"] in rows


@pytest.mark.slow
def test_first_lines_are_those_of_commands_that_succeed(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "SWEEP", start.SWEEP.replace(str(list(range(start.RUNS))), "[0, 1]"))
    seconds = start.first_lines(tmp_path, repeats=0)
    assert seconds.keys() == {"run", "report", "status"}
    assert all(0.01 < one < 60 for one in seconds.values())
    monkeypatch.setattr(start, "SWEEP", start.SWEEP.replace("width: 2", "width: none"))
    with pytest.raises(GlorotError, match="expected it to succeed, found"):
        start.first_lines(tmp_path, repeats=0)


def test_the_parent_of_a_run_imports_no_numba(results, glorot):
    ended = glorot("run", "tiny.yaml", PYTHONPROFILEIMPORTTIME="1")
    assert ended.returncode == 0
    assert "glorot.execution.execute" in ended.stderr
    assert not re.search(r" numba(\.|$)", ended.stderr, re.MULTILINE)


# Entry points. -------------------------------------------------------------------------------------


def test_version_of_module_and_script(glorot):
    expected = glorot("--version").stdout
    assert re.fullmatch(r"glorot, version \d+\.\d+\.\d+\n", expected)
    script = Path(sysconfig.get_path("scripts")) / "glorot"
    assert subprocess.run([script, "--version"], capture_output=True, encoding="utf-8").stdout == expected


def test_workers_start_from_the_script(tiny, environment):
    script = Path(sysconfig.get_path("scripts")) / "glorot"
    arguments = [script, "run", "tiny.yaml", "-q", "--only", "activation=tanh", "-j2"]
    ended = subprocess.run(arguments, cwd=tiny.parent, env=environment, capture_output=True, encoding="utf-8")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert [row["status"] for row in rows(tiny.parent / "results/tiny/runs.csv")] == ["done", "done"]


def test_list_shows_every_name(glorot):
    from glorot.datasets.catalogue import DATASETS
    from glorot.datasets.inputs import INPUTS
    from glorot.datasets.local import FORMS
    from glorot.sweeps.fields import ABOUT

    text = glorot("list").stdout
    sections = {section.splitlines()[0]: section.splitlines()[1:] for section in text.rstrip("\n").split("\n\n")}
    names = {section: [line.split()[0] for line in lines] for section, lines in sections.items()}
    assert {"lecture", "quickstart", "table1"} <= set(names.pop("sweeps"))
    assert names.pop("datasets of your own") == [text.split()[0] for text, _ in FORMS.values()]
    every = [list(about.choices) for about in ABOUT.values() if about.choices] + [list(INPUTS), list(DATASETS)]
    assert sorted(names.values()) == sorted(every)
    assert all(len(line.split(maxsplit=1)) == 2 for lines in sections.values() for line in lines)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("quickstart", "3 runs, 180,000 updates; shapeset"),
        ("reference-mnist", "35 runs, 4,900,000 updates; mnist"),  # 20 short ones, then 5 methods x 3 seeds
        ("pretraining", "2 runs, 3,500,000 updates; shapeset"),  # 1,500,000 of them before gradient descent
        ("parity", "16 runs; boolean"),  # weights by hand
        ("shapeset-svm", "36 runs; shapeset"),
        ("lecture", "9 runs, 5,400,000 updates; shapeset, mnist, cifar10"),
    ],
)
def test_list_says_how_large_a_sweep_is(name, wanted):
    from glorot.sweeps.shipped import shipped

    assert shipped()[name].endswith(f"  [{wanted}]")


# glorot run: what comes out. -----------------------------------------------------------------------


def test_what_a_run_says(ran):
    """The table on stdout; on stderr the count of the work, a line a run as they end, and the outcome."""
    _, ended = ran
    assert ended.returncode == 0
    assert masked(ended.stdout) == TABLE
    first, *runs, last = ended.stderr.splitlines()
    assert first == "4 runs = 2 activation x 2 initializer; 0 done, 4 to do, on cpu"
    assert last == "4 done; results in results/tiny; next: glorot report tiny --figures"
    pattern = r"\[\d/4\] (\w+), (\w+): test error \d+\.\d\d %, 30 updates in \d+\.\d s"
    matches = [re.fullmatch(pattern, line) for line in runs]
    assert sorted(match.groups() for match in matches) == sorted(CELLS)
    assert [line[:5] for line in runs] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]


def test_files_and_their_columns(ran):
    folder = ran[0] / "results" / "tiny"
    runs = rows(folder / "runs.csv")
    each = ("history/{}.csv", "correct/{}.npy", "predictions/{}.npy")
    histories = [name.format(run["run_id"]) for run in runs for name in each]
    assert sorted(snapshot(folder)) == sorted(
        ["sweep.yaml", "runs.csv", "provenance.csv", "table.md", "table.csv", *histories]
    )
    names = list(RUN_COLUMNS)
    assert list(runs[0]) == [*names[:2], "inputs", "data", *names[2:]]  # Shapeset's version and inputs
    assert {"run_id", "method", "dataset", "activation", "initializer", "depth", "width", "loss", "batch_size",
            "learning_rate", "seed", "updates", "device", "status", "train_loss", "valid_error", "test_error",
            "valid_loss", "test_loss"} <= runs[0].keys()  # fmt: skip
    assert [(run["activation"], run["initializer"]) for run in runs] == CELLS
    assert [run["method"] for run in runs] == ["Tanh", "Tanh N", "Sigmoid", "Sigmoid N"]
    assert {(run["status"], run["device"], run["updates_done"], run["hidden"]) for run in runs} == {
        ("done", "cpu", "30", "8-8")
    }
    provenance = rows(folder / "provenance.csv")
    columns = list(PROVENANCE_COLUMNS)
    assert list(provenance[0]) == [*columns[:2], "sources", *columns[2:]]
    assert [row["run_id"] for row in provenance] == [run["run_id"] for run in runs]
    assert {row["python"] for row in provenance} == {sys.version.split()[0]}
    assert all(float(row["seconds"]) < 60 and row["threads"] and row["numba"] for row in provenance)
    assert masked((folder / "table.md").read_text()) == TABLE


def test_numbers_read_back_exactly_and_agree_with_the_history(ran):
    folder = ran[0] / "results" / "tiny"
    for run in rows(folder / "runs.csv"):
        history = rows(folder / "history" / f"{run['run_id']}.csv")
        assert list(history[0]) == list(HISTORY_COLUMNS)
        assert [(row["update"], row["examples"]) for row in history] == [
            ("0", "0"), ("10", "100"), ("20", "200"), ("30", "300"),
        ]  # fmt: skip
        for name in ("train_loss", "valid_loss", "valid_error", "test_loss", "test_error"):
            assert run[name] == history[-1][name]
            assert repr(float(run[name])) == run[name]


def test_same_sweep_gives_the_same_bytes_whatever_the_jobs(ran, tiny, glorot):
    assert glorot("run", "tiny.yaml", "-q", "-j", "1").returncode == 0
    assert without_provenance(tiny.parent / "results/tiny") == without_provenance(ran[0] / "results/tiny")


def test_second_run_skips_all_and_changes_nothing(results, glorot):
    before = snapshot(results)
    ended = glorot("run", "tiny.yaml")
    assert ended.returncode == 0
    assert masked(ended.stdout) == TABLE
    assert ended.stderr.splitlines() == [
        "4 runs = 2 activation x 2 initializer; 4 done, 0 to do, on cpu",
        "4 done; results in results/tiny; next: glorot report tiny --figures",
    ]
    assert snapshot(results) == before


def test_rerun_does_selected_runs_again_with_the_same_result(results, glorot):
    before = snapshot(results)
    first = rows(results / "provenance.csv")
    ended = glorot("run", "tiny.yaml", "--rerun", "--only", "activation=tanh", "--only", "initializer=normalized")
    assert ended.stderr.splitlines()[0] == "1 of 4 runs = 1 activation x 1 initializer; 0 done, 1 to do, on cpu"
    after = snapshot(results)
    assert {name for name in after if after[name] != before.get(name)} == {"provenance.csv"}
    assert [one != two for one, two in zip(first, rows(results / "provenance.csv"), strict=True)].count(True) == 1


def test_changed_setting_adds_rows_and_keeps_old_ones(tiny, results, glorot):
    old = rows(results / "runs.csv")
    tiny.write_text(TINY.replace("updates: 30", "updates: 20").replace("width: 8", "width: 7"))
    ended = glorot("run", "tiny.yaml", "--only", "activation=tanh")
    assert ended.returncode == 0
    new = rows(results / "runs.csv")
    assert [(row["updates"], row["width"]) for row in new] == [("20", "7")] * 2 + [("30", "8")] * 4
    assert sorted(new[2:], key=str) == sorted(old, key=str)
    assert "- Left out: 4 rows of runs.csv belong to other settings" in ended.stdout
    assert "| Sigmoid          |          \N{EN DASH} |" in ended.stdout
    assert "updates: 20" in (results / "sweep.yaml").read_text()
    tiny.write_text(TINY)
    again = glorot("run", "tiny.yaml")
    assert "4 done, 0 to do" in again.stderr
    assert [row["run_id"] for row in rows(results / "runs.csv")][:4] == [row["run_id"] for row in old]


def test_a_trial_hides_nothing(tiny, results, glorot):
    """--set gives results of their own folder: report, status and check see the sweep's own as before."""
    before = snapshot(results)
    ended = glorot("run", "tiny.yaml", "--set", "updates=20", "--only", "activation=tanh")
    assert (
        "a trial, because of --set: its results are in results/tiny-trial, apart from the sweep's own" in ended.stderr
    )
    assert snapshot(results) == before
    assert "4 done" in glorot("status", "tiny").stdout
    assert "2 done, 2 missing" in glorot("status", "tiny-trial").stdout
    assert [row["updates"] for row in rows(tiny.parent / "results/tiny-trial/runs.csv")] == ["20", "20"]


def test_dry_run_lists_and_writes_nothing(tiny, results, glorot):
    before = snapshot(tiny.parent)
    ended = glorot("run", "tiny.yaml", "-n", "--set", "updates=40", "-o", "elsewhere")
    assert ended.returncode == 0
    assert ended.stderr.startswith("4 runs = 2 activation x 2 initializer; 0 done, 4 to do, on cpu\n")
    lines = [re.split("  +", line) for line in ended.stdout.splitlines()]
    assert [(state, title) for _, state, title in lines] == [("to do", ", ".join(cell)) for cell in CELLS]
    done = glorot("run", "tiny.yaml", "--dry-run", "--only", "activation=sigmoid")
    assert [line.split() for line in done.stdout.splitlines()] == [
        [row["run_id"], "done", "sigmoid,", row["initializer"]] for row in rows(results / "runs.csv")[2:]
    ]
    assert snapshot(tiny.parent) == before
    assert not (tiny.parent / "elsewhere").exists()


def test_quiet_and_verbose(tiny, glorot):
    ended = glorot("run", "tiny.yaml", "-q", "--only", "activation=tanh")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = glorot("run", "tiny.yaml", "-v", "--only", "activation=sigmoid", "--only", "initializer=standard")
    evaluations = [line for line in ended.stderr.splitlines() if ": update " in line]
    pattern = r"sigmoid, standard: update (\d+): valid [\d.]+ %, valid loss [\d.]+, test error [\d.]+ %"
    assert [re.fullmatch(pattern, line)[1] for line in evaluations] == ["0", "10", "20", "30"]


def test_diverged_run_is_a_result(tiny, glorot):
    text = TINY.replace("[tanh, sigmoid]", "[linear]").replace("[standard, normalized]", "[standard]")
    tiny.write_text(text.replace("learning_rate: 0.03, ", "") + "  learning_rate: [0.03, 1e6]\n")
    ended = glorot("run", "tiny.yaml")
    assert ended.returncode == 0
    fine, diverged = rows(tiny.parent / "results/tiny/runs.csv")
    assert (fine["status"], diverged["status"]) == ("done", "diverged")
    assert (diverged["test_error"], diverged["train_loss"]) == ("", "")
    table = re.search(r"\| Linear, learning rate 1000000.0 \| +diverged \|", ended.stdout)
    assert table, ended.stdout
    what = f"diverged: the loss was not finite any more after {diverged['updates_done']} updates"
    assert ended.stderr.splitlines()[-2:] == [
        f"linear, standard, learning_rate 1000000.0: {what}",
        "1 done, 1 diverged; results in results/tiny; next: glorot report tiny --figures",
    ]
    assert "2 done, 0 to do" in glorot("run", "tiny.yaml").stderr


# glorot run: what is wrong. ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["run"], "Missing argument 'SWEEP'"),
        (["run", "tiny.yaml", "--dryrun"], "--dry-run"),
        (["run", "quickstrat"], "quickstrat: no such file; did you mean quickstart?"),
        (["run", "tyni.yaml"], "tyni.yaml: no such file; did you mean tiny.yaml?"),
        (["run", "nowhere/x.yaml"], "nowhere/x.yaml: no such file; `glorot list` shows the shipped sweeps"),
        (["run", "."], "cannot be read: expected a file, found a folder"),
        (["run", "bad.yaml"], "bad.yaml:2: base.widht: unknown key; allowed: dataset"),
        (["run", "bad.yaml"], "did you mean width?"),
        (["run", "binary.yaml"], "binary.yaml:1: expected text in UTF-8"),
        (["run", "old.yaml"], ", the only version that this glorot can make; found 1. Remove `versions`"),
        (["run", "old.yaml", "-n"], "Remove `versions` to run the sweep with version"),
        (["run", "tiny.yaml", "--set", "widht=3"], "did you mean width?"),
        (["run", "tiny.yaml", "--set", "width=wide"], "expected a whole number from 1 to 1000000, found \"wide\""),
        (["run", "tiny.yaml", "--set", "width"], "--set width: expected KEY=VALUE, found no '='"),
        (["run", "tiny.yaml", "--set", "activation=relu"], "the axis activation of the grid sets activation"),
        (["run", "tiny.yaml", "--only", "activation=tnah"], "found \"tnah\"; did you mean tanh?"),
        (["run", "tiny.yaml", "--only", "activatoin=tanh"], "did you mean activation?"),
        (["run", "tiny.yaml", "--only", "tanh"], "--only tanh: expected KEY=VALUE, found no '='"),
        (["run", "tiny.yaml", "--device", "cuda"], "device cuda: expected the NVIDIA driver"),
        (["run", "tiny.yaml", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["run", "tiny.yaml", "-j", "0"], "0 is not in the range x>=1"),
        (["run", "tiny.yaml", "-o", "tiny.yaml"], "'tiny.yaml' is a file"),
        (["run", "tiny.yaml", "-o", "tiny.yaml/below"], "tiny.yaml/below/tiny"),
        (["run", "tiny.yaml", "-o", "/proc/nowhere"], "/proc/nowhere/tiny"),
        (["run", "tiny.yaml", "--data", "tiny.yaml"], "'tiny.yaml' is a file"),
        (["run", "tiny.yaml", "--set", "dataset=mnist"], "data set mnist is not there: expected"),
        (["run", "lecture", "--data", "nowhere"], "get it with `glorot data fetch cifar10`"),
        (["run", "lecture", "--data", "nowhere"], "the folder of the data sets, nowhere, does not exist"),
        (["report"], "expected results in results, found none; run a sweep first: glorot run SWEEP"),
        (["report", "tiny"], "expected results in results/tiny or tiny, found none"),
        (["report", "tiny.yaml"], "expected results in results/tiny, found none"),
        (["report", "--value", "tset_error"], "did you mean test_error?"),
        (["data", "fetch", "mnits"], "did you mean mnist?"),
        (["data", "fetch", "small_imagenet"], "was never published"),
        (["data", "verify", "small_imagenet"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_errors(arguments, message, tiny, glorot):
    """Exit code 2, a message on stderr, no traceback, no table, and nothing written."""
    if "/proc" in " ".join(arguments) and not sys.platform.startswith("linux"):
        pytest.skip("/proc is of Linux")
    tiny.with_name("bad.yaml").write_text("base:\n  widht: 300\n")
    tiny.with_name("old.yaml").write_text(TINY + "versions: {shapeset: 1}\n")
    tiny.with_name("binary.yaml").write_bytes(b"\xff\xfe\x00name")
    before = snapshot(tiny.parent)
    ended = glorot(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "|" not in ended.stdout
    assert snapshot(tiny.parent) == before
    assert not (tiny.parent / "results").exists()


def test_results_that_are_torn_are_an_error_and_stay(results, glorot):
    torn = (results / "runs.csv").read_text()[:-5]
    (results / "runs.csv").write_text(torn)
    for arguments in (["run", "tiny.yaml"], ["report", "tiny"]):
        ended = glorot(*arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "results/tiny/runs.csv" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert (results / "runs.csv").read_text() == torn


def test_small_imagenet_is_named_with_what_runs_instead(tmp_path, glorot):
    """Of table1's data sets only Shapeset is there: said before anything is run or written."""
    dry = glorot("run", "table1", "-n")
    assert dry.returncode == 0
    assert len(dry.stdout.splitlines()) == 100
    assert "note: data set small_imagenet is not there" in dry.stderr
    ended = glorot("run", "table1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Small-ImageNet was never published" in ended.stderr
    assert ended.stderr.endswith("to run what needs none of these: --only dataset=shapeset\n")
    assert list(tmp_path.iterdir()) == []
    assert glorot("run", "table1", "-n", "--only", "dataset=shapeset").stderr.count("note: data set") == 0


def test_wrong_data_is_refused_before_anything_is_run(tiny, glorot):
    folder = tiny.parent / "data" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(b"no archive")
    ended = glorot("run", "tiny.yaml", "--set", "dataset=mnist", "--data", "data")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.search(r"train-images-idx3-ubyte.gz: wrong checksum: found \w{64}, expected SHA-256 440f", ended.stderr)
    assert not (tiny.parent / "results").exists()
    verified = glorot("data", "verify", "mnist", "--data", "data")
    assert verified.returncode == 2
    assert verified.stdout.splitlines()[0] == "mnist: wrong: data/mnist"
    assert glorot("data", "verify").returncode == 0  # nothing is there, so nothing is wrong


def test_data_list_is_aligned(glorot, tmp_path):
    lines = glorot("data", "list", "--data", tmp_path).stdout.splitlines()
    assert lines[:6] == [
        "shapeset        built in   made on the fly",
        f"mnist           not there  {tmp_path}/mnist",
        f"fashion_mnist   not there  {tmp_path}/fashion-mnist",
        f"cifar10         not there  {tmp_path}/cifar-10-batches-bin",
        f"small_imagenet  not there  {tmp_path}/small-imagenet",
        "boolean         built in   made on the fly",
    ]


# glorot report. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny", "results/tiny", "results", "tiny.yaml", None])
def test_report_finds_results(name, results, glorot):
    (results / "table.md").unlink()
    (results / "table.csv").unlink()
    ended = glorot("report", *([name] if name else []))
    assert (ended.returncode, ended.stderr, masked(ended.stdout)) == (0, "", TABLE)
    assert (results / "table.md").read_text() == ended.stdout
    assert (results / "table.csv").is_file()


def test_report_formats_and_values(results, glorot):
    ended = glorot("report", "tiny", "--format", "csv", "--value", "valid_loss")
    assert ended.stdout == (results / "table.csv").read_text()
    table = list(csv.DictReader(ended.stdout.splitlines()))
    assert [(row["row"], row["value"], row["mean"]) for row in table] == [
        (run["method"], "valid_loss", run["valid_loss"]) for run in rows(results / "runs.csv")
    ]
    assert "| Validation error (%)   |" in glorot("report", "tiny", "--value", "valid_error").stdout


def test_report_of_a_file_whose_settings_were_not_run(results, tmp_path, glorot):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("width: 8", "width: 9"))
    ended = glorot("report", "tiny.yaml")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "none of the 4 runs of tiny.yaml is in results/tiny" in ended.stderr


def test_report_of_several_goes_on_past_a_broken_one(results, glorot):
    shutil.copytree(results, results.with_name("broken"))
    (results.with_name("broken") / "runs.csv").write_text("no,results\n1,2\n")
    ended = glorot("report")
    assert ended.returncode == 2
    assert masked(ended.stdout).strip() == TABLE.strip()
    assert "skipped: results/broken/runs.csv" in ended.stderr


def test_report_shows_a_table_that_cannot_be_written(results, glorot):
    shutil.copytree(results, results.parent / "other")
    shown = glorot("report").stdout
    (results.parent / "other" / "table.md").unlink()
    (results.parent / "other" / "table.md").mkdir()
    (results / "table.md").unlink()
    ended = glorot("report")
    assert (ended.returncode, ended.stdout) == (2, shown)
    assert ended.stderr.startswith(f"glorot: cannot write {Path('results/other/table.md')}: ")
    assert (results / "table.md").is_file()
    one = glorot("report", "other")
    assert (one.returncode, masked(one.stdout)) == (2, TABLE)
    (results.parent / "paper.md").mkdir()
    paper = glorot("report", "--paper")
    assert (paper.returncode, "| Tanh" in paper.stdout) == (2, True)


def test_report_says_in_its_exit_code_what_was_not_written(results, glorot):
    (results / "report.html").mkdir()
    (results / "figures").touch()
    page = glorot("report", "tiny", "--html")
    assert (page.returncode, masked(page.stdout)) == (2, TABLE)
    assert page.stderr.startswith(f"glorot: no report.html of {Path('results/tiny')}: cannot write ")
    drawn = glorot("report", "tiny", "--figures")
    assert (drawn.returncode, masked(drawn.stdout)) == (2, TABLE)
    assert drawn.stderr.startswith(f"glorot: no figures of {Path('results/tiny')}: cannot write ")


def test_run_shows_a_table_that_cannot_be_written(results, glorot):
    (results / "table.md").unlink()
    (results / "table.md").mkdir()
    ended = glorot("run", "tiny.yaml")
    assert (ended.returncode, masked(ended.stdout)) == (2, TABLE)
    assert f"cannot write {Path('results/tiny/table.md')}: " in ended.stderr


def test_report_misspelt_names_the_nearest(results, glorot):
    assert "found none; did you mean tiny?" in glorot("report", "tniy").stderr


def test_reader_that_stops_early_is_no_error(results, environment):
    command = f"{sys.executable} -m glorot report tiny | head -1; exit ${{PIPESTATUS[0]}}"
    arguments = ["bash", "-c", command]
    ended = subprocess.run(arguments, cwd=results.parent.parent, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "## Small networks\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_behind_stdout(results, environment):
    arguments = [sys.executable, "-m", "glorot", "report", "tiny"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(arguments, cwd=results.parent.parent, env=environment, stdout=full,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert (ended.returncode, ended.stderr) == (
        2, "glorot: cannot write to standard output: No space left on device\n",
    )  # fmt: skip


def test_stdout_that_cannot_spell(results, glorot):
    (results / "runs.csv").write_text("".join((results / "runs.csv").open().readlines()[:2]))
    ended = glorot("report", "tiny", PYTHONIOENCODING="latin-1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "? |" in ended.stdout  # for the dash of a run that is missing


# Failures. -----------------------------------------------------------------------------------------

FAULT = """\
from glorot.training.loop import Training
run = Training.run
def faulty(self, *arguments):
    if self.settings.activation == "sigmoid":
        raise ValueError("a bug\\nof two lines")
    return run(self, *arguments)
Training.run = faulty
"""


def test_error_in_a_worker_fails_that_run_only(tiny, glorot):
    """One line in the closing lines, the traceback in a file (with -v on stderr too), until the run is mended."""
    tiny.write_text(TINY.replace("[standard, normalized]", "[standard]"))
    (tiny.parent / "sitecustomize.py").write_text(FAULT)
    sabotage = {"PYTHONPATH": str(tiny.parent)}
    ended = glorot("run", "tiny.yaml", "-j1", **sabotage)
    folder = tiny.parent / "results" / "tiny"
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    fine, failed = rows(folder / "runs.csv")
    assert (fine["status"], failed["status"], failed["test_error"]) == ("done", "failed", "")
    file = f"results/tiny/failures/{failed['run_id']}.txt"
    assert ended.stderr.splitlines()[-2:] == [
        f"sigmoid, standard: failed: ValueError: a bug (traceback in {file})",
        "1 done, 1 failed; results in results/tiny; --retry-failed tries the failed again",
    ]
    assert re.search(r"\| Sigmoid +\| +failed \|", ended.stdout)
    assert [row["reason"] for row in rows(folder / "provenance.csv")] == ["", "ValueError: a bug"]
    text = (tiny.parent / file).read_text()
    assert text.startswith("Traceback (most recent call last):")
    assert text.endswith("ValueError: a bug\nof two lines\n")
    again = glorot("run", "tiny.yaml")
    assert (again.returncode, again.stderr.splitlines()[0]) == (
        1, "2 runs = 2 activation x 1 initializer; 1 done, 1 failed (--retry-failed tries again), 0 to do, on cpu",
    )  # fmt: skip
    verbose = glorot("run", "tiny.yaml", "-v", "-q", "--retry-failed", **sabotage)
    assert (verbose.returncode, verbose.stdout) == (1, "")
    assert text.rstrip() in verbose.stderr
    mended = glorot("run", "tiny.yaml", "--retry-failed")
    assert mended.returncode == 0
    assert "1 done, 1 to do" in mended.stderr
    assert not (folder / "failures").exists()


def test_a_rerun_that_fails_keeps_the_result(tiny, glorot):
    """All that is stored of it, byte for byte. `status` and the exit code say that it failed, until it is mended."""
    tiny.write_text(TINY.replace("[standard, normalized]", "[standard]"))
    glorot("run", "tiny.yaml")
    (tiny.parent / "sitecustomize.py").write_text(FAULT)
    folder = tiny.parent / "results" / "tiny"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "provenance.csv"}
    ended = glorot("run", "tiny.yaml", "--rerun", PYTHONPATH=str(tiny.parent))
    assert ended.returncode == 1
    assert {path: path.read_bytes() for path in before} == before
    failed = rows(folder / "runs.csv")[1]["run_id"]
    why = f"failed when it was made again (why: results/tiny/failures/{failed}.txt); its earlier result is kept"
    assert ended.stderr.splitlines()[-2:] == [
        f"sigmoid, standard: {why}",
        "2 done; results in results/tiny; --retry-failed tries the failed again",
    ]
    assert f"note: run {failed} has a result from before, which is kept\n" in ended.stderr
    assert f"  sigmoid, standard: {why}\n" in glorot("status", "tiny").stdout
    again = glorot("run", "tiny.yaml")
    assert (again.returncode, "1 done, 1 failed (--retry-failed tries again), 0 to do" in again.stderr) == (1, True)
    mended = glorot("run", "tiny.yaml", "--retry-failed")
    assert (mended.returncode, "1 done, 1 to do" in mended.stderr) == (0, True)
    assert not (folder / "failures").exists()


@contextlib.contextmanager
def endless(tmp_path, environment, updates, *arguments):
    """`glorot run` of a sweep over ``updates`` in a process group of its own, which is gone afterwards."""
    (tmp_path / "endless.yaml").write_text(ENDLESS.replace("UPDATES", updates))
    process = subprocess.Popen(
        [sys.executable, "-m", "glorot", "run", "endless.yaml", "-v", *arguments],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        start_new_session=True,
    )  # fmt: skip

    def kill():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(240, kill)  # a test that hangs fails instead
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        kill()
        process.communicate()


def read_until(process, pattern):
    said = []
    for line in process.stderr:
        said.append(line)
        if re.search(pattern, line):
            return
    pytest.fail(f"{pattern!r} was not said, but: {''.join(said)}")


def members(group):
    """Pid -> command line of the processes of a group that are alive."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text()
    return found


def until_gone(group):
    deadline = time.monotonic() + 20
    while members(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return members(group) == {}


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
BILLION = 1_000_000_000


@on_linux
@pytest.mark.parametrize("whom", ["group", pytest.param("parent", marks=pytest.mark.slow)])
def test_interrupt_keeps_what_has_finished(whom, tmp_path, environment, glorot):
    with endless(tmp_path, environment, f"30, {BILLION}, 40", "-j1") as process:
        read_until(process, f"updates {BILLION}: update 0:")
        os.killpg(process.pid, signal.SIGINT) if whom == "group" else process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130
        assert until_gone(process.pid)
    assert stdout == ""
    assert stderr.strip().splitlines() == [
        "glorot: interrupted with 1 of 3 runs finished (kept in results/endless); the same command goes on from there"
    ]
    assert [row["status"] for row in rows(tmp_path / "results/endless/runs.csv")] == ["done"]
    assert not [path for path in (tmp_path / "results").rglob("*") if path.name.startswith(".")]
    told = glorot("status", "endless").stdout
    assert "3 runs: 1 done, 2 missing; no process runs it now\n  interrupted: " in told
    assert re.search(f"of {BILLION:,} updates are saved; the same command goes on from there$", told)
    rest = glorot("run", "endless.yaml", "--only", "updates=30", "--only", "updates=40")
    assert (rest.returncode, "1 done, 1 to do" in rest.stderr) == (0, True)


@on_linux
def test_interrupt_while_workers_start(tmp_path, environment):
    """However early it comes: 130, no traceback, no process left."""
    with endless(tmp_path, environment, f"{BILLION}, {BILLION + 1}", "-j2") as process:
        read_until(process, "0 done, 2 to do")
        while not any("spawn_main" in line for line in members(process.pid).values()):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 130
        assert until_gone(process.pid)
    assert "Traceback" not in stderr


@on_linux
def test_killed_worker_fails_its_run_only(tmp_path, environment):
    with endless(tmp_path, environment, f"{BILLION}, 30", "-j1") as process:
        read_until(process, f"updates {BILLION}: update 0:")
        (worker,) = [pid for pid, line in members(process.pid).items() if "spawn_main" in line]
        os.kill(worker, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 1
        assert until_gone(process.pid)
    what = f"updates {BILLION}: failed: its process was killed (SIGKILL); did the memory run out?"
    assert f"[1/2] {what}" in stderr.splitlines()
    assert what in stderr.splitlines()[-2:]
    assert "1 done, 1 failed" in stderr
    assert [row["status"] for row in rows(tmp_path / "results/endless/runs.csv")] == ["failed", "done"]
    assert "failed |" in stdout


@on_linux
def test_killed_parent_leaves_no_worker_and_no_lock(tmp_path, environment, glorot):
    with endless(tmp_path, environment, f"{BILLION}, {BILLION + 1}", "-j2") as process:
        read_until(process, "update 0:")
        second = glorot("run", "endless.yaml")
        assert (second.returncode, second.stdout) == (2, "")
        assert "another glorot is writing to results/endless" in second.stderr
        process.kill()
        assert until_gone(process.pid)
    rest = glorot("run", "endless.yaml", "--set", "seed=1", "-n")
    assert rest.returncode == 0
    (tmp_path / "endless.yaml").write_text(ENDLESS.replace("UPDATES", "20"))
    assert glorot("run", "endless.yaml").returncode == 0


@on_linux
def test_bars_on_a_terminal(tmp_path, environment):
    """On a terminal: a bar for all runs and one for each, gone at the end, with the cursor back."""
    (tmp_path / "tiny.yaml").write_text(TINY.replace("updates: 30", "updates: 20_000"))
    arguments = [sys.executable, "-m", "glorot", "run", "tiny.yaml", "--only", "activation=tanh"]
    ours, theirs = os.openpty()
    variables = environment | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(arguments, cwd=tmp_path, env=variables, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert process.wait(60) == 0
    text = said.decode()
    assert "0 of 2 runs" in text
    assert "tanh, normalized" in text
    assert re.search("preparing|compiling", text)  # the kernels of this size, where nothing else has
    assert re.search(r"[\d,]+ updates/s", text)
    assert "[2/2]" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor was hidden, and is shown again


# Real data. ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.environ.get("GLOROT_DATA"), reason="GLOROT_DATA names no folder of real data sets")
def test_lecture_on_real_data(glorot):
    folder = os.environ["GLOROT_DATA"]
    if any(missing_files(name, Path(folder)) for name in ("mnist", "cifar10")):
        pytest.skip(f"{folder} has no MNIST, or no CIFAR-10")
    sizes = {"updates": 20, "width": 16, "valid_examples": 100, "test_examples": 100}
    settings = [text for key, value in sizes.items() for text in ("--set", f"{key}={value}")]
    ended = glorot("run", "lecture", *settings, "--data", folder)
    assert ended.returncode == 0, ended.stderr
    assert "9 runs = 3 method x 3 dataset; 0 done, 9 to do" in ended.stderr
    report = glorot("report", "lecture-trial")
    assert report.stdout == ended.stdout
    header, _, *lines = [line for line in report.stdout.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in header.split("|")[1:-1]] == ["Test error (%)", "Shapeset", "MNIST", "CIFAR-10"]
    assert [line.split("|")[1].strip() for line in lines] == ["Tanh", "Tanh N", "Sigmoid"]
    assert all(0 < float(cell.strip(" *")) <= 100 for line in lines for cell in line.split("|")[2:-1])
    states = [line.split()[:2] for line in glorot("data", "list", GLOROT_DATA=folder).stdout.splitlines()]
    assert ["mnist", "verified"] in states
    assert ["cifar10", "verified"] in states
