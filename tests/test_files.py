"""Files written as a whole or not at all, what killed processes leave, and what is no file."""

import os
import subprocess
import sys
import threading
import uuid

import pytest

from glorot import files


def write(path, data: bytes, error: type[BaseException] | None = None) -> None:
    with files.whole(path) as file:
        file.write(data)
        if error:
            raise error


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    with pytest.raises(KeyboardInterrupt):
        write(path, b"half", KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []  # nor are the folders that were made for it
    write(path, b"first")
    with pytest.raises(OSError, match=r"^$"):
        write(path, b"half", OSError)
    assert [(one.name, one.read_bytes()) for one in path.parent.iterdir()] == [("file", b"first")]


def test_folders_that_others_use_are_kept(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "theirs").touch()
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a" / "b" / "file", b"half", KeyboardInterrupt)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["theirs"]


def test_only_what_nobody_writes_any_more_is_swept(tmp_path):
    left = tmp_path / f".results.csv.{uuid.uuid4().hex}.part"
    theirs = [tmp_path / name for name in (".mine.part", "notes.part", f"x.{uuid.uuid4().hex}.part")]
    for path in (left, *theirs):
        path.touch()
    files.sweep.cache_clear()
    with files.whole(tmp_path / "one"):
        assert not left.exists()
        files.sweep.cache_clear()
        with files.whole(tmp_path / "other"):
            assert len(list(tmp_path.glob(".o*.part"))) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["one", "other", *(one.name for one in theirs)])


def test_many_write_the_same_file(tmp_path):
    """In processes, all of which sweep: each finds the file whole, and none takes another's for a leftover."""
    program = (
        "import sys, pathlib; from glorot import files\n"
        "path, one = pathlib.Path(sys.argv[1]), sys.argv[2].encode() * 50_000\n"
        "for _ in range(100):\n"
        "    files.sweep.cache_clear()\n"
        "    with files.whole(path) as file:\n"
        "        file.write(one)\n"
        "    assert len(set(path.read_bytes())) == 1\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, tmp_path / "file", name]) for name in "abc"]
    assert [one.wait(120) for one in running] == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes that have a name are POSIX's")
@pytest.mark.parametrize(("name", "kind"), [("pipe", "a pipe"), ("folder", "a folder"), ("zero", "a device")])
def test_what_is_no_file_is_not_read(name, kind, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    caught = []

    def read():
        with pytest.raises(files.NotAFile) as error:
            files.read_bytes(tmp_path / name)
        caught.append(error.value)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert caught[0].strerror == f"expected a file, found {kind}"


def test_a_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_bytes(tmp_path / "file") == b"12345"
    assert files.read_bytes(tmp_path / "file", 3) == b"123"
    with pytest.raises(FileNotFoundError):
        files.read_bytes(tmp_path / "none")


def test_several_files_are_written_together_or_keep_their_names(tmp_path, monkeypatch):
    """A disk that fails leaves what was there, nothing half written, and no folder that was made for it."""
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    files.write_all({tmp_path / "link": b"new", tmp_path / "a" / "b": b"1", tmp_path / "a" / "c": b"2"})
    assert (tmp_path / "link").is_symlink()
    assert [(tmp_path / name).read_bytes() for name in ("old", "a/b", "a/c")] == [b"new", b"1", b"2"]
    waited = []

    def fsync(descriptor):
        waited.append(descriptor)
        if len(waited) == 2:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        files.write_all({tmp_path / "old": b"newer", tmp_path / "d" / "e": b"3"})
    monkeypatch.undo()
    assert len(waited) == 2
    assert (tmp_path / "old").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "c", "link", "old"]


def test_many_files_are_written_with_few_open(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    contents = {str(tmp_path / str(number)): b"%d" % number for number in range(300)}
    last = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (last + 60, hard))
    try:
        files.write_all(contents)
        files.write_all({path: data + b"." for path, data in contents.items()}, wait=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(last)
    assert all((tmp_path / str(number)).read_bytes() == b"%d." % number for number in range(300))
