"""glorot from Python: run, load, figures and weights, as a user's script and notebook have them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from stored import store_runs

import glorot
from glorot import api
from glorot.datasets.inputs import INPUTS
from glorot.datasets.shapeset import Shapeset
from glorot.errors import DataError, GlorotError, ResultsError, SweepError
from glorot.results.store import Store
from glorot.sweeps import config
from glorot.sweeps.runs import expand
from glorot.sweeps.written import dump

TINY = {
    "name": "tiny",
    "base": {"dataset": "shapeset", "depth": 2, "width": 8, "learning_rate": 0.1, "updates": 30, "test_examples": 50,
             "valid_examples": 50, "evaluate_every": 10, "probes": {"at": [0], "examples": 20}},
    "grid": {"initializer": ["standard", "normalized"], "activation": ["tanh"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return glorot.run(TINY, tmp_path_factory.mktemp("r") / "results", device="cpu", jobs=1, quiet=True)


def test_frames_are_joined_by_what_a_reader_knows(results):
    assert list(results.runs["initializer"]) == ["standard", "normalized"]
    assert list(results.runs.columns[:3]) == ["run_id", "initializer", "activation"]
    assert results.runs["seconds"].gt(0).all()
    assert list(results.history["update"]) == [0, 10, 20, 30] * 2
    assert list(results.history["initializer"]) == ["standard"] * 4 + ["normalized"] * 4
    assert {"quantity", "layer", "std", "initializer"} <= set(results.probes)
    mistakes = results.predictions.groupby("run_id", sort=False)["correct"].mean()
    np.testing.assert_allclose(100 * (1 - mistakes), results.runs["test_error"])


def test_what_a_notebook_shows(results):
    table = results.table()
    assert table._repr_html_().startswith("<h2><bdi>tiny</bdi></h2>")
    assert repr(table) == (results.folder / "table.md").read_text()
    assert isinstance(table.frame, pd.DataFrame)
    assert list(table.frame["mean"]) == list(results.runs["test_error"])
    (figure,) = results.figures("curves-error").values()
    assert figure._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(GlorotError, match=r"ends with \.png, \.svg or \.pdf"):
        figure.save("x.gif")
    with pytest.raises(GlorotError, match="expected a format of terminal"):
        table.write("docx")


def test_load(results):
    again = glorot.load(results.folder)
    pd.testing.assert_frame_equal(again.runs, results.runs)
    with pytest.raises(ResultsError, match=r"found none; there are some in .*tiny"):
        glorot.load(results.folder.parent)


def test_weights_make_the_same_predictions_in_torch(results, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    run = results.runs.iloc[0]
    named = glorot.weights(run["run_id"], results.folder)
    assert {name: one.shape for name, one in named.items()} == {
        "0.weight": (8, 1024), "0.bias": (8,), "2.weight": (8, 8), "2.bias": (8,), "4.weight": (9, 8), "4.bias": (9,),
    }  # fmt: skip
    network = torch.nn.Sequential(
        torch.nn.Linear(1024, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 9)
    )
    network.load_state_dict({name: torch.from_numpy(one) for name, one in named.items()})
    data = Shapeset()
    pixels = data.test.first(50).pixels.reshape(50, -1)
    seen = INPUTS[run["inputs"]].levels(data)[pixels]
    ours = Store(results.folder).read_predictions(run["run_id"])
    assert network(torch.from_numpy(seen)).argmax(1).tolist() == ours["prediction"].tolist()
    # Where no state is kept they are computed again: the same bits.
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path / "empty"))
    with pytest.raises(ResultsError, match="not kept any more"):
        glorot.weights(run["run_id"], results.folder, train=False)
    again = glorot.weights(run["run_id"][:9], results.folder)
    assert all((named[name] == one).all() for name, one in again.items())


def test_a_trial_is_stored_apart(results):
    """As by the command: the sweep's own results stay."""
    before = {path: path.read_bytes() for path in results.folder.rglob("*") if path.is_file()}
    output = results.folder.parent
    trial = glorot.run(TINY, output, overrides=["updates=20"], device="cpu", jobs=1, quiet=True)
    assert trial.folder == output / "tiny-trial"
    assert list(trial.runs["updates"]) == [20, 20]
    assert {path: path.read_bytes() for path in results.folder.rglob("*") if path.is_file()} == before


