"""The README tells the truth: its sweep is one, its commands exist, its files are there, its table is the real one."""

import re
from dataclasses import replace
from pathlib import Path

import click
import pytest

from glorot.cli.main import cli
from glorot.paper import scorecard
from glorot.paper.claim_list import SECTIONS
from glorot.paper.table1 import paper_table
from glorot.reporting.report import stored_table
from glorot.results.store import find_folders
from glorot.results.stored import gather
from glorot.sweeps import config
from glorot.sweeps.runs import expand, stored_sweep
from glorot.sweeps.settings import FIELDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def commands(group: click.Group, prefix: str) -> list[str]:
    names = []
    for name, command in group.commands.items():
        names += commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else [f"{prefix} {name}"]
    return names


@pytest.mark.parametrize("command", commands(cli, "glorot"))
def test_every_command_stands_in_the_readme(command):
    assert f"`{command}" in README


def test_the_sweep_explained_is_a_sweep():
    text = re.search(r"```yaml\n(name: my-study.*?)```", README, re.DOTALL)[1]
    sweep = config.parse(text, "README.md")
    assert len(expand(sweep)) == 2 * 3 * 3 * 3


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_stands_in_the_readme(field):
    assert f"`{field}`" in README


def test_every_file_named_is_there():
    named = set(re.findall(r"\]\(([\w./-]+)\)", README)) | set(
        re.findall(r"`((?:glorot|tests|experiments)/[\w./]*)`", README)
    )
    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_quickstart_s_table_is_what_it_prints():
    """Where the quickstart was run (`make quickstart`, .ci/run): same bits, same table."""
    stored = ROOT / "results" / "quickstart" / "table.md"
    if not stored.exists():
        pytest.skip("needs the results of `make quickstart`")
    block = re.search(r"<!-- quickstart -->\n(.*?)\n<!-- /quickstart -->", README, re.DOTALL)[1]
    told = "\n".join(line.removeprefix(">").removeprefix(" ") for line in block.splitlines())
    assert told == stored.read_text().rstrip()


def test_committed_results_are_of_the_shipped_sweep_and_give_the_committed_table():
    """They were made by commands, and the same commands make of them what is there."""
    folder = ROOT / "results" / "examples" / "figures-quick"
    shipped = [run.run_id for run in expand(config.load(ROOT / "experiments" / "figures-quick.yaml"))]
    assert [run.run_id for run in gather([folder])] == shipped
    table = stored_table(folder)
    assert table.markdown() == (folder / "table.md").read_text()
    assert table.csv() == (folder / "table.csv").read_text()
    check_tallies((folder / "scorecard.md").read_text())


def check_tallies(text):
    """A scorecard's tallies stand in results/README.md."""
    told = " ".join((ROOT / "results" / "README.md").read_text().split())
    tallies = re.findall(r"^### .*: (\d+ held, \d+ not held, \d+ not measured)$", text, re.MULTILINE)
    assert len(tallies) == len(SECTIONS)
    assert not [tally for tally in tallies if tally not in told]


REFERENCE = ROOT / "results" / "reference"


def test_the_reference_table_is_what_its_runs_give():
    """README's first table, results/reference/paper.md and the runs it is made from are one."""
    folders = find_folders(REFERENCE)
    for folder in folders:
        shipped, stored = config.load(ROOT / "experiments" / f"{folder.name}.yaml"), stored_sweep(folder)
        if config.versions_of(stored) == config.versions_of(shipped):  # else of an earlier version of its data
            assert (
                replace(stored_sweep(folder, ROOT / "experiments" / f"{folder.name}.yaml"), name=stored.name) == stored
            )
        assert stored_table(folder).csv() == (folder / "table.csv").read_text()
    together = paper_table([stored_table(folder) for folder in folders])
    assert together.markdown() == (REFERENCE / "paper.md").read_text()
    assert together.csv() == (REFERENCE / "paper.csv").read_text()
    told = re.search(r"<!-- reference -->\n(.*?)\n<!-- /reference -->", README, re.DOTALL)[1]
    assert f"\n\n{told}\n\n" in (REFERENCE / "paper.md").read_text()


def test_the_reference_scorecard_is_what_its_runs_give():
    text = scorecard.markdown(scorecard.judge(scorecard.evidence(find_folders(REFERENCE))))
    assert text == (REFERENCE / "scorecard.md").read_text()
    check_tallies(text)
