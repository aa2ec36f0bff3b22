"""Data sets built of images: the table of classes, Small-ImageNet, folders of class folders, and sweeps on them."""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from photos import write_images
from PIL import Image

from glorot.datasets import folder, loading, small_imagenet, wordnet
from glorot.datasets.local import LocalData, info
from glorot.errors import DataError, SweepError
from glorot.reporting import report
from glorot.results import store
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand, run_id, stored_sweep, with_data
from glorot.sweeps.settings import Settings

# --- the table of classes -----------------------------------------------------------------------------

OF_TINY_IMAGENET = {  # 30 of its classes
    "reptiles": "n01698640 n01742172",
    "vehicles": "n02814533 n02917067 n03100240 n03662601 n04146614 n04465501",
    "birds": "n01855672 n02002724 n02056570 n02058221",
    "mammals": "n02099601 n02124075 n02129165 n02132136 n02504458 n02481823",
    "fish": "n01443537",
    "furniture": "n03179701 n03201208 n04099969",
    "instruments": "n03838899 n03854065",
    "tools": "n03649909 n03970156",
    "fruits": "n07747607 n07749582 n07753592 n07768694",
}


def test_classes_of_known_ids():
    for name, ids in OF_TINY_IMAGENET.items():
        assert {wordnet.classes()[one] for one in ids.split()} == {name}
    known = {
        "n01662784": "reptiles",  # turtle
        "n01440764": "fish",  # tench
        "n02701002": "vehicles",  # ambulance
        "n03452741": "instruments",  # grand piano
        "n11939491": "flowers",  # daisy
        "n12057211": "flowers",  # yellow lady's slipper
        "n12267677": "fruits",  # acorn
        "n04154565": "tools",  # screwdriver
        "n01629819": None,  # European fire salamander
        "n02206856": None,  # bee
        "n03584254": None,  # iPod
        "n07734744": None,  # mushroom
    }
    assert {one: wordnet.classes().get(one) for one in known} == known


def test_the_table_is_the_one_that_was_made():
    """With the hash that `test_table_from_wordnet` found: elsewhere, nothing of it can change unseen."""
    text = (resources.files("glorot.datasets") / "wordnet_classes.txt").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "bc2d7a3eecbdf60de90031dbf5ac9510a49e265cc0412d6d80e345d3bb889532"
    ids = re.findall(rb"n[0-9]{8}", text)
    assert len(ids) == len(set(ids)) == len(wordnet.classes())
    assert Counter(wordnet.classes().values()) == {
        "mammals": 1170, "birds": 872, "fish": 618, "vehicles": 542, "flowers": 468, "tools": 348, "fruits": 321,
        "reptiles": 297, "furniture": 197, "instruments": 164,
    }  # fmt: skip


@pytest.mark.skipif(not os.environ.get("GLOROT_WORDNET"), reason="set GLOROT_WORDNET to WordNet 3.0's data.noun")
def test_table_from_wordnet():
    text = (resources.files("glorot.datasets") / "wordnet_classes.txt").read_text("ascii")
    assert wordnet.table(os.environ["GLOROT_WORDNET"]) == text


def data_noun(tmp_path: Path, lines: dict[str, str]) -> Path:
    """A tiny data.noun. lines: id -> the ids it is a kind of."""
    text = "  1 the licence\n"
    for one, above in {
        **dict.fromkeys((root[1:] for roots in wordnet.ROOTS.values() for root in roots), ""),
        **lines,
    }.items():
        pointers = [f"@ {other} n 0000" for other in above.split()] + ["~ 99999999 n 0000", "@i 01503061 n 0000"]
        text += f"{one} 05 n 02 word 0 another 0 {len(pointers):03} {' '.join(pointers)} | a gloss; @ 01503061 n 0000\n"
    (tmp_path / "data.noun").write_text(text)
    return tmp_path / "data.noun"


