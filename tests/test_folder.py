"""A folder of images as a data set: which folders are classes and which are splits, what is used, and what is told."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from photos import write_images
from PIL import Image

from glorot.datasets import build, folder, loading
from glorot.datasets.images import Shape, read_image
from glorot.datasets.local import LocalData, info
from glorot.errors import DataError

SHAPE = Shape(6, 6)
BASE = "{activation: tanh, learning_rate: 0.1, updates: 20, depth: 1, width: 8, evaluate_every: 20"


class Told(list):
    """What was told, as text."""

    def __call__(self, line: str, went_wrong: bool) -> None:
        self.append(line)

    def __str__(self) -> str:
        return "\n".join(self)


def built(place: Path, told: Told | None = None, allow_skipped: bool = False, **settings):
    """The data set of a folder, as it was built, and as a sweep has it. Raises DataError."""
    local = LocalData(folder=str(place), size=SHAPE[:2], **settings)
    data = place.parent / "data"
    found = loading.pinned(local, data, True, tell=told if told is not None else Told(), allow_skipped=allow_skipped)
    return loading.load(found, data), found


def refusal(place: Path, **settings) -> str:
    with pytest.raises(DataError) as caught:
        built(place, **settings)
    return str(caught.value)


def images_of(place: Path) -> set[bytes]:
    return {read_image(path, SHAPE).pixels.tobytes() for path in place.rglob("*.png")}


def split_sizes(dataset) -> list[int]:
    return [len(part) for part in (dataset.examples, dataset.valid, dataset.test)]


def ready(place: Path, names: dict[str, int], classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A folder of folders with class folders, each with so many images."""
    for number, (name, count) in enumerate(names.items()):
        for label, one in enumerate(classes):
            write_images(place / name / one, count, 10 * number + label, "png", size=8)
    return place


# --- ready-made splits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("train", "valid", "test"), ("training", "validation", "testing"), ("Train", "VAL", "Test")]
)
def test_ready_made_splits_are_used_as_they_are(names, tmp_path):
    photos, told = ready(tmp_path / "photos", dict(zip(names, (20, 6, 4), strict=True))), Told()
    dataset, found = built(photos, told)
    assert dataset.n_classes == 2
    for name, part in zip(names, (dataset.examples, dataset.valid, dataset.test), strict=True):
        assert {row.tobytes() for row in part.pixels} == images_of(photos / name)
        for label, one in enumerate(("cat", "dog")):
            assert {row.tobytes() for row in part.pixels[part.labels == label]} == images_of(photos / name / one)
    assert str(found) == "photos"
    assert found.about == "60 images in 2 classes, 6 x 6 grey; chance 50.0 %"
    assert f"splits as they are: {names[0]}/ for training" in str(told)


@pytest.mark.parametrize(("other", "kept"), [("val", 1), ("test", 2)])
def test_a_split_that_is_not_there_comes_out_of_the_training_images_by_hash(other, kept, tmp_path):
    photos, told = ready(tmp_path / "photos", {"train": 60, other: 5}), Told()
    dataset, _ = built(photos, told)
    parts = [dataset.examples, dataset.valid, dataset.test]
    assert {row.tobytes() for row in parts.pop(kept).pixels} == images_of(photos / other)
    assert sum(map(len, parts)) == 120
    assert len(parts[1]) == pytest.approx(120 / 9, abs=9)
    assert "train/ split by the hash of each file: 89 % for training, 11 % for" in str(told)


def test_only_a_training_folder_is_split_by_hash(tmp_path):
    shutil.move(ready(tmp_path / "one", {"train": 40}), tmp_path / "photos")
    shutil.copytree(tmp_path / "photos" / "train", tmp_path / "bare")
    one, other = built(tmp_path / "photos")[1], built(tmp_path / "bare")[1]
    assert one.content == other.content


