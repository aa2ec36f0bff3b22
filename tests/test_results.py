"""Stored results: exact, in order, whole or not at all."""

import errno
import io
import math
import os
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import a_provenance, a_record

from glorot import files
from glorot.errors import ResultsError
from glorot.results.contents import contents_of
from glorot.results.folders import find_folders
from glorot.results.rows import FURTHER_FIELDS, HISTORY_COLUMNS, OUTCOME_COLUMNS, PROVENANCE_COLUMNS, RUN_COLUMNS
from glorot.results.store import Store, settings_of, write_text
from glorot.sweeps import config
from glorot.sweeps.runs import expand
from glorot.training.loop import PREDICTION

HISTORY = [
    {"update": 0, "examples": 0, "train_loss": math.nan, "valid_loss": 2.2, "valid_error": 88.5,
     "test_loss": 2.25, "test_error": 89.0},
    {"update": 100, "examples": 1000, "train_loss": 1.25, "valid_loss": 1.5, "valid_error": 65.25,
     "test_loss": 1.75, "test_error": 66.6},
]  # fmt: skip


def write(store, run_id="a", **changes):
    store.write_run(a_record(run_id, **changes), a_provenance(), HISTORY)


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_as_documented(tmp_path):
    """The whole text of each file, so that a change of format is a decision and not an accident."""
    store = Store(tmp_path / "new" / "sweep", ["a"])
    store.write_sweep("name: x\n")
    write(store)
    assert {str(path): data.decode() for path, data in snapshot(tmp_path / "new" / "sweep").items()} == {
        "sweep.yaml": "name: x\n",
        "runs.csv": (
            "run_id,method,dataset,activation,initializer,depth,width,hidden,loss,batch_size,learning_rate,seed,"
            "updates,evaluate_every,valid_examples,test_examples,device,status,updates_done,train_loss,"
            "valid_loss,valid_error,test_loss,test_error\n"
            "a,Tanh N,shapeset,tanh,normalized,2,30,30-30,cross_entropy,10,0.03,0,100,50,1000,2000,cpu,done,"
            "100,1.25,1.5,65.25,1.75,66.6\n"
        ),
        "provenance.csv": (
            "run_id,started,seconds,threads,hardware,glorot,python,numpy,numba,reason\n"
            'a,2026-01-02T03:04:05+00:00,1.5,2,"a CPU, 2 cores",0.1,3.10.1,2.0,0.60,\n'
        ),
        "history/a.csv": (
            "update,examples,train_loss,valid_loss,valid_error,test_loss,test_error\n"
            "0,0,,2.2,88.5,2.25,89.0\n"
            "100,1000,1.25,1.5,65.25,1.75,66.6\n"
        ),
    }


def test_nothing_stored_reads_as_nothing(tmp_path):
    store = Store(tmp_path / "none")
    assert list(store.read_runs().columns) == list(RUN_COLUMNS)
    assert list(store.read_provenance().columns) == list(PROVENANCE_COLUMNS)
    assert list(store.read_history("a").columns) == list(HISTORY_COLUMNS)
    assert len(store.read_runs()) == 0
    assert not (tmp_path / "none").exists()


numbers = st.floats(allow_nan=False) | st.sampled_from([5e-324, 1.7976931348623157e308, 0.1 + 0.2, -0.0, math.inf])
text = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1) | st.sampled_from(
    ["NA", "nan", "Tanh", "", "None", "1e5", "007", 'a "quoted", label', "a|b", "two\nlines", " x "]
)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers, st.integers(-(2**63), 2**63 - 1), text, text)
def test_what_is_written_reads_back_exactly(loss, error, seed, method, size):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        record = a_record(method=method, seed=seed, width=None, train_loss=loss, test_error=error, size=size)
        store.write_run(record, a_provenance(), [HISTORY[1] | {"test_loss": loss}])
        row = store.read_runs().iloc[0]
        assert (row["train_loss"], row["test_error"]) == (loss, error)
        assert math.copysign(1, row["train_loss"]) == math.copysign(1, loss)
        assert (row["seed"], row["method"], row.get("size", "")) == (seed, method, size)
        assert row["width"] is pd.NA
        assert store.read_history("a")["test_loss"].tolist() == [loss]


@pytest.mark.parametrize("length", [0, 1, 999])
def test_lists_are_written_as_numpy_does(length):
    """Byte for byte, so that results of any version can be compared as files."""
    correct = np.arange(length) % 3 == 0
    predictions = np.zeros(length, PREDICTION)
    predictions["loss"] = np.linspace(0, 1, length)
    contents = contents_of([], correct=correct, predictions=predictions)
    for name, array in {"correct": correct.astype("u1"), "predictions": predictions}.items():
        expected = io.BytesIO()
        np.save(expected, array)
        assert contents[name] == expected.getvalue()
    assert contents["probes"] is None