def test_an_id_under_two_nouns_goes_to_the_nearer_and_then_to_the_first(tmp_path):
    lines = {
        "00000001": "01503061",  # a bird
        "00000002": "00000001",
        "00000003": "00000002 02512053",  # fish is one step away, birds three
        "00000004": "01503061 02512053",  # both one: the paper names birds first
        "00000005": "",
        "00000006": "00000005 04019101",  # public transport
    }
    found = wordnet.classes_from(data_noun(tmp_path, lines))
    assert [found.get(f"n0000000{n}") for n in range(1, 7)] == ["birds", "birds", "fish", "birds", None, "vehicles"]
    assert "\nbirds:\nn00000001 n00000002 n00000004 n01503061\n" in wordnet.table(tmp_path / "data.noun")


def test_another_wordnet_is_refused(tmp_path):
    (tmp_path / "data.noun").write_text("00000001 05 n 01 word 0 000 | a gloss\n")
    with pytest.raises(DataError, match=r"expected WordNet 3\.0"):
        wordnet.classes_from(tmp_path / "data.noun")


# --- Small-ImageNet -----------------------------------------------------------------------------------

IDS = {name: ids.split()[0] for name, ids in OF_TINY_IMAGENET.items()}
NO_CLASS = "n02206856"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A tree like Tiny-ImageNet's of nine classes, with some files of no use, and a folder of flowers."""
    top = tmp_path_factory.mktemp("sources")
    for seed, one in enumerate([*IDS.values(), NO_CLASS]):
        write_images(top / "tiny" / "train" / one / "images", 60, seed)
        (top / "tiny" / "train" / one / f"{one}_boxes.txt").write_text("boxes")
    (top / "tiny" / "train" / IDS["fish"] / "images" / "broken.JPEG").write_bytes(b"\xff\xd8\xff rubbish")
    cmyk = Image.new("CMYK", (50, 50))
    cmyk.save(top / "tiny" / "train" / IDS["birds"] / "images" / "cmyk.JPEG", "JPEG")
    for seed, name in enumerate(("daisy", "rose")):
        write_images(top / "flowers" / name, 40, 100 + seed, "PNG")
    return top


@pytest.fixture(scope="module")
def built(sources, tmp_path_factory):
    """A data folder with Small-ImageNet of these, and its manifest."""
    place = tmp_path_factory.mktemp("data")
    return place, small_imagenet.build_into(place, [sources / "tiny"], [("flowers", sources / "flowers")])


def test_small_imagenet_is_balanced(built):
    place, manifest = built
    dataset = loading.load("small_imagenet", place)
    k = len(dataset.test) // 10
    assert (dataset.name, dataset.n_inputs, dataset.n_classes) == ("small_imagenet", 37 * 37, 10)
    for part, share in ((dataset.examples, 9), (dataset.valid, 1), (dataset.test, 1)):
        np.testing.assert_array_equal(np.bincount(part.labels), [share * k] * 10)
    assert manifest["images"] == {"train": 90 * k, "valid": 10 * k, "test": 10 * k}
    assert manifest["classes"]["flowers"] == {"usable": 80, "train": 9 * k, "valid": k, "test": k}
    assert list(manifest["classes"]) == list(wordnet.CLASS_NAMES)


def test_manifest_says_what_became_of_what(built):
    place, manifest = built
    assert json.loads((place / "small-imagenet" / "small-imagenet.json").read_text()) == manifest
    assert manifest["without_class"] == {"ids": 1, "files": 61}
    reasons = {Path(one["file"]).name: one["reason"] for one in manifest["skipped"]}
    assert reasons == {
        "broken.JPEG": "not an image of a known format",
        "cmyk.JPEG": "CMYK colours, which cannot be turned into grey without doubt",
    }
    total = sum(manifest["images"].values())
    tiny, flowers = total * 9 // 10, total // 10
    assert (
        manifest["about"]
        == f"stand-in: {total:,} images ({tiny:,} of Tiny-ImageNet, {flowers:,} of the folder flowers)"
    )
    assert [(one["kind"], one["used"]) for one in manifest["sources"]] == [
        ("Tiny-ImageNet", tiny), ("the folder flowers", flowers),
    ]  # fmt: skip


