"""Plug-ins: what is refused before anything runs, and a researcher's afternoon with a file of her own."""

import csv
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glorot.errors import GlorotError, PluginError
from glorot.plugins import loading, starter, trial
from glorot.sweeps.config import parse
from glorot.sweeps.runs import expand
from glorot.sweeps.written import dump

HEAD = """\
import numpy as np
from glorot.compiled.elementary import HALF, ONE, ZERO, F, exp, log
from glorot.models.activations import Activation
from glorot.models.initializers import Drawn
from glorot.models.losses import Loss, no_normalizer
from glorot.registry import Family, Number
"""
ACTIVATION = (
    HEAD
    + """\
def f(z):
    return {value}
def slope({argument}):
    return {slope}
ACTIVATIONS = {{"mine": Activation("Mine", "f(z)", f, slope, "{argument}")}}
"""
)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """No test leaves a plug-in behind."""
    monkeypatch.setattr(loading, "_loaded", {})
    for registry, _ in loading.KINDS.values():
        for name in ("_entries", "_origins", "_made", "_remembered"):
            monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


def loaded(folder, text):
    (folder / "my.py").write_text(text)
    plugin = loading.load(folder / "my.py")
    trial.try_out(plugin)
    return plugin


def activation(value, slope, argument="a"):
    return ACTIVATION.format(value=value, slope=slope, argument=argument)


def initializer(body):
    return HEAD + f"def draw(shape, fan_in, fan_out, generator):\n    return {body}\n" + (
        'INITIALIZERS = {"mine": Drawn("(mine)", "mine", "mine", draw)}\n'
    )  # fmt: skip