def test_missing_values(tmp_path):
    store = Store(tmp_path)
    store.write_run(
        {**a_record(test_error=None, test_loss=math.nan), "status": "diverged"},
        a_provenance(reason="Error:\n  two\r\nlines \udcff\0"),
        [],
    )
    row = store.read_runs().iloc[0]
    assert math.isnan(row["test_error"])
    assert math.isnan(row["test_loss"])
    assert store.read_provenance()["reason"].tolist() == [r"Error: two lines \udcff"]
    assert len(store.read_history("a")) == 0


def test_a_long_reason_is_cut_and_one_of_before_is_read(tmp_path):
    """It was stored whole, and then nothing of its folder could be read."""
    store = Store(tmp_path)
    store.write_run({**a_record(), "status": "failed"}, a_provenance(reason="ValueError: " + 150_000 * "x"), [])
    assert store.reasons() == {"a": f"ValueError: {988 * 'x'}..."}
    path = tmp_path / "provenance.csv"
    path.write_text(path.read_text().replace("...", 150_000 * "x"))
    assert store.reasons() == {"a": f"ValueError: {150_988 * 'x'}"}
    write(store, "b")
    assert len(store.read_provenance()) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"seed": "x"}, {"seed": 2**63}, {"seed": 1.5}, {"test_error": "low"}, {"method": "a\0b"},
     {"status": "running"}, {"status": None}, {"run_id": "../a"}, {"run_id": ""}],
)  # fmt: skip
def test_a_record_that_would_not_read_back_is_refused(tmp_path, wrong):
    with pytest.raises(ResultsError, match="expected"):
        write(Store(tmp_path), **wrong)
    assert snapshot(tmp_path) == {}


def test_an_unknown_column_of_a_history_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="found speed"):
        Store(tmp_path).write_run(a_record(), a_provenance(), [{"update": 0, "speed": 1.0}])


def test_same_results_in_any_order_give_the_same_bytes(tmp_path):
    ids = ["c", "a", "b"]
    for folder, order in [("one", ids), ("two", sorted(ids)), ("two", ids)]:
        for run_id in order:
            write(Store(tmp_path / folder, ids), run_id, size="big" if run_id == "b" else "small")
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")
    assert Store(tmp_path / "one").read_runs()["run_id"].tolist() == ids
    assert Store(tmp_path / "one").read_provenance()["run_id"].tolist() == ids
    assert list(Store(tmp_path / "one").read_runs().columns[:4]) == ["run_id", "method", "size", "dataset"]


def test_columns_that_only_some_runs_have_keep_their_place(tmp_path):
    own = {"a": {"inputs": "symmetric"}, "b": {"data": "40 images", "augmentation": "flip"}}
    for order in (["a", "b"], ["b", "a"]):
        store = Store(tmp_path / order[0], ["a", "b"])
        for run_id in order:
            write(store, run_id, size="small", **own[run_id])
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")
    columns = list(store.read_runs().columns[2:6])
    assert columns == ["size", *sorted(["inputs", "augmentation"], key=FURTHER_FIELDS.index), "data"]


def test_a_run_is_replaced_and_rows_of_other_settings_stay(tmp_path):
    for run_id in ["z", "y", "b"]:
        write(Store(tmp_path, ["z", "y", "b"]), run_id, size="small")
    store = Store(tmp_path, ["b", "a"])
    write(store, "a", rate="slow")
    write(store, "b", test_error=1.5)
    runs = store.read_runs()
    assert runs["run_id"].tolist() == ["b", "a", "y", "z"]
    assert runs["test_error"].tolist() == [1.5, 66.6, 66.6, 66.6]
    assert runs["size"].tolist() == ["", "", "small", "small"]
    assert runs["rate"].tolist() == ["", "slow", "", ""]


def test_write_sweep_orders_and_relabels_what_is_there(tmp_path):
    for run_id in ["a", "b", "old"]:
        write(Store(tmp_path, ["a", "b", "old"]), run_id, size="small")
    fresh = [a_record(run_id, method="New name") for run_id in ["b", "a", "c"]]
    planned = [{key: row[key] for key in row if key not in OUTCOME_COLUMNS} for row in fresh]
    store = Store(tmp_path, ["b", "a", "c"])
    store.write_sweep("name: x\n", planned)
    runs = store.read_runs()
    assert runs["run_id"].tolist() == ["b", "a", "old"]
    assert runs["method"].tolist() == ["New name", "New name", "Tanh N"]
    assert runs["size"].tolist() == ["", "", "small"]
    assert runs["test_error"].tolist() == [66.6] * 3
    before = snapshot(tmp_path)
    store.write_sweep("name: x\n", planned)
    assert snapshot(tmp_path) == before