def test_same_input_same_bytes(built, sources, tmp_path):
    place, manifest = built
    shutil.copytree(sources, tmp_path / "elsewhere", copy_function=shutil.copy)  # other times and places
    again = tmp_path / "elsewhere" / "tiny" / "train"  # the tree itself, where before it was the folder above
    small_imagenet.build_into(tmp_path / "data", [again], [("flowers", tmp_path / "elsewhere" / "flowers")])
    first, second = (one / "small-imagenet" / "small-imagenet.npz" for one in (place, tmp_path / "data"))
    assert first.read_bytes() == second.read_bytes()
    assert hashlib.sha256(first.read_bytes()).hexdigest() == manifest["sha256"]


def test_several_trees_make_a_larger_one(built, sources, tmp_path):
    for seed, one in enumerate(IDS.values()):
        write_images(tmp_path / "more" / one, 60, seed, start=60)
    write_images(tmp_path / "more" / "n11939491", 60, 100, start=60)  # daisies
    trees, by_hand = [sources / "tiny", tmp_path / "more"], [("flowers", sources / "flowers")]
    manifest = small_imagenet.build_into(tmp_path / "data", trees, by_hand)
    _, before = built
    assert manifest["images"]["test"] > before["images"]["test"]
    assert re.fullmatch(r"stand-in: .* of Tiny-ImageNet, .* of ImageNet, .* of the folder flowers\)", manifest["about"])
    small, large = (loading.load("small_imagenet", one) for one in (built[0], tmp_path / "data"))

    def images(dataset, *names):
        return {row.tobytes() for name in names for row in getattr(dataset, name).pixels}

    for part in ("examples", "valid", "test"):
        others = [name for name in ("examples", "valid", "test") if name != part]
        assert not images(small, part) & images(large, *others)


def test_only_the_whole_of_imagenet_is_no_stand_in():
    one = small_imagenet.Source("ImageNet", "train", 800_000, 110_000)
    assert small_imagenet.describe([one]) == "rebuilt: 110,000 images of ImageNet"
    assert small_imagenet.describe([small_imagenet.Source("ImageNet", "train", 9, 9_900)]).startswith(
        "stand-in: 9,900 im"
    )


def test_sources_that_will_not_do(sources, tmp_path):
    def refused(trees, by_hand=()):
        with pytest.raises(DataError) as caught:
            small_imagenet.build_into(tmp_path / "data", trees, by_hand)
        assert not (tmp_path / "data").exists()
        return str(caught.value)

    assert "expected images of all ten classes, found none of flowers" in refused([sources / "tiny"])
    assert "--class flowers=DIR" in refused([sources / "tiny"])
    assert "found none of reptiles, vehicles" in refused([])
    assert "expected folders named by WordNet id" in refused([sources / "flowers"])
    assert "cannot read it: No such file" in refused([tmp_path / "nowhere"])
    assert "expected a folder of images of fish" in refused([sources / "tiny"], [("fish", tmp_path / "nowhere")])


def test_a_damaged_build_is_refused(built, tmp_path):
    shutil.copytree(built[0], tmp_path / "data")
    assert {status for _, status in loading.verify("small_imagenet", tmp_path / "data")} == {"verified"}
    file = tmp_path / "data" / "small-imagenet" / "small-imagenet.npz"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"expected SHA-256.*glorot data build small-imagenet"):
        loading.load("small_imagenet", tmp_path / "data")
    file.with_suffix(".json").unlink()
    with pytest.raises(DataError, match="expected the manifest of a build, found none"):
        loading.load("small_imagenet", tmp_path / "data")


# --- folders ------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    """A folder of three class folders."""
    for seed, name in enumerate(("cat", "dog", "owl")):
        write_images(tmp_path / "photos" / name, 50, seed, "PNG", size=12)
    write_images(tmp_path / "photos" / "owl" / "more", 5, 9, "PNG", size=12)
    (tmp_path / "photos" / "README.txt").write_text("not a class")
    (tmp_path / "photos" / "cat" / ".DS_Store").write_bytes(b"hidden")
    return tmp_path / "photos"


