"""The gate is never green by accident: what it compares was computed, can be, and agrees with its own files.

Each test has one fault in the files that `glorot check` reads. Through real processes, one of each kind; the others
of a kind in this process, which is quicker.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stored import table_rows

from glorot.cli.main import main

TINY = """\
name: tiny
base: {dataset: shapeset, depth: 2, width: 8, learning_rate: 0.03, updates: 30, valid_examples: 50, test_examples: 2000}
grid: {activation: [tanh, sigmoid]}
"""
BASELINE, RUNS = Path("results/baselines/tiny.csv"), Path("results/tiny/runs.csv")
BENCH = Path("results/baselines/bench.csv")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with tiny.yaml, its results and a baseline of them."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "tiny.yaml").write_text(TINY)
    for command in (["run", "tiny.yaml", "-q"], ["check", "tiny", "--update"]):
        subprocess.run([sys.executable, "-m", "glorot", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def place(measured, tmp_path):
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def change(path: Path, **columns: str) -> None:
    """Change columns of the first row of a CSV file."""
    rows = rows_of(path)
    rows[0] |= columns
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def drop(path: Path) -> None:
    """Remove the first row of a CSV file."""
    header, _, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *others]))


@pytest.fixture
def check(place, monkeypatch, capsys):
    """check("--update") -> subprocess.CompletedProcess, as `glorot check tiny --update` would give, in this process."""

    def call(*options: str, sweep: str | None = "tiny") -> subprocess.CompletedProcess:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["glorot", "check", *([sweep] if sweep else []), *options])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, ended.value.code, out, err)

    return call


def refused(done, *words: str) -> None:
    """Exit 2, and a message that has these words; nothing on stdout that could be taken for a verdict."""
    assert (done.returncode, done.stdout) == (2, ""), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


# The baseline --------------------------------------------------------------------------------------


def test_a_row_that_is_gone_from_the_baseline_is_noticed(place, glorot):
    drop(place / BASELINE)
    refused(glorot("check", "tiny"), str(BASELINE), "expected 2 rows, found 1")
    assert glorot("check", "tiny", "--update").returncode == 0
    assert glorot("check", "tiny").returncode == 0


def test_a_sweep_that_grew_is_told_from_a_baseline_that_shrank(place, glorot):
    (place / "tiny.yaml").write_text(TINY.replace("[tanh, sigmoid]", "[tanh, sigmoid, relu]"))
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    grown = glorot("check", "tiny")
    assert (grown.returncode, ["new", "ReLU, shapeset"] in [row[:2] for row in table_rows(grown.stdout)]) == (0, True)
    rows = (place / BASELINE).read_text().splitlines()  # by hand: it does not say how many rows it has
    (place / BASELINE).write_text("".join(row.rpartition(",")[0] + "\n" for row in rows))
    unsure = glorot("check", "tiny")
    assert (unsure.returncode, ["missing", "ReLU, shapeset"] in [row[:2] for row in table_rows(unsure.stdout)]) == (
        1,
        True,
    )
    assert "does not say how many rows it has" in unsure.stdout


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"test_error": "880.0"}, "test_error"),
        ({"test_error": "1e300"}, "test_error"),
        ({"test_error": "inf"}, "test_error"),
        ({"test_error": ""}, "test_error"),
        ({"valid_error": "-1.0"}, "valid_error"),
        ({"train_loss": "inf"}, "train_loss"),
        ({"updates_done": "29"}, "updates_done"),
        ({"test_examples": "0"}, "test_examples"),
        ({"device": "gpu"}, "device"),
        ({"device": ""}, "device"),
        ({"status": "Done"}, "status"),
        ({"updates": ""}, "updates empty"),
        ({"status": "failed"}, "failed: no result"),
        ({"status": "diverged"}, "test_error"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(place, check, columns, message):
    """Under another run_id: then nothing is compared bit by bit."""
    change(place / BASELINE, **{"run_id": "older"} | columns)
    refused(check(), str(BASELINE), message)


def test_a_baseline_may_come_back_from_a_spreadsheet(place, check):
    path = place / BASELINE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert check().returncode == 0
    change(path, test_loss="2.5")
    assert check().returncode == 1


AT_THE_START = """\
name: start
base: {dataset: shapeset, activation: tanh, depth: 2, width: 8, learning_rate: 0.03, updates: 10, evaluate_every: 10,
       valid_examples: 16, test_examples: 16}
grid:
  how:
    untrained: {updates: 0}
    by hand: {updates: 0, model: counting, initializer: exact, activation: sigmoid,
              dataset: {boolean: {function: parity, bits: 2}}}
    at once: {activation: linear, depth: 60, initializer: {scaled: {gain: 100}}}
    before: {pretraining: {denoising: {updates: 100, learning_rate: 1.0e6, loss: squared_error}}}