def test_settings_of_a_real_run():
    sweep = config.parse(
        "base: {dataset: mnist, learning_rate: 1e-3, updates: 5_000_000}\n"
        "grid:\n"
        "  size: {small: {hidden: [30, 20]}, big: {depth: 3, width: 50}}\n"
        "  activation: [tanh]\n",
        "x.yaml",
    )
    small, big = (settings_of(run) for run in expand(sweep))
    assert set(small) == set(RUN_COLUMNS) - set(OUTCOME_COLUMNS) | {"size"}
    assert [small[name] for name in ("method", "size", "hidden", "depth", "width", "learning_rate")] == [
        "Tanh", "small", "30-20", 2, None, 0.001,
    ]  # fmt: skip
    assert [big[name] for name in ("size", "hidden", "depth", "width", "device")] == [
        "big", "50-50-50", 3, 50, "cpu",
    ]  # fmt: skip


# Faults --------------------------------------------------------------------------------------------


class _FullFile:
    """A file on a full disk: takes half of what it is given."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def fileno(self):
        return self.file.fileno()

    def close(self):
        self.file.close()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


def break_step(monkeypatch, step, number, code=errno.ENOSPC):
    """Let the number-th call of one step of write_text fail, as it does on a full or read-only disk."""
    calls = iter(range(1000))
    module, name = {
        "mkdir": (Path, "mkdir"), "open": (files, "open"), "write": (files, "open"),
        "fsync": (os, "fsync"), "replace": (os, "replace"),
    }[step]  # fmt: skip
    original = open if module is files else getattr(module, name)

    def broken(*args, **keywords):
        if next(calls) != number:
            return original(*args, **keywords)
        if step == "write":
            return _FullFile(original(*args, **keywords))
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, name, broken, raising=False)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("step", ["mkdir", "open", "write", "fsync", "replace"])
def test_a_full_disk_leaves_earlier_results_intact(tmp_path, monkeypatch, step, number):
    store = Store(tmp_path / "x", ["a", "b"])
    store.write_sweep("name: x\n")
    write(store, "a")
    before = snapshot(tmp_path)
    with monkeypatch.context() as patch:
        break_step(patch, step, number)
        with pytest.raises(ResultsError, match=r"cannot write .*csv: No space left on device"):
            write(store, "b")
    after = snapshot(tmp_path)
    assert not [path for path in after if path.suffix == ".part"]
    for name in ["x/sweep.yaml", "x/runs.csv", "x/history/a.csv"]:  # runs.csv: to it, the run has not happened
        assert after[Path(name)] == before[Path(name)]
    assert "a" in store.read_provenance()["run_id"].tolist()
    write(store, "b")  # room again
    assert store.read_runs()["run_id"].tolist() == ["a", "b"]
    assert store.read_provenance()["run_id"].tolist() == ["a", "b"]


@pytest.mark.parametrize("step", ["mkdir", "open", "replace"])
def test_a_read_only_folder_is_named(tmp_path, monkeypatch, step):
    break_step(monkeypatch, step, 0, errno.EROFS)
    with pytest.raises(ResultsError, match=r"cannot write .*x/sweep\.yaml: Read-only file system"):
        Store(tmp_path / "x").write_sweep("name: x\n")
    assert snapshot(tmp_path) == {}


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ResultsError, match=r"cannot (read|write) .*x"):
        Store(tmp_path / "x").write_sweep("name: x\n")
    assert (tmp_path / "x").read_text() == "mine"


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a.txt", "new")
    assert snapshot(tmp_path) == {Path("a.txt"): b"old"}


def test_text_that_is_not_unicode_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="valid Unicode"):
        write_text(tmp_path / "a.txt", "\udcff")
    assert snapshot(tmp_path) == {}


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    store = Store(tmp_path)
    write(store)
    for name in (".runs.csv", "history/.a.csv"):
        (tmp_path / f"{name}.{uuid.uuid4().hex}.part").write_text("half")
    files.sweep.cache_clear()
    store.write_sweep("name: x\n")
    assert not [path for path in snapshot(tmp_path) if path.suffix == ".part"]


def test_files_can_be_read_by_others(tmp_path):
    """mkstemp would make them private."""
    mask = os.umask(0o022)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


# Files that are not as we left them ------------------------------------------------------------------


def damaged(good: str) -> dict[str, bytes]:
    lines = good.splitlines(keepends=True)
    return {
        "empty": b"",
        "a line end": b"\n",
        "torn in a line": good[:-3].encode(),
        "torn in a number": good[:-1].encode(),
        "torn in the header": lines[0][:30].encode(),
        "binary": bytes(range(256)) * 4,
        "zeros": b"\0" * 4096,
        "a zero in text": good.replace("Tanh N", "Tanh\0N").encode(),
        "foreign": b"name,age\nAda,36\n",
        "a column missing": good.replace(",test_error", "").encode(),
        "a column twice": good.replace("valid_error", "test_error").encode(),
        "a column without a name": good.replace("run_id,", ",run_id,").encode(),
        "a run twice": (good + lines[1]).encode(),
        "no run_id": (good + lines[1][1:]).encode(),
        "a cell too many": (good + "b" + lines[1][1:-1] + ",1\n").encode(),
        "text for a number": good.replace("66.6", "low").encode(),
        "not a number we write": good.replace("66.6", "6_6").encode(),
        "a broken whole number": good.replace(",2000,", ",2000.5,").encode(),
        "an unknown status": good.replace("done,", "finished,").encode(),
        "an open quote": good.replace("Tanh N", '"Tanh N').encode(),
        "an empty line": (good + "\n").encode(),
        "UTF-16": good.encode("utf-16"),
        "a merge conflict": ("<<<<<<< HEAD\n" + good).encode(),
    }


def good_folder(folder):
    store = Store(folder, ["a"])
    store.write_sweep("name: x\n")
    write(store)
    return store


@pytest.mark.parametrize("kind", damaged("a\nb\n"))
def test_damaged_runs_are_named_and_never_overwritten(tmp_path, kind):
    store = good_folder(tmp_path / "bad")
    path = tmp_path / "bad" / "runs.csv"
    path.write_bytes(damaged(path.read_text())[kind])
    before = path.read_bytes()
    with pytest.raises(ResultsError, match=r"bad/runs\.csv: expected .* found .*; restore it"):
        store.read_runs()
    with pytest.raises(ResultsError):
        store.write_sweep("name: y\n")
    with pytest.raises(ResultsError):
        write(store, "b")
    assert path.read_bytes() == before
    assert (tmp_path / "bad" / "sweep.yaml").read_text() == "name: x\n"


def test_a_damaged_provenance_is_found_before_a_sweep_starts(tmp_path):
    store = good_folder(tmp_path)
    (tmp_path / "provenance.csv").write_text("torn")
    with pytest.raises(ResultsError, match=r"provenance\.csv"):
        store.write_sweep("name: y\n")
    assert (tmp_path / "sweep.yaml").read_text() == "name: x\n"


def test_windows_line_ends_are_read(tmp_path):
    store = good_folder(tmp_path)
    expected = store.read_runs()
    path = tmp_path / "runs.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert store.read_runs().equals(expected)


def test_find_folders(tmp_path):
    for name in ["b", "a", "deep/c"]:
        good_folder(tmp_path / name)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "runs.csv").write_text("x")
    assert find_folders(tmp_path) == [tmp_path / "a", tmp_path / "b", tmp_path / "deep" / "c"]
    assert find_folders(tmp_path / "a") == [tmp_path / "a"]
    assert find_folders(tmp_path / "none") == []
    assert find_folders(tmp_path / "a" / "runs.csv") == []


def test_find_folders_behind_links(tmp_path):
    """Each once, by the shortest way, and without going in circles."""
    results = tmp_path / "results"
    for name in ["elsewhere/far/c", "results/b", "results/deep/d"]:
        good_folder(tmp_path / name)
    (results / "far").symlink_to(tmp_path / "elsewhere" / "far")
    (results / "a").symlink_to(results / "b")  # b itself goes before a link to it
    (results / "short").symlink_to(results / "deep" / "d")
    (results / "circle").symlink_to(results)
    (results / "nowhere").symlink_to(results / "gone")
    (results / "itself").symlink_to(results / "itself")
    assert find_folders(results) == [results / "b", results / "far" / "c", results / "short"]
    assert find_folders(results / "far") == [results / "far" / "c"]


def test_find_folders_passes_over_what_may_not_be_entered(tmp_path):
    for name in ("a", "b"):
        good_folder(tmp_path / name)
    (tmp_path / "a").chmod(0o444)
    if os.access(tmp_path / "a" / "runs.csv", os.R_OK):
        pytest.skip("root may enter every folder")
    try:
        assert find_folders(tmp_path) == [tmp_path / "b"]
    finally:
        (tmp_path / "a").chmod(0o755)