def test_folder_as_a_data_set(photos, tmp_path):
    local = LocalData(folder=str(photos), size=(6, 8), color="rgb")
    pinned = loading.pinned(local, tmp_path / "data", build=True)
    dataset = loading.load(pinned, tmp_path / "data")
    assert (dataset.name, dataset.n_inputs, dataset.n_classes) == ("photos", 3 * 6 * 8, 3)
    counts = [len(part) for part in (dataset.examples, dataset.valid, dataset.test)]
    assert sum(counts) == 155
    assert counts[0] > 4 * max(counts[1:])
    chance = 100 * (1 - np.bincount(dataset.test.labels).max() / counts[2])
    assert pinned.about == f"155 images in 3 classes, 6 x 8 rgb; chance {chance:.1f} %"
    assert info(pinned).chance == pytest.approx(chance, abs=0.01)
    assert loading.verify(pinned, tmp_path / "data")[0][1] == "verified"
    assert info(pinned).image_shape == (3, 6, 8)


def test_folder_is_built_once_for_each_state_of_it(photos, tmp_path, monkeypatch):
    local = LocalData(folder=str(photos), size=(6, 6))
    first = loading.pinned(local, tmp_path / "data", build=True)
    monkeypatch.setattr(folder, "build", None)  # now it cannot be built again
    assert loading.pinned(local, tmp_path / "data", build=True) == first
    assert loading.pinned(local, tmp_path / "data") == first
    monkeypatch.undo()
    shutil.copytree(photos, tmp_path / "moved", copy_function=shutil.copy)
    moved = loading.pinned(LocalData(folder=str(tmp_path / "moved"), size=(6, 6)), tmp_path / "data", build=True)
    assert (moved.content, str(moved)) == (first.content, "moved")
    write_images(photos / "cat", 100, 0, "PNG", size=12, start=50)
    assert loading.pinned(local, tmp_path / "data") == local  # not built yet
    for name, seed in (("dog", 1), ("owl", 2)):
        write_images(photos / name, 100, seed, "PNG", size=12, start=50)
    assert loading.pinned(local, tmp_path / "data", build=True).content != first.content
    shutil.rmtree(photos)
    assert loading.load(first, tmp_path / "data").n_classes == 3  # what was built is still there


def broken(tmp_path, name):
    if name == "no classes":
        (tmp_path / "mine").mkdir()
    elif name == "a file":
        (tmp_path / "mine").write_text("")
    elif name == "one class":
        write_images(tmp_path / "mine" / "cat", 5, 0)
    elif name == "an empty class":
        write_images(tmp_path / "mine" / "cat", 5, 0)
        (tmp_path / "mine" / "dog").mkdir()
    elif name == "too few":
        write_images(tmp_path / "mine" / "cat", 50, 0, size=12)
        (tmp_path / "mine" / "dog").mkdir()
        (tmp_path / "mine" / "dog" / "1.png").write_bytes(b"rubbish")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "or such folders in train, valid, test; found no such folder"),
        ("a file", "expected a folder of class folders, each with images of its class, or such folders in train, v"),
        ("no classes", "2 to 256 of them; found 0"),
        ("one class", "2 to 256 of them; found 1"),
        ("an empty class", "found nothing in dog"),
        ("too few", "class dog: expected images to train on, found none that can be used (1 file was skipped: dog/1"),
    ],
)
def test_folders_that_will_not_do(name, message, tmp_path):
    broken(tmp_path, name)
    local = loading.pinned(LocalData(folder=str(tmp_path / "mine")), tmp_path / "data", build=True)
    assert not local.content
    missing = loading.missing_files(local, tmp_path / "data")
    assert missing
    assert message in loading.not_there(local, tmp_path / "data", missing)
    with pytest.raises(DataError, match=re.escape(message)):
        loading.load(local, tmp_path / "data")


# --- in sweeps ----------------------------------------------------------------------------------------

BASE = "base: {activation: tanh, learning_rate: 0.1, updates: 30, depth: 1, width: 8, evaluate_every: 30"
SWEEP = f"name: mine\n{BASE}}}\ngrid:\n  dataset: [{{folder: ../photos, size: [6, 6]}}, small_imagenet, shapeset]\n"


