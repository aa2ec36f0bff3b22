"""What a user names on the command line means the same to every command; what is broken beside it is told, no more."""

import shutil
from pathlib import Path

import pytest

from glorot.cli.shared import places_of
from glorot.errors import SweepError
from glorot.results.selected import gather_readable
from glorot.sweeps import config

SWEEP = """\
base: {dataset: shapeset, width: 6, depth: 1, learning_rate: 0.1, updates: 20, evaluate_every: 10,
       valid_examples: 40, test_examples: 40, activation: tanh}
"""


@pytest.mark.parametrize("name", ["CON", "nul", "nul.txt", "Com1", "lpt9.x", "v1.", "baselines", "Baselines"])
def test_names_that_no_folder_can_have(name):
    with pytest.raises(SweepError, match=r"x\.yaml:1: name: expected a name that a folder can have"):
        config.parse(f"name: {name}\n" + SWEEP, "x.yaml")


def test_names_and_what_is_broken_beside_them(tmp_path, glorot, monkeypatch):
    for name in ("TINY.YAML", "nosuffix", "table.md", "lr.1", "other.yaml"):
        (tmp_path / name).write_text(("name: v1.yaml\n" if name == "other.yaml" else "") + SWEEP)
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "results"
    assert glorot("run", "-q", "TINY.YAML").returncode == 0
    stored = output / "TINY"
    for name in ("nosuffix", "table.md", "lr.1", "v1.yaml"):
        shutil.copytree(stored, output / name)
    for name in ("TINY.YAML", "TINY", "nosuffix", "table.md", "lr.1", "v1.yaml"):  # for report, status and check
        ((folder, file),) = places_of(name, output)
        assert (folder, file) == (output / name.removesuffix(".YAML"), Path(name) if file else None)
        assert (file is not None) == (tmp_path / name).exists()
    assert glorot("check", "TINY.YAML", "--update").returncode == 0
    assert (output / "baselines" / "TINY.csv").is_file()
    assert ": 1 run: 1 done;" in glorot("status", "TINY.YAML").stdout
    missing = glorot("report", "v2.yaml")
    assert (missing.returncode, "v2.yaml: no such file" in missing.stderr) == (2, True)
    (stored / "sweep.yaml").write_text("{{")
    (output / "lr.1" / "runs.csv").write_text("torn")
    for command, there in (("report", "## TINY"), ("status results", "nosuffix: 1 run")):
        ended = glorot(*command.split())
        assert (ended.returncode, "Traceback" in ended.stderr, there in ended.stdout) == (2, False, True), ended.stderr
        assert "TINY/sweep.yaml" in ended.stderr
        assert "lr.1/runs.csv" in ended.stderr
    runs, problems = gather_readable([stored, output / "nosuffix", output / "lr.1"])  # for scorecard and figures
    assert (len(runs), len(problems)) == (1, 2)