"""


def test_runs_that_end_at_the_start_are_results(tmp_path, glorot):
    """Of no updates; and diverged at the first evaluation, or in pre-training."""
    (tmp_path / "start.yaml").write_text(AT_THE_START)
    assert glorot("run", "start.yaml", "-q").returncode == 0
    rows = rows_of(tmp_path / "results/start/runs.csv")
    assert [(row["status"], row["updates_done"], row["train_loss"]) for row in rows] == [
        ("done", "0", ""), ("done", "0", ""), ("diverged", "0", ""), ("diverged", "0", ""),
    ]  # fmt: skip
    assert glorot("check", "start", "--update").returncode == 0
    same = glorot("check", "start")
    assert (same.returncode, same.stdout.splitlines()[-1][:9]) == (0, "| same   "), same.stderr
    (tmp_path / "results/start/history" / f"{rows[2]['run_id']}.csv").unlink()
    refused(glorot("check", "start"), "has no evaluation")


# The results ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"test_error": "12.0"}, "history"),
        ({"valid_loss": "2.5"}, "history"),
        ({"test_error": "880.0"}, "test_error"),
        ({"updates_done": "29"}, "updates_done"),
        ({"device": "cuda"}, "device"),
        ({"device": "gpu"}, "device"),
        ({"learning_rate": "0.02"}, "learning_rate"),
        ({"test_examples": "10000"}, "test_examples"),
        ({"status": "Done"}, "status"),
        ({"status": "diverged"}, "test_error"),
    ],
)
def test_a_result_that_its_own_files_deny_is_refused(place, check, columns, message):
    """Even where the baseline has the same."""
    for path in (RUNS, BASELINE):
        change(place / path, **columns)
    refused(check(), message)


def test_an_altered_digit_is_refused(place, glorot):
    for path in (RUNS, BASELINE):
        change(place / path, train_loss="2.25")
    refused(glorot("check", "tiny"), str(RUNS), "train_loss 2.25 where results/tiny/history/")


def test_a_baseline_is_not_made_of_what_is_not_so(place, check):
    change(place / RUNS, test_error="12.0")
    before = (place / BASELINE).read_bytes()
    refused(check("--update"), "history")
    assert (place / BASELINE).read_bytes() == before


@pytest.mark.parametrize("damage", ["remove", "empty", "shorter", "another number", "a directory"])
def test_a_result_without_its_history_was_not_computed(place, check, damage):
    run_id = rows_of(place / RUNS)[0]["run_id"]
    path = place / "results/tiny/history" / f"{run_id}.csv"
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    path.unlink()
    if damage == "empty":
        path.write_text(lines[0])
    elif damage == "shorter":
        path.write_text("".join(lines[:-1]))
    elif damage == "another number":
        error = rows_of(place / RUNS)[0]["test_error"]
        path.write_text("".join([*lines[:-1], lines[-1].replace(error, "1.25")]))
    elif damage == "a directory":
        path.mkdir()
    refused(check(), str(path.relative_to(place)))


@pytest.mark.parametrize("damage", ["flip", "shorter", "none", "not ours"])
def test_the_test_examples_that_were_right_give_the_test_error(place, check, damage):
    run_id = rows_of(place / RUNS)[0]["run_id"]
    path = place / "results/tiny/correct" / f"{run_id}.npy"
    right = np.load(path)
    if damage == "flip":
        right[7] = 1 - right[7]
    changed = {"shorter": right[:-1], "none": right[:0], "not ours": right.astype(np.float32)}.get(damage, right)
    np.save(path, changed)
    refused(check(), str(path.relative_to(place)))


# What differs --------------------------------------------------------------------------------------


def images(folder: Path, seed: int) -> None:
    from PIL import Image

    random = np.random.default_rng(seed)
    for name, level in (("dark", 40), ("light", 200)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(60):
            pixels = np.clip(random.normal(level, 20, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_a_field_added_after_the_baseline_was_made(place, glorot):
    """Runs with it are others; those without it are still what they were, in files that now have its column."""
    field = "updates: 30, train_examples: 20"
    (place / "tiny.yaml").write_text(TINY.replace("updates: 30", field))
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    done = glorot("check", "tiny")
    assert (done.returncode, "2 new, 2 missing" in done.stderr) == (2, True), done.stdout
    axis = "grid: {amount: {all: {updates: 30}, few: {train_examples: 20, updates: 30}},"
    (place / "tiny.yaml").write_text(TINY.replace("updates: 30, ", "").replace("grid: {", axis))
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    done = glorot("check", "tiny")
    assert (done.returncode, "2 same, 2 new" in done.stderr) == (0, True), done.stdout


def test_other_images_in_a_folder_are_other_data(place, glorot):
    (place / "own.yaml").write_text("""\
name: own
base: {dataset: {folder: photos, size: [8, 8]}, activation: tanh, depth: 1, width: 6, learning_rate: 0.1, updates: 20}
""")
    images(place / "photos", 0)
    assert glorot("run", "own.yaml", "-q").returncode == 0
    assert glorot("check", "own", "--update").returncode == 0
    images(place / "photos", 1)
    assert glorot("run", "own.yaml", "-q").returncode == 0
    done = glorot("check", "own")
    assert done.returncode != 0
    assert "other data" in done.stdout


# Speed ---------------------------------------------------------------------------------------------

BENCHED = """\
activation,hidden,batch_size,threads,ratio,milliseconds,hardware,rows in all
tanh,8,2,1,1.0,0.1,x,2
tanh,9,2,1,1.0,0.1,x,2
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tanh,9,2,1,1.0,0.1,x,2\n", ""),
        ("tanh,9,2,1,1.0", "tanh,9,2,1,inf"),
        ("tanh,9,2,1,1.0", "tanh,9,2,1,"),
        ("tanh,9", "tanh,8"),
        ("x,2\ntanh,9", "x,3\ntanh,9"),
    ],
)
def test_a_baseline_of_speed_that_cannot_be_is_refused(place, check, old, new):
    (place / BENCH).write_text(BENCHED.replace(old, new, 1))
    refused(check("--bench", sweep=None), str(BENCH))