@pytest.fixture
def sweep_file(photos, tmp_path):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text(SWEEP)
    return tmp_path / "sweeps" / "mine.yaml"


def test_paths_are_relative_to_the_sweep(sweep_file, photos, monkeypatch):
    expected = LocalData(folder=str(photos), size=(6, 6))
    assert config.load(sweep_file).grid["dataset"][0].fields == {"dataset": expected}
    assert [choice.label for choice in config.load(sweep_file).grid["dataset"]] == [
        "photos",
        "small_imagenet",
        "shapeset",
    ]
    monkeypatch.chdir(sweep_file.parent)
    assert config.load("mine.yaml") == config.load(sweep_file)
    sweep_file.write_text(f"{BASE}, dataset: shapeset}}\n")
    set_ = config.load("mine.yaml", ["dataset={folder: here}"])
    assert set_.base["dataset"].folder == str(sweep_file.parent / "here")


def test_a_dumped_sweep_finds_its_folder(sweep_file, tmp_path):
    sweep = config.load(sweep_file)
    (tmp_path / "results" / "mine").mkdir(parents=True)
    text = written.dump(sweep, tmp_path / "results" / "mine")
    assert "folder: ../../photos" in text
    (tmp_path / "results" / "mine" / "sweep.yaml").write_text(text)
    assert config.load(tmp_path / "results" / "mine" / "sweep.yaml") == sweep
    assert config.parse(written.dump(sweep), "elsewhere.yaml") == sweep


def problems(dataset: str) -> str:
    with pytest.raises(SweepError) as caught:
        config.parse(f"{BASE}}}\ngrid: {{dataset: {dataset}}}\n", "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("[./photos]", "or your own as {folder: PATH}, {arrays: FILE.npz}"),
        ("[{folder: x, sise: 3}]", "allowed: folder, size, color, split, balance, content, about, chance; did you m"),
        ("[{size: [3, 3]}]", "expected a data set of your own as {folder: PATH}, {arrays"),
        ("[{folder: 3}]", "expected folder to be text without control characters, found 3"),
        ('[{folder: "a\\0"}]', "expected folder to be text without control characters"),
        ("[{folder: x, balance: 1}]", "expected balance to be true or false, found 1"),
        ("[{folder: x, split: 0.8}]", "for training, validation and test, as in [0.8, 0.1, 0.1]; found 0.8"),
        ("[{folder: x, split: [0.8, 0.2]}]", "found [0.8, 0.2]"),
        ("[{folder: x, split: [0.8, 0.2, 0]}]", "found [0.8, 0.2, 0]"),
        ("[{folder: x, split: [0.8, 0.1, 0.2]}]", "found [0.8, 0.1, 0.2]"),
        ("[{folder: x, split: [a, 0.5, 0.5]}]", 'found ["a", 0.5, 0.5]'),
        ("[{folder: x, size: 28}]", "expected size to be [height, width], each from 1 to 1024; found 28"),
        ("[{folder: x, size: [0, 5000]}]", "found [0, 5000]"),
        ("[{folder: x, color: gray}]", 'expected color to be grey or rgb, found "gray"; did you mean grey?'),
        ("[{folder: x, content: 12ab}]", "expected content to be a SHA-256"),
        ("[{name: mnist}]", 'expected name to be small_imagenet, found "mnist"'),
        ("[{folder: a/x}, {folder: b/x}]", "two values are called x; give each a label: {LABEL: {dataset: ...}, ...}"),
        ("[{folder: x}, {folder: ./x}]", "the value x is there twice"),
    ],
)  # fmt: skip
def test_refused_data_sets(dataset, message):
    assert message in problems(dataset)
    assert problems(dataset).startswith("s.yaml:2: grid.dataset: ")


def test_a_folder_called_like_a_data_set_has_another_label():
    sweep = config.parse(f"{BASE}}}\ngrid: {{dataset: [mnist, {{folder: ./mnist}}]}}\n", "s.yaml")
    assert [choice.label for choice in sweep.grid["dataset"]] == ["mnist", "mnist/"]