def test_nothing_is_tested_that_was_trained_on(tmp_path):
    photos = ready(tmp_path / "photos", {"train": 20, "valid": 5, "test": 5})
    for source, goal in (("train", "valid"), ("train", "test"), ("valid", "test")):
        path = sorted((photos / source / "cat").iterdir())[0]
        shutil.copy(path, photos / goal / "cat" / f"from {source}.png")
    told = Told()
    dataset, _ = built(photos, told, allow_skipped=True)
    parts = [{row.tobytes() for row in part.pixels} for part in (dataset.examples, dataset.valid, dataset.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    assert parts[2] == images_of(photos / "test")
    assert "the same image as another (train/cat/" in str(told)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/cat", "train/dog", "val/cat", "val/dog", "valid/cat", "valid/dog"],
         "expected one folder for validation, found val and valid"),
        (["val/cat", "val/dog", "test/cat", "test/dog"], "expected a folder train beside test and val"),
        (["train/cat", "train/dog", "test/cat", "test/owl"],
         "expected the classes of train in test too, found also owl"),
        (["train/cat", "train/dog", "test"], "expected class folders in test, as it is called like a split; found"),
        (["train", "test"], "expected class folders in t"),
        (["train/cat", "train/dog", "extra"], "found train, which are called like splits, beside extra"),
        (["photos/cat", "photos/dog"], "found 1; did you mean "),
        (["fold 1/cat", "fold 1/dog", "fold 2/cat", "fold 2/dog"], "found cat and dog in both fold 1 and fold 2: if"),
    ],
)  # fmt: skip
def test_layouts_that_could_be_meant_in_two_ways_are_refused(names, message, tmp_path):
    for seed, name in enumerate(names):
        write_images(tmp_path / "mine" / name, 5, seed, "png", size=8)
    assert message in refusal(tmp_path / "mine")


def test_a_class_of_trains_is_no_split(tmp_path):
    for seed, name in enumerate(("train", "bus", "plane")):
        write_images(tmp_path / "mine" / name, 40, seed, "png", size=8)
    assert built(tmp_path / "mine")[0].n_classes == 3


def test_a_split_asked_for_beside_ready_made_ones_is_refused(tmp_path):
    photos = ready(tmp_path / "photos", {"train": 20, "valid": 5, "test": 5})
    assert "expected no split, as the folder has splits of its own" in refusal(photos, split=(0.8, 0.1, 0.1))


# --- every usable image -------------------------------------------------------------------------------


def test_every_usable_image_is_in_exactly_one_split(tmp_path):
    counts = {"a": 220, "b": 60, "c": 31}
    for seed, (name, count) in enumerate(counts.items()):
        write_images(tmp_path / "mine" / name, count, seed, "png", size=8)
    told = Told()
    dataset, found = built(tmp_path / "mine", told)
    parts = [dataset.examples, dataset.valid, dataset.test]
    rows = [row.tobytes() for part in parts for row in part.pixels]
    assert len(rows) == len(set(rows)) == sum(counts.values())
    assert set(rows) == images_of(tmp_path / "mine")
    assert sum(np.bincount(part.labels, minlength=3) for part in parts).tolist() == list(counts.values())
    for path in (tmp_path / "mine").rglob("*.png"):
        image = read_image(path, SHAPE)
        part = parts[["train", "valid", "test"].index(build.split_of(image.digest))]
        assert image.pixels.tobytes() in {row.tobytes() for row in part.pixels}
    commonest = np.bincount(dataset.test.labels).max() / len(dataset.test)
    assert info(found).chance == pytest.approx(100 * (1 - commonest), abs=0.01)
    table = np.array([np.bincount(part.labels, minlength=3) for part in parts]).T
    for name, row in zip(counts, table, strict=True):
        assert re.search(rf"^  {name} +" + " +".join(map(str, row)) + " +0$", str(told), re.M)


def test_other_shares(tmp_path):
    for seed, name in enumerate(("a", "b")):
        write_images(tmp_path / "mine" / name, 100, seed, "png", size=8)
    usual, half = (split_sizes(built(tmp_path / "mine", split=split)[0]) for split in (None, (0.5, 0.25, 0.25)))
    assert built(tmp_path / "mine")[1].content == built(tmp_path / "mine", split=(0.8, 0.1, 0.1))[1].content
    assert sum(usual) == sum(half) == 200
    assert half == pytest.approx([100, 50, 50], abs=25)
    assert usual == pytest.approx([160, 20, 20], abs=16)


def test_classes_are_balanced_if_asked(tmp_path):
    for seed, (name, count) in enumerate({"a": 150, "b": 60}.items()):
        write_images(tmp_path / "mine" / name, count, seed, "png", size=8)
    told = Told()
    dataset, _ = built(tmp_path / "mine", told, balance=True)
    whole, _ = built(tmp_path / "mine")
    for balanced, part in zip(*([d.examples, d.valid, d.test] for d in (dataset, whole)), strict=True):
        assert np.bincount(balanced.labels).tolist() == [np.bincount(part.labels).min()] * 2
    assert re.search(r"^  \d+ usable images are left over, as the classes are balanced$", str(told), re.M)


def test_more_images_move_none(tmp_path):
    for seed, name in enumerate(("a", "b")):
        write_images(tmp_path / "mine" / name, 50, seed, "png", size=8)
    before, _ = built(tmp_path / "mine")
    for seed, name in enumerate(("a", "b")):
        write_images(tmp_path / "mine" / name, 90, seed, "png", size=8, start=50)
    after, _ = built(tmp_path / "mine")
    for part in ("examples", "valid", "test"):
        old, new = ({row.tobytes() for row in getattr(one, part).pixels} for one in (before, after))
        assert old < new


