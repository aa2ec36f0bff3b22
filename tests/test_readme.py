"""The README tells the truth: its tables are those that its commands and the committed runs give."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from stored import close

from glorot.paper import scorecard
from glorot.paper.claim_list import SECTIONS
from glorot.paper.table1 import paper_table
from glorot.reporting.report import stored_table
from glorot.results.folders import find_folders
from glorot.results.stored import gather
from glorot.sweeps import config
from glorot.sweeps.runs import expand, stored_sweep
from glorot.sweeps.sweep import versions_of

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def told(name: str) -> str:
    """What README has between the markers of this name."""
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.DOTALL)[1]


def test_it_is_short():
    assert len(README.encode()) <= 7000


def test_the_quickstart_s_table_is_what_it_prints():
    """Of the committed runs, and of those made here (`make quickstart`, .ci/run): same bits, same table."""
    committed = ROOT / "results" / "examples" / "quickstart"
    shipped = [run.run_id for run in expand(config.load(ROOT / "experiments" / "quickstart.yaml"))]
    assert [run.run_id for run in gather([committed])] == shipped
    assert stored_table(committed).markdown() == (committed / "table.md").read_text()
    assert f"\n\n{told('quickstart')}\n\n" in (committed / "table.md").read_text()
    stored = ROOT / "results" / "quickstart" / "table.md"
    assert not stored.exists() or stored.read_text() == (committed / "table.md").read_text()


def test_its_own_study_gives_its_table():
    """The sweep in README is the one whose results are committed, and these give the table in README."""
    sweep = config.parse(re.search(r"```yaml\n(name: my-study.*?)```", README, re.DOTALL)[1], "my-study.yaml")
    folder = ROOT / "results" / "examples" / sweep.name
    assert [run.run_id for run in gather([folder])] == [run.run_id for run in expand(sweep)]
    assert stored_table(folder).markdown() == (folder / "table.md").read_text()
    assert f"\n\n{told(sweep.name)}\n\n" in (folder / "table.md").read_text()


def test_committed_results_are_of_the_shipped_sweep_and_give_the_committed_table():
    """They were made by commands, and the same commands make of them what is there."""
    folder = ROOT / "results" / "examples" / "figures-quick"
    shipped = [run.run_id for run in expand(config.load(ROOT / "experiments" / "figures-quick.yaml"))]
    assert [run.run_id for run in gather([folder])] == shipped
    table = stored_table(folder)
    assert table.markdown() == (folder / "table.md").read_text()
    assert close(table.csv()) == close((folder / "table.csv").read_text())
    check_tallies((folder / "scorecard.md").read_text())


def check_tallies(text):
    """A scorecard's tallies stand in docs/reproduction.md."""
    told = " ".join((ROOT / "docs" / "reproduction.md").read_text().split())
    tallies = re.findall(r"^### .*: (\d+ held, \d+ not held, \d+ not measured)$", text, re.MULTILINE)
    assert len(tallies) == len(SECTIONS)
    assert not [tally for tally in tallies if tally not in told]


REFERENCE = ROOT / "results" / "reference"


def test_the_reference_table_is_what_its_runs_give():
    """README's first table, results/reference/paper.md and the runs it is made from are one."""
    folders = find_folders(REFERENCE)
    for folder in folders:
        shipped, stored = config.load(ROOT / "experiments" / f"{folder.name}.yaml"), stored_sweep(folder)
        if versions_of(stored) == versions_of(shipped):  # else of an earlier version of its data
            assert (
                replace(stored_sweep(folder, ROOT / "experiments" / f"{folder.name}.yaml"), name=stored.name) == stored
            )
        assert close(stored_table(folder).csv()) == close((folder / "table.csv").read_text())
    together = paper_table([stored_table(folder) for folder in folders])
    assert together.markdown() == (REFERENCE / "paper.md").read_text()
    assert close(together.csv()) == close((REFERENCE / "paper.csv").read_text())
    assert f"\n\n{told('reference')}\n\n" in (REFERENCE / "paper.md").read_text()


def card_of(folders):
    return scorecard.markdown(scorecard.judge(scorecard.evidence(folders)))


def test_the_reference_scorecard_is_what_its_runs_give():
    text = card_of(find_folders(REFERENCE))
    assert text == (REFERENCE / "scorecard.md").read_text()
    check_tallies(text)


@pytest.mark.parametrize("folder", ["examples/figures-quick", "reference/second-order"])
def test_other_scorecards_are_what_their_runs_give(folder):
    folder = ROOT / "results" / folder
    assert card_of([folder]) == (folder / "scorecard.md").read_text()
