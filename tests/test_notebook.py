"""The lecture as a notebook: it runs from top to bottom, and is committed with its outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "lecture.ipynb"


def test_it_is_committed_with_its_outputs():
    text = NOTEBOOK.read_text("utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]
    assert not [machine for machine in ("/root/", "/home/", "/tmp/") if machine in text]


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    """With fewer updates: what it says of its results is not looked at here."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.reads(NOTEBOOK.read_text("utf-8").replace('\\"updates\\": 4000', '\\"updates\\": 400'), 4)
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3").execute(cwd=str(tmp_path))
    errors = [o for cell in notebook.cells for o in cell.get("outputs", []) if o["output_type"] == "error"]
    assert not errors