def test_what_is_of_another_version_of_its_data(results, tmp_path):
    """Its images cannot be made any more: it is not run, and has no weights but its own."""
    old = TINY | {"base": TINY["base"] | {"inputs": "symmetric"}, "versions": {"shapeset": 1}}
    with pytest.raises(SweepError, match=r"versions\.shapeset: expected \d, the only .*; found 1\. Remove `versions`"):
        glorot.run(old, tmp_path / "results", device="cpu", quiet=True)
    sweep = config.parse(yaml.safe_dump(old, sort_keys=False), "old.yaml")
    folder = tmp_path / "results" / "tiny"
    store_runs(folder, expand(sweep), {("standard", "tanh"): {"test_error": 50.0}})
    (folder / "sweep.yaml").write_text(dump(sweep, folder))
    run_id = next(iter(Store(folder).rows()))
    with pytest.raises(DataError, match=r"expected data of version \d of shapeset, .* found version 1"):
        glorot.weights(run_id, folder)  # though a state is kept, of the same settings with today's data
    with pytest.raises(ResultsError, match="not kept any more"):
        glorot.weights(run_id, folder, train=False)
    assert glorot.load(folder).runs["test_error"].tolist() == [50.0]


def test_files_of_weights(tmp_path):
    named = {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "0.bias": np.ones(2, np.float32)}
    (tmp_path / "x.npz").write_bytes(api.weights_file(named, ".npz"))
    with np.load(tmp_path / "x.npz") as found:
        assert all((found[name] == one).all() for name, one in named.items())
    numpy = pytest.importorskip("safetensors.numpy")
    found = numpy.load(api.weights_file(named, ".safetensors"))
    assert all((found[name] == one).all() for name, one in named.items())


def test_commands_refuse_before_they_train(results, glorot, tmp_path):
    wrong = glorot("weights", "abc", "-o", "x.pt")
    assert (wrong.returncode, "ends with .npz or .safetensors; found .pt" in wrong.stderr) == (2, True)
    missing = glorot("weights", "abc", "-o", "x.npz", "--results", results.folder)
    assert (missing.returncode, "expected a stored run 'abc'" in missing.stderr) == (2, True)


def test_a_run_that_fails_when_it_is_made_again_is_told(tmp_path):
    again = glorot.run(TINY, tmp_path / "results", device="cpu", jobs=1, quiet=True)
    (tmp_path / "results/tiny/failures").mkdir()
    (tmp_path / f"results/tiny/failures/{again.runs['run_id'][0]}.txt").write_text("MemoryError\n")
    with pytest.warns(UserWarning, match="failed when made again, and kept their earlier results: why is in"):
        glorot.run(TINY, tmp_path / "results", device="cpu", jobs=1, quiet=True)
    assert "failed when it was made again; its earlier result is kept" in again.html().read_text("utf-8")


def test_what_has_no_weights_is_not_trained_again():
    with pytest.raises(ResultsError, match=r"of the model or_of_ands\(.*\), of which no state is saved; name another"):
        glorot.weights("7873800e663b", Path(__file__).parent.parent / "results" / "examples" / "parity")


def test_import_alone_loads_nothing_and_all_functions_are_there(environment):
    code = (
        "import sys, glorot\n"
        "loaded = [m for m in sys.modules if m.startswith('glorot') or m in ('numpy', 'numba', 'pandas')]\n"
        "from glorot import inspect, load, run, weights\n"
        "assert set(glorot.__all__) <= set(dir(glorot))\n"
        "print(loaded, hasattr(glorot, 'train'), load.__module__)"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "['glorot'] False glorot.api.results\n", ended.stderr


def test_a_script_without_a_guard(tmp_path, environment):
    """Worker processes do not run the user's script again."""
    (tmp_path / "script.py").write_text(
        f"import glorot\nprint('once')\nr = glorot.run({TINY!r}, jobs=2, device='cpu')\nprint(len(r.runs))\n"
        "print(glorot.inspect('tanh', 'standard', (20, 20)).frame['fan_out'][0])\n"
    )
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert (ended.returncode, ended.stdout) == (0, "once\n2\n20\n"), ended.stderr
    assert "[2/2]" in ended.stderr
