"""Every field of a run that decides something is seen wherever runs are compared, grouped, labelled or explained.

The fields come from Settings itself: a new one is tested here without another line. Where no value in other.py fits it,
the test says so; add one.
"""

import pytest
import yaml
from other import another
from stored import store_runs, table_of

from glorot.gate.regression import Fresh, compare, read_baseline, write_baseline
from glorot.paper.table1 import paper_table
from glorot.results.store import Store
from glorot.sweeps import config
from glorot.sweeps.about import Paper, Role
from glorot.sweeps.fields import ABOUT, DEFAULTS
from glorot.sweeps.runs import expand

BASE = {"dataset": "mnist", "activation": "tanh", "learning_rate": 0.03, "updates": 600, "checkpoint_minutes": 5}
DECIDING = [name for name, about in ABOUT.items() if about.role in (Role.DECIDES, Role.MEASURES)]
TOLD = [
    name
    for name in DECIDING
    if ABOUT[name].role is Role.DECIDES and ABOUT[name].paper is not Paper.VARIES and not ABOUT[name].is_old
]


def sweep_text(name: str, base: dict, grid: dict) -> str:
    return yaml.safe_dump({"name": name, "base": base, "grid": grid}, sort_keys=False)


def usual(field: str):
    return BASE.get(field, list(DEFAULTS[field]) if isinstance(DEFAULTS.get(field), tuple) else DEFAULTS.get(field))


def pair(field: str) -> str:
    """A sweep of two runs that differ in one field."""
    base = {key: value for key, value in BASE.items() if key != field}
    return sweep_text("pair", base, {field: [usual(field), another(field, BASE)[0]]})


def one(name: str, field: str | None = None, **changes) -> str:
    base = BASE | changes
    if field:
        base[field], changed = another(field, base)
        base = {key: value for key, value in base.items() if key not in changed.ignored}
    axis = "activation" if "activation" in base else field
    return sweep_text(name, base, {axis: [base.pop(axis)]})


def outcomes_of(text: str) -> dict:
    """Results that can be, of every run."""
    runs = expand(config.parse(text, "x.yaml"))
    numbers = {"train_loss": 0.5, "valid_loss": 0.5, "test_loss": 0.5, "valid_error": 5.0, "test_error": 5.0}
    return {tuple(run.labels.values()): numbers | {"updates_done": run.settings.updates} for run in runs}


@pytest.mark.parametrize("field", DECIDING)
def test_two_runs_are_two_cells_of_a_table_and_of_a_baseline(tmp_path, field):
    text = pair(field)
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    assert len({run.run_id for run in runs}) == 2
    store_runs(tmp_path, runs, outcomes_of(text))
    stored = Store(tmp_path).read_runs()
    if field != "seed":  # repeats are averaged
        table = table_of(tmp_path, text, outcomes_of(text))
        assert len({(row, column) for row in table.rows for column in table.columns}) == 2
    write_baseline(tmp_path / "pair.csv", Fresh("pair", "cpu", stored, [], 0))
    verdicts = compare(stored, read_baseline(tmp_path / "pair.csv").runs)  # once: "expected each run once"
    assert [verdict.kind for verdict in verdicts] == ["same", "same"]
    assert len({verdict.cell for verdict in verdicts}) == 2  # no two cells of one name
    assert not [verdict.cell for verdict in verdicts if verdict.cell.endswith((" ", "None"))]  # a value for each field


@pytest.mark.parametrize("field", [name for name in DECIDING if name != "seed"])
def test_a_table_says_it(tmp_path, field):
    text = one("one", field)
    table = table_of(tmp_path, text, outcomes_of(text))
    (run,) = expand(config.parse(text, "x.yaml"))
    said = "\n".join([*table.rows, *table.columns, *table.notes])
    value = getattr(run.settings, field)
    assert ABOUT[field].text(value) in said or run.method in said, said


@pytest.mark.parametrize("field", TOLD)
def test_the_paper_s_table_says_it(tmp_path, field):
    """And a run that is as the paper's goes before one that is not."""
    texts = {"other": one("other", field, updates=900), "as-usual": one("as-usual")}
    if another(field, BASE)[1].ignored:
        pytest.skip("no network: it has no place in the paper's table")
    tables = {name: table_of(tmp_path / name, text, outcomes_of(text)) for name, text in texts.items()}
    (run,) = expand(config.parse(texts["other"], "x.yaml"))
    notes = paper_table([tables["other"]]).notes
    value = getattr(run.settings, field)
    assert any(note.startswith(f"{ABOUT[field].title}: {ABOUT[field].text(value)}") for note in notes), notes
    if ABOUT[field].departs(value):
        assert "Updates: 600" in "\n".join(paper_table(list(tables.values())).notes)