REFUSED = {  # what the message begins with behind the file, and has later
    "no Python": ("def f(:\n", "1: no valid Python: "),
    "import that fails": ("import os\nimport no_such_module\n", "2: ModuleNotFoundError: No module named"),
    "missing function": (HEAD + 'ACTIVATIONS = {"mine": Activation("Mine", "f", f, f)}\n', "7: NameError: name 'f'"),
    "end of the program": ("raise SystemExit(0)\n", "1: SystemExit: 0"),
    "nothing": ("x = 1\n", "1: expected a dict called ACTIVATIONS, INITIALIZERS, LOSSES"),
    "a name that is nearly right": ("ACTIVATION = {}\n", "1: expected a dict.*did you mean ACTIVATIONS"),
    "a list": ("ACTIVATIONS = []\n", "1: expected ACTIVATIONS to be a dict of name: entry, found list"),
    "shadowed": (activation("z", "ONE").replace('"mine"', '"relu"'), "11: activation relu is one of glorot's own"),
    "another kind": (HEAD + 'LOSSES = {"mine": 3}\n', r"7: loss mine: expected Loss\(...\), found int"),
    "a bad name": (HEAD + 'LOSSES = {"my loss": 3}\n', '7: expected a name of up to 64 letters, digits and _'),
    "a wrong slope": (activation("z * z", "z", "z"),
                      "9: slope: activation mine: expected the derivative, about -19.99 at"),
    "float64": (activation("1.5 * z", "F(1.5)").replace("1.5 * z", "np.float64(1.5) * z"), "7: f: .* one float32"),
    "not finite": (activation("log(z)", "exp(-a)"), "7: f: activation mine: expected a finite number at"),
    "NaN lost": (activation("z if z > ZERO else ZERO", "ONE if a > ZERO else ZERO"), "7: f: .*NaN to stay NaN"),
    "no compiling": (activation("F(float(repr(float(z))))", "ONE"), "7: f: activation mine: it cannot be compiled: "),
    "no number": (activation("z.sgn", "ONE"), "8: activation mine: AttributeError"),
    "a wrong shape": (initializer("np.zeros((2, 2))"), r"9: initializer mine: expected float32 \(7, 5\), found"),
    "another generator": (initializer("np.random.default_rng().random(shape)"), "9: .*same weights from the same"),
    "a family that fails": (HEAD + 'ACTIVATIONS = {"mine": Family(lambda slope: 1 / 0, {"slope": Number(1)})}\n',
                            "7: activation mine: ZeroDivisionError"),
    "a wrong delta": (HEAD + """\
def value(logit, normalizer, target):
    return (logit - target) * (logit - target)
def delta(logit, normalizer, target):
    return logit - target
LOSSES = {"mine": Loss("mine", "mine", no_normalizer, value, delta, delta)}
""", "9: delta: loss mine: expected the derivative"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_by_file_and_line(case, tmp_path):
    text, message = REFUSED[case]
    with pytest.raises(PluginError, match=re.escape(f"{tmp_path / 'my.py'}:") + message) as caught:
        loaded(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_corners_and_helpers_are_fine(tmp_path):
    """ReLU's corner has no derivative; a formula may call another function of the file."""
    text = activation("twice(z) if z > ONE else (ZERO if z < ZERO else z)",
                      "F(2) if a > F(2) else (ONE if a > ZERO else ZERO)")  # fmt: skip
    text = text.replace("def f(z)", "def twice(z):\n    return z + z\ndef f(z)").replace(
        "F(2) if a > F(2)", "F(2) if a > ONE"
    )
    plugin = loaded(tmp_path, text.replace("else (ZERO", "else (ZERO"))
    assert plugin.added == {"ACTIVATIONS": ("mine",)}


def test_the_one_that_glorot_new_writes(tmp_path):
    """It passes its own trial; its texts carry the hash of its contents; a sweep of it can be read without it."""
    plugin = loaded(tmp_path, starter.TEXT)
    mark = plugin.source.origin.mark
    sweep = parse(
        "base: {dataset: shapeset, learning_rate: 0.1, updates: 20, loss: squared_error}\n"
        "grid: {activation: [tanh, swish, {swish: {beta: 2}}], initializer: [two_values]}\nplugins: [my.py]",
        "my-study.yaml",
    )
    runs = expand(sweep, only=["activation={swish: {beta: 2}}"])
    assert [run.settings.activation for run in runs] == [f"swish(beta=2.0){mark}"]
    assert runs[0].labels["activation"] == "swish(beta=2.0)"
    trial.try_choices(runs[0].choices)
    stored = dump(sweep)
    edited = loaded(tmp_path, starter.TEXT + "\n")  # another file: other runs
    assert edited.source.origin.mark != mark
    assert {run.run_id for run in expand(parse(stored, "sweep.yaml"))} == {run.run_id for run in expand(sweep)}
    with pytest.raises(PluginError, match=r"from my.py, which is not loaded, or has changed; add --plugin my.py"):
        trial.try_choices(runs[0].choices)
    for registry, _ in loading.KINDS.values():
        for name in ("swish", "relu6", "two_values", "squared_error"):
            registry._entries.pop(name, None)
            registry._origins.pop(name, None)
    again = parse(stored, "sweep.yaml")
    assert again == sweep
    assert [run.method for run in expand(again)] == [
        f"{label} (two values, 1)" for label in ("Tanh", "Swish 1", "Swish 2")
    ]
    assert dump(again) == stored


def test_another_process_gets_the_contents(tmp_path, monkeypatch):
    """From a copy in the cache, whatever became of the file."""
    plugin = loaded(tmp_path, starter.TEXT)
    (tmp_path / "my.py").unlink()
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path / "cache"))
    loading.install((plugin.source,))
    (there,) = loading.loaded()
    assert there.source == plugin.source
    assert there.file.read_bytes() == plugin.source.content


SWEEP = """\
name: study
plugins: [my_units.py]
base: {dataset: {folder: photos, size: [4, 4]}, width: 8, depth: 2, learning_rate: 0.1, updates: 30, batch_size: 5,
       evaluate_every: 15, valid_examples: 8, test_examples: 8}
grid:
  activation: [tanh, {swish: {beta: 2}}]
  initializer: [normalized, two_values]
  seed: [0, 1, 2]
table: {rows: [activation, initializer], columns: dataset}
"""


def images(folder):
    """Ready splits of two classes."""
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4), ("test", 4)):
        for place, name in enumerate(("dark", "light")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 128, (4, 4), np.uint8) + np.uint8(127 * place)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")