def test_a_test_set_of_one_class_is_refused(tmp_path):
    photos = ready(tmp_path / "photos", {"train": 20, "valid": 5, "test": 5})
    for path in (photos / "test" / "dog").iterdir():
        path.write_bytes(b"rubbish")
    assert "expected images of two classes or more for test, found 5 in one" in refusal(photos, balance=False)


# --- what is skipped ----------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path):
    """A folder of 80 images, with 20 files of no use and one image in no class."""
    for seed, name in enumerate(("cat", "dog")):
        write_images(tmp_path / "photos" / name, 40, seed, "png", size=8)
    for number in range(20):
        (tmp_path / "photos" / "dog" / f"z{number:02}.png").write_bytes(b"rubbish")
    write_images(tmp_path / "photos", 1, 3, "png", size=8)
    (tmp_path / "photos" / "README.txt").write_text("what the photos show")
    return tmp_path / "photos"


def test_more_than_a_tenth_skipped_must_be_allowed(damaged, tmp_path):
    message = refusal(damaged)
    assert "found 21 of 101 files (20.8 %)" in message
    assert "20 not an image of a known format (dog/z00.png, dog/z01.png, dog/z02.png, ...)" in message
    assert "1 in no class folder (3_0.png)" in message
    assert "--allow-skipped" in message
    assert refusal(damaged) == message  # it is built, and yet not used
    told = Told()
    _, found = built(damaged, told, allow_skipped=True)
    assert str(told) == ""  # nothing was read again
    assert built(damaged)[1] == found  # said once, it is known
    for path in sorted((damaged / "dog").glob("z*"))[5:]:
        path.unlink()
    built(damaged, told)
    assert re.search(r"^  dog .* 5$", str(told), re.M)
    assert "photos: 6 of 86 files (7.0 %) were skipped, all listed in " in str(told)


def test_the_manifest_has_each_class_and_reason(damaged, tmp_path):
    built(damaged, allow_skipped=True)
    manifest = folder.found(LocalData(folder=str(damaged), size=SHAPE[:2]), tmp_path / "data")
    assert manifest["classes"]["dog"]["skipped"] == {"not an image of a known format": 20}
    assert "skipped" not in manifest["classes"]["cat"]
    assert manifest["files"] == 101
    assert {"file": "dog/z07.png", "reason": "not an image of a known format"} in manifest["skipped"]
    assert {"file": "3_0.png", "reason": "in no class folder"} in manifest["skipped"]