def test_content_decides_the_run_id_and_the_place_does_not():
    def id_of(dataset):
        return run_id(Settings(dataset=dataset, activation="tanh", learning_rate=0.1, updates=1), "cpu")

    a, b = "a" * 64, "b" * 64
    here, there = LocalData(folder="/here", content=a), LocalData(folder="/there", content=a, about="9 images")
    assert id_of(here) == id_of(there)
    assert id_of(here) != id_of(LocalData(folder="/here", content=b))
    assert id_of(LocalData(name="small_imagenet", content=a)) != id_of(LocalData(name="small_imagenet", content=b))
    assert len({id_of(LocalData(folder="/here", size=size)) for size in ((3, 3), (4, 4))}) == 2
    assert id_of("small_imagenet") != id_of("mnist")


def test_dry_run_needs_no_data(sweep_file, glorot, tmp_path):
    found = glorot("run", sweep_file, "-n", "--data", "data")
    assert (found.returncode, len(found.stdout.splitlines())) == (0, 3)
    assert "data set photos is not built yet: `glorot run` does it first" in found.stderr
    assert "data set small_imagenet is not there" in found.stderr
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "results").exists()


def test_a_sweep_from_images_to_the_table(sweep_file, sources, glorot, tmp_path):
    flowers = f"flowers={sources / 'flowers'}"
    made = glorot("data", "build", "small-imagenet", "--from", sources / "tiny", "--class", flowers, "--data", "data")
    assert made.returncode == 0, made.stderr
    total = re.search(r"stand-in: (\d+) images", made.stdout)[1]
    assert "1 CMYK colours, which cannot be turned into grey without doubt (1/train/" in made.stderr
    assert "61 files of 1 WordNet ids belong to no class" in made.stderr
    listed = glorot("data", "list", "--data", "data").stdout
    assert re.search(r"small_imagenet +verified +data.small-imagenet", listed)

    ended = glorot("run", sweep_file, "-j1", "--data", "data")
    assert ended.returncode == 0, ended.stderr
    table = (tmp_path / "results" / "mine" / "table.md").read_text()
    assert re.search(r"\| Test error \(%\) +\| +photos \| +ImageNet \(stand-in\) \| +Shapeset \|", table)
    assert re.search(
        rf"- ImageNet \(stand-in\): {total} images \(\d+ of Tiny-ImageNet, \d+ of the folder flowers\); ", table
    )
    assert re.search(r"- photos: \d+ images in 3 classes, 6 x 6 grey; chance \d+\.\d %\n", table)
    assert re.search(r"- Examples tested: \d+, 30, 10,000\n", table)
    runs = store.Store(tmp_path / "results" / "mine").read_runs()
    assert [bool(re.search("SHA-256 [0-9a-f]{16}", text)) for text in runs["data"]] == [True, True, False]
    assert list(runs["status"]) == ["done"] * 3

    # A second run does nothing; a report needs no data, whichever way the sweep is named.
    assert "3 done, 0 to do" in glorot("run", sweep_file, "--data", "data").stderr
    assert "3 done, 0 to do" in glorot("run", sweep_file, "-n", "--data", "data").stderr
    shutil.move(tmp_path / "data", tmp_path / "away")
    shutil.move(tmp_path / "photos", tmp_path / "gone")
    for name in ("mine", sweep_file):
        assert glorot("report", name).stdout == table

    # Other images are other runs.
    shutil.move(tmp_path / "gone", tmp_path / "photos")
    shutil.move(tmp_path / "away", tmp_path / "data")
    for path in sorted((tmp_path / "photos" / "cat").iterdir())[:40]:
        path.unlink()
    write_images(tmp_path / "photos" / "cat", 60, 77, "PNG", size=12)
    assert "2 done, 1 to do" in glorot("run", sweep_file, "-n", "--data", "data").stderr
    assert "2 done, 1 to do" in glorot("run", sweep_file, "--data", "data").stderr


