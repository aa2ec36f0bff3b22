"""Figures do not depend on what the user has set up for matplotlib."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glorot.reporting import pictures

DRAW = """
import sys
from pathlib import Path
from glorot.reporting import pictures
style = {"font.size": 9.0}
with pictures.shipped(style):
    figure = pictures.new(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [1, 2], label="a line")
    axes.set_title(pictures.plain("costs $5 or $6"))
    axes.legend()
    figure.draw_without_rendering()
for form in ("png", "svg"):
    Path(sys.argv[1]).with_suffix("." + form).write_bytes(pictures.rendered(figure, form, style))
"""
LOUD = (
    "figure.facecolor: red\nlines.linewidth: 9\nsavefig.dpi: 7\ntext.usetex: True\nbackend: TkAgg\nsvg.fonttype: path\n"
)
HOSTILE = {
    "a backend that is none": ({"MPLBACKEND": "nonsense"}, None),
    "a backend without a module": ({"MPLBACKEND": "module://nowhere.to.be.found"}, None),
    "a window": ({"MPLBACKEND": "TkAgg", "DISPLAY": ":77"}, None),
    "settings here": ({}, LOUD.encode()),
    "settings that are no text": ({}, b"\xff\xfe\x00font.size: 3\n"),
    "settings of an older matplotlib": ({}, b"text.latex.unicode: True\nno such: thing\n"),
    "settings named": ({"MATPLOTLIBRC": "loud"}, None),
    "settings of the user": ({"XDG_CONFIG_HOME": "home"}, None),
}


def drawn(folder: Path, **variables: str) -> tuple[list[bytes], str]:
    """The files of a process of its own, and what it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "MATPLOTLIB"))}
    here = {"PYTHONPATH": str(Path(pictures.__file__).parents[1]), "PYTHONSAFEPATH": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", DRAW, "drawn"], cwd=folder, env=kept | here | variables, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return [(folder / f"drawn.{form}").read_bytes() for form in ("png", "svg")], ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("plain"))[0]


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_users_settings_change_nothing(tmp_path, untouched, kind):
    variables, here = HOSTILE[kind]
    if here is not None:
        (tmp_path / "matplotlibrc").write_bytes(here)
    for folder in ("loud", "home/matplotlib"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "matplotlibrc").write_text(LOUD)
    (tmp_path / "home/matplotlib/stylelib").mkdir()
    (tmp_path / "home/matplotlib/stylelib/classic.mplstyle").write_bytes(b"\xff\xfe")
    files, said = drawn(tmp_path, **variables)
    assert files == untouched
    assert said == ""


def test_dollars_are_no_formula(untouched):
    assert b"costs $5 or $6" in untouched[1]


def test_settings_of_the_process_stay(monkeypatch, tmp_path):
    """Whoever draws of his own, in a notebook say, finds his settings again."""
    import matplotlib

    with matplotlib.rc_context({"figure.facecolor": "red", "axes.grid": True}):
        with pictures.shipped({"axes.grid": False}):
            assert matplotlib.rcParams["figure.facecolor"] == "white"
            assert matplotlib.rcParams["axes.grid"] is False
        assert matplotlib.rcParams["figure.facecolor"] == "red"
        assert matplotlib.rcParams["axes.grid"] is True


def test_the_working_directory_and_the_environment_stay():
    code = (
        "import os; before = os.getcwd(), dict(os.environ)\n"
        "from glorot.reporting import pictures; pictures.import_untouched()\n"
        "assert (os.getcwd(), dict(os.environ)) == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"MPLBACKEND": "nonsense"})