def test_images_of_16_bits_are_used(tmp_path):
    """400 of 520 images were lost without a word."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.integers(0, 65_536, (9, 9), np.uint16)
            Image.fromarray(pixels).save(tmp_path / "mine" / name / f"{number}.png")
    dataset, _ = built(tmp_path / "mine")
    assert sum(split_sizes(dataset)) == 120
    assert 120 < dataset.examples.pixels.mean() < 135


# --- through processes --------------------------------------------------------------------------------


def test_a_run_tells_what_it_learns_from(damaged, glorot, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"name: mine\nbase: {BASE}, dataset: {{folder: photos, size: [6, 6]}}}}\n")
    found = glorot("run", "mine.yaml")
    assert (found.returncode, found.stdout) == (2, "")
    assert "found 21 of 101 files (20.8 %): 20 not an image of a known format (dog/z00.png" in found.stderr
    assert not (tmp_path / "results").exists()
    shutil.rmtree(damaged)
    ready(damaged, {"train": 20, "val": 6, "test": 5})
    (damaged / "train" / "cat" / "z.png").write_bytes(b"rubbish")
    found = glorot("run", "mine.yaml", "-q")
    assert found.returncode == 0
    assert "photos: 1 of 63 files (1.6 %) were skipped" in found.stderr
    os.utime(damaged / "train" / "cat" / "z.png")  # another state: it is built again, with the same content
    found = glorot("run", "mine.yaml")
    assert "photos: 62 images in 2 classes, 6 x 6 grey; chance 50.0 %; splits as they are: train/ for " in found.stderr
    assert re.search(r"^  cat +20 +6 +5 +1\n  dog +20 +6 +5 +0\n  in all +40 +12 +10 +1$", found.stderr, re.M)
    assert "1 done, 0 to do" in found.stderr
    assert "- photos: 62 images in 2 classes, 6 x 6 grey; chance 50.0 %" in found.stdout


@pytest.mark.slow
def test_labels_of_any_language_swapped_files_and_a_cache_that_is_no_folder(tmp_path, glorot, environment):
    """As a user meets them. Joiners and spaces that do not break are in paths, classes and methods."""
    place = tmp_path / "\u0646\u0645\u0627\u06cc\u0647\u200c\u0647\u0627\u00a01"
    for number, label in enumerate(("\u06af\u0631\u0628\u0647\u200c\u0647\u0627", "l'\u00e9l\u00e9phant\u00a0gris")):
        write_images(place / label, 30, number, "png", size=8)
    one, other = (next((place / label).iterdir()) for label in os.listdir(place))
    size = max(path.stat().st_size for path in (one, other))
    for path in (one, other):  # bytes behind the end of an image change nothing in it
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
        os.utime(path, (1, 1))
    label = "tangente\u00a0N\u200c"
    text = f"base: {BASE}, dataset: {{folder: '{place.name}', size: [6, 6]}}}}\n"
    text += f"grid: {{method: {{'{label}': {{seed: 1}}}}}}\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "no-cache").touch()
    found = glorot("run", "mine.yaml", GLOROT_CACHE=str(tmp_path / "no-cache"))
    assert found.returncode == 0, found.stderr
    assert f"note: cannot write {tmp_path / 'no-cache' / 'folders'}" in found.stderr
    assert "; trying " in found.stderr
    assert f"| {label}" in found.stdout
    assert "1 done, 0 to do" in glorot("run", "mine.yaml").stderr
    one.rename(tmp_path / "third")
    other.rename(one)
    (tmp_path / "third").rename(other)
    assert {path.stat().st_mtime for path in (one, other)} == {1}
    assert "0 done, 1 to do" in glorot("run", "mine.yaml", "-n").stderr


def test_results_that_are_moved_or_reached_by_a_link(tmp_path, glorot):
    """`run`, `status` and `report` say the same of them, also by the sweep file."""
    ready(tmp_path / "photos", {"train": 20, "valid": 6, "test": 6})
    (tmp_path / "tiny.yaml").write_text(f"base: {BASE}, dataset: {{folder: photos, size: [6, 6]}}}}\n")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere" / "deep")
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    shutil.copytree(tmp_path / "elsewhere" / "deep", tmp_path / "moved")
    (tmp_path / "moved" / "tiny").rename(tmp_path / "moved" / "renamed")
    shutil.copytree(tmp_path / "moved" / "renamed", tmp_path / "copied" / "tiny")
    for output in ("results", "elsewhere/deep", "copied"):
        assert "1 run: 1 done" in glorot("status", "tiny.yaml", "-o", output).stdout
        assert "| Tanh" in glorot("report", "tiny.yaml", "-o", output).stdout
        assert "1 done, 0 to do" in glorot("run", "tiny.yaml", "-n", "-o", output).stderr
    assert "renamed: 1 run: 1 done" in glorot("status", "moved/renamed").stdout
    assert "| Tanh" in glorot("report", "moved/renamed").stdout


def test_files_that_changed_places_are_noticed(tmp_path):
    """By mv, of equal sizes and times: the data are others, although no file looks new."""
    place = tmp_path / "photos"
    for label in ("cat", "dog"):
        write_images(place / label, 40, len(label) + ord(label[0]), "png", size=8)
    one, other = sorted((place / "cat").iterdir())[0], sorted((place / "dog").iterdir())[0]
    size = max(path.stat().st_size for path in (one, other))
    for path in (one, other):  # bytes behind the end of an image change nothing in it
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
        os.utime(path, (1, 1))
    _, before = built(place)
    one.rename(tmp_path / "third")
    other.rename(one)
    (tmp_path / "third").rename(other)
    assert {path.stat().st_mtime for path in (one, other)} == {1}
    _, after = built(place)
    assert after.content != before.content


def test_any_language_and_a_cache_that_is_no_folder(tmp_path, monkeypatch):
    """Joiners, spaces that do not break; where the cache cannot be written, the data folder is tried, with a word."""
    place = tmp_path / "\u0646\u0645\u0627\u06cc\u0647\u200c\u0647\u0627\u00a01"
    for number, label in enumerate(("\u06af\u0631\u0628\u0647\u200c\u0647\u0627", "l'\u00e9l\u00e9phant\u00a0gris")):
        write_images(place / label, 40, number, "png", size=8)
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLOROT_CACHE", str(tmp_path / "file"))
    told = Told()
    dataset, _ = built(place, told)
    assert sum(split_sizes(dataset)) == 80
    assert f"trying {tmp_path / 'data' / 'folders'}" in str(told)
    assert not list(place.glob("*.npz"))