def test_a_run_whose_data_set_changed_since_is_refused(built, tmp_path):
    shutil.copytree(built[0], tmp_path / "data")
    pinned = loading.pinned("small_imagenet", tmp_path / "data")
    other = LocalData(name="small_imagenet", content="a" * 64)
    assert loading.pinned(other, tmp_path / "data") == other
    [(_, status)] = loading.verify(other, tmp_path / "data")
    assert status == f"wrong checksum: found {pinned.content}"
    with pytest.raises(DataError, match="expected SHA-256 aaaa"):
        loading.load(other, tmp_path / "data")


def test_report_of_a_sweep_in_which_every_column_is_a_stand_in():
    text = f"name: s\n{BASE}, dataset: small_imagenet}}\ngrid: {{seed: [0, 1], batch_size: [5, 10]}}\n"
    text += "table: {columns: batch_size}\n"
    pinned = LocalData(name="small_imagenet", content="a" * 64, about="rebuilt: 110,000 images of ImageNet")
    sweep = with_data(config.parse(text, "s.yaml"), lambda dataset: pinned)
    runs = expand(sweep)
    ended = {"status": "done", "updates_done": 30, "test_error": 60.0, "valid_error": 60.0}
    table = report.table({run.run_id: store.settings_of(run) | ended for run in runs}, sweep, runs)
    assert table.columns == ["batch size 5 (rebuilt)", "batch size 10 (rebuilt)"]
    assert (
        table.notes[0] == "ImageNet (rebuilt): 110,000 images of ImageNet; the paper's own data set was never published"
    )
    assert "Data set: ImageNet" in table.notes


def test_a_stored_sweep_gives_its_content_to_the_users(tmp_path):
    text = f"name: s\n{BASE}, dataset: small_imagenet}}\n"
    pinned = LocalData(name="small_imagenet", content="a" * 64, about="stand-in: 9 images")
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "sweep.yaml").write_text(written.dump(with_data(config.parse(text, "s.yaml"), lambda dataset: pinned)))
    assert stored_sweep(tmp_path).base["dataset"] == pinned
    assert stored_sweep(tmp_path, tmp_path / "mine.yaml").base["dataset"] == pinned
    assert stored_sweep(tmp_path / "empty", tmp_path / "mine.yaml").base["dataset"] == "small_imagenet"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--class", "flower=x"], "found 'flower'; did you mean flowers?"),
        (["--class", "flowers"], "expected CLASS=DIR"),
        ([], "expected images of all ten classes"),
    ],
)
def test_build_used_wrongly(arguments, message, glorot):
    found = glorot("data", "build", "small-imagenet", *arguments)
    assert found.returncode == 2
    assert message in found.stderr


# --- real images --------------------------------------------------------------------------------------


def test_real_images(tmp_path):
    real = Path(os.environ.get("GLOROT_DATA", "nowhere"))
    tree, flowers = real / "tiny-imagenet-subset" / "tiny-imagenet-200", real / "flowers-subset" / "flowers"
    if not tree.is_dir() or not flowers.is_dir():
        pytest.skip(
            "needs real images: set GLOROT_DATA to the folder that holds tiny-imagenet-subset and flowers-subset"
        )
    manifest = small_imagenet.build_into(tmp_path, [tree], [("flowers", flowers)])
    assert {name: one["usable"] for name, one in manifest["classes"].items()} == {
        "reptiles": 1000, "vehicles": 3000, "birds": 2000, "mammals": 3000, "fish": 500, "furniture": 1500,
        "instruments": 1000, "tools": 1000, "flowers": 1100, "fruits": 1994,
    }  # fmt: skip
    assert manifest["images"] == {"train": 3960, "valid": 440, "test": 440}
    assert manifest["about"] == "stand-in: 4,840 images (4,356 of Tiny-ImageNet, 484 of the folder flowers)"
    assert len(manifest["skipped"]) == 6  # fruits in two folders each
    dataset = loading.load("small_imagenet", tmp_path)
    assert 0.4 < dataset.examples.pixels.mean() / 255 < 0.5
    pixels = np.concatenate([part.pixels for part in (dataset.examples, dataset.valid, dataset.test)])
    assert len(np.unique(pixels, axis=0)) == len(pixels)
    ids = (tree / "wnids.txt").read_text().split()
    assert sum(one in wordnet.classes() for one in ids) == 60
