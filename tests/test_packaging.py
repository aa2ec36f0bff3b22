"""What is shipped: the sdist is the checkout, with its tests; the wheel has all that runs and a README for PyPI."""

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

pytest.importorskip("setuptools", minversion="77")

ROOT = Path(__file__).resolve().parent.parent
BUILD = "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"


def tracked() -> list[str]:
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    command = [git, "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with an sdist and a wheel of the checkout, built in a copy of it."""
    place = tmp_path_factory.mktemp("build") / "copy"
    for name in tracked():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, place / name)
    ended = subprocess.run([sys.executable, "-c", BUILD], cwd=place, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return place / "dist"


def test_the_sdist_is_the_checkout(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        there = {name.partition("/")[2] for name in sdist.getnames()}
    of_the_repository = (".ci/", ".github/", ".gitignore", ".pre-commit-config.yaml")
    assert {name for name in tracked() if not name.startswith(of_the_repository)} - there == set()


def test_the_wheel_has_all_that_runs(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        there = set(wheel.namelist())
    package = {name for name in tracked() if name.startswith("glorot/")}
    sweeps = {f"glorot/{name}" for name in tracked() if re.fullmatch(r"experiments/(networks/)?[^/]*\.yaml", name)}
    assert "glorot/py.typed" in package
    assert (package | sweeps) - there == set()
    assert {name for name in there if name.startswith(("tests/", "experiments/", "build/"))} == set()


def test_no_link_of_the_description_leads_nowhere(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = email.message_from_bytes(wheel.read(name))
    description = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert description.count("\n") > 50
    links = re.findall(r"\[[^][]*\]\(([^)]*)\)", description)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format asks for
    assert [author["family-names"] for author in citation["references"][0]["authors"]] == ["Glorot", "Bengio"]