def runs_of(folder):
    with open(folder / "results" / "study" / "runs.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_researcher_s_afternoon(tmp_path, glorot):
    """Her own images, her own activation and initializer, three seeds; table and figures with her labels, also when
    the plug-in is gone; an edit of it is never served stale."""
    images(tmp_path / "photos")
    (tmp_path / "study.yaml").write_text(SWEEP)
    assert glorot("new", "--plugin", "my_units.py").returncode == 0
    refused = glorot("run", "study.yaml")
    assert refused.returncode == 2
    assert "study.yaml:2: plugins: the sweep needs my_units.py" in refused.stderr
    assert refused.stderr.rstrip().endswith("glorot run study.yaml --plugin my_units.py")
    assert not (tmp_path / "results").exists()

    done = glorot("run", "study.yaml", "--plugin", "my_units.py")
    assert done.returncode == 0, done.stderr
    assert "12 done" in done.stderr
    assert "| Swish 2 (two values, 1)" in done.stdout
    again = glorot("run", "study.yaml", GLOROT_PLUGINS=str(tmp_path / "my_units.py"))
    assert "12 done, 0 to do" in again.stderr

    first = {row["run_id"]: row for row in runs_of(tmp_path)}
    file = tmp_path / "my_units.py"
    before = file.stat()
    text = file.read_text()
    file.write_text(text.replace("return p + beta", "return p - beta"))
    wrong = glorot("run", "study.yaml", "--plugin", "my_units.py")
    assert wrong.returncode == 2
    assert "swish_slope: activation swish: expected the derivative" in wrong.stderr
    file.write_text(text.replace("beta=beta", "beta=   3"))  # the same size and time
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    other = glorot(
        "run", "study.yaml", "--plugin", "my_units.py", "--only", "activation={swish: {beta: 2}}", "-o", "others"
    )
    assert other.returncode == 0, other.stderr
    with open(tmp_path / "others" / "study" / "runs.csv", newline="") as stored:
        second = list(csv.DictReader(stored))
    assert not {row["run_id"] for row in second} & first.keys()
    assert len(second) == 6
    assert {row["test_loss"] for row in second}.isdisjoint(row["test_loss"] for row in first.values())

    file.unlink()
    report = glorot("report", "study", "--figures")
    assert report.returncode == 0, report.stderr
    assert report.stdout == done.stdout
    drawn = "".join(path.read_text() for path in (tmp_path / "results" / "study" / "figures").glob("*.svg"))
    assert "Swish 2 (two values, 1)" in drawn
    assert glorot("check", "study", "--update").returncode == 0
    assert "12 same" in glorot("check", "study").stderr
    assert glorot("status", "study").returncode == 0


def test_commands_that_train_or_measure_need_the_plug_in(tmp_path, glorot, environment):
    """They say so where it is not there, and take it as `glorot run` does."""
    (tmp_path / "my_units.py").write_text(starter.TEXT)
    (tmp_path / "study.yaml").write_text(
        "base: {dataset: shapeset, activation: swish, depth: 1, width: 5, learning_rate: 0.1, updates: 10,\n"
        "       valid_examples: 20, test_examples: 20}\nplugins: [my_units.py]\n"
    )
    assert glorot("run", "study.yaml", "-q", "--plugin", "my_units.py").returncode == 0
    weights = ("weights", runs_of(tmp_path)[0]["run_id"], "-o")
    kept = glorot(*weights, "kept.npz")  # a state is there
    assert kept.returncode == 0, kept.stderr
    shutil.rmtree(Path(environment["GLOROT_CACHE"]) / "checkpoints")
    stored = "results/study/sweep.yaml"
    for command in ([*weights, "x.npz"], ["run", stored, "--rerun"], ["bench", stored, "-o", "elsewhere"]):
        refused = glorot(*command)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
        assert refused.stderr.rstrip().endswith("which is not loaded, or has changed; add --plugin my_units.py")
    again = glorot(*weights, "again.npz", "--plugin", "my_units.py")
    assert again.returncode == 0, again.stderr
    with np.load(tmp_path / "kept.npz") as one, np.load(tmp_path / "again.npz") as other:
        assert all((one[name] == other[name]).all() for name in one.files)
    same = ["compare", "a=study.yaml", "b=study"]
    assert glorot(*same).returncode == 2
    assert glorot(*same, GLOROT_PLUGINS="my_units.py").returncode == 0


@pytest.mark.parametrize("experiment", [None, "lecture"])
@pytest.mark.parametrize("name", ["mine", "5", "null", "2024-13-45"])
def test_a_sweep_to_begin_with(experiment, name, tmp_path, glorot):
    began = glorot("new", name, *(["--from", experiment] if experiment else []))
    assert began.returncode == 0, began.stderr
    text = (tmp_path / f"{name}.yaml").read_text()
    assert parse(text, f"{name}.yaml").name == name
    assert text.count("#") > 5
    assert glorot("new", name).returncode == 2
    assert (tmp_path / f"{name}.yaml").read_text() == text


def test_new_refuses():
    from click.testing import CliRunner

    from glorot.cli.main import cli

    for arguments in ([], ["--from", "table1"], ["--plugin", "my-units.py"], ["--plugin", "units.txt"]):
        assert CliRunner().invoke(cli, ["new", *arguments]).exit_code == 2
    for name in (r"a\q", r"\1", r"\g<0>", "a\nb"):  # nothing of it is a pattern
        with pytest.raises(GlorotError, match="name: expected up to 100 letters, digits"):
            CliRunner().invoke(cli, ["new", name, "--from", "quickstart"], catch_exceptions=False)
    with pytest.raises(GlorotError, match="name: expected up to 100 letters, digits"):
        CliRunner().invoke(cli, ["new", "x # y"], catch_exceptions=False)  # once a sweep called x


def test_an_axis_from_the_command_line():
    text = "base: {dataset: shapeset, activation: tanh, learning_rate: 0.1, updates: 20}\ngrid: {seed: [0, 1]}"
    sweep = parse(text, "some.yaml", ["grid.depth=[1,3]", "grid.seed=[5]"])
    assert [(run.settings.depth, run.settings.seed) for run in expand(sweep)] == [(1, 5), (3, 5)]
