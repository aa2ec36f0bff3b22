"""Image files to pixels, splits and files: exact averages, what is skipped, and what never changes."""

import hashlib
import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from glorot.datasets import build, images, manifest
from glorot.datasets.build import Candidate, equally, everything, proportionally
from glorot.datasets.images import Shape, Unusable, averaged, centre, read_image, read_images
from glorot.datasets.layout import files_below
from glorot.datasets.manifest import packed
from glorot.errors import DataError
from glorot.printable import printable

GREY = Shape(6, 6)


def noise(seed: int, size: tuple[int, int] = (20, 16), planes: int = 3) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], planes), np.uint8)
    return Image.fromarray(pixels if planes == 3 else pixels[:, :, 0])


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


# --- one image ----------------------------------------------------------------------------------------


def naive_average(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Exact fractions, pixel by pixel."""
    h, w = plane.shape
    result = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            top, bottom = Fraction(y * h, height), Fraction((y + 1) * h, height)
            left, right = Fraction(x * w, width), Fraction((x + 1) * w, width)
            total = Fraction(0)
            for i in range(int(top), -int(-bottom // 1)):
                for j in range(int(left), -int(-right // 1)):
                    area = (min(bottom, i + 1) - max(top, i)) * (min(right, j + 1) - max(left, j))
                    total += area * int(plane[i, j])
            result[y, x] = int(total / ((bottom - top) * (right - left)) + Fraction(1, 2))
    return result


@given(
    h=st.integers(1, 12), w=st.integers(1, 12), height=st.integers(1, 8), width=st.integers(1, 8), seed=st.integers(0)
)
def test_average_is_exact(h, w, height, width, seed):
    plane = np.random.default_rng(seed).integers(0, 256, (h, w), np.uint8)
    np.testing.assert_array_equal(averaged(plane, height, width), naive_average(plane, height, width))


def test_average_of_whole_blocks_and_of_a_flat_image():
    plane = np.random.default_rng(0).integers(0, 256, (37 * 5, 37 * 3), np.uint8)
    blocks = plane.reshape(37, 5, 37, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(averaged(plane, 37, 37), np.floor(blocks + 0.5))
    assert (averaged(np.full((70_000, 3), 255, np.uint8), 4, 4) == 255).all()  # beyond what float32 could add


@pytest.mark.parametrize(
    ("size", "target", "box"),
    [
        ((500, 375), (37, 37), (62, 0, 437, 375)),
        ((375, 500), (37, 37), (0, 62, 375, 437)),
        ((9, 9), (3, 3), (0, 0, 9, 9)),
        ((100, 100), (10, 20), (0, 25, 100, 75)),
        ((100, 20), (20, 10), (45, 0, 55, 20)),
        ((1, 1000), (1, 50), (0, 499, 1, 500)),
    ],
)
def test_centre(size, target, box):
    assert centre(*size, *target) == box


def test_grey_is_rec_601_and_the_centre_square(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(noise(0)))
    rgb = np.asarray(noise(0)).astype(float)[:, 2:18]
    luma = rgb @ [0.299, 0.587, 0.114]
    expected = luma.reshape(4, 4, 4, 4).mean(axis=(1, 3))
    found = read_image(tmp_path / "a.png", Shape(4, 4)).pixels.reshape(4, 4)
    np.testing.assert_allclose(found, expected, atol=1.01)  # Pillow rounds the luma of each pixel first


def test_planes_are_red_green_blue(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(noise(1, (8, 8))))
    found = read_image(tmp_path / "a.png", Shape(8, 8, "rgb")).pixels.reshape(3, 8, 8)
    np.testing.assert_array_equal(found, np.asarray(noise(1, (8, 8))).transpose(2, 0, 1))


def test_grey_of_a_jpeg_is_its_own_luma(tmp_path):
    grey = noise(2, (48, 48), 1).resize((96, 96))
    (tmp_path / "grey.jpg").write_bytes(encoded(grey, "JPEG", quality=95))
    (tmp_path / "rgb.jpg").write_bytes(encoded(grey.convert("RGB"), "JPEG", quality=95, subsampling=0))
    first, second = (read_image(tmp_path / name, Shape(12, 12)).pixels for name in ("grey.jpg", "rgb.jpg"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("shape", [Shape(4, 4), Shape(6, 4, "rgb")], ids=str)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_laid_upright(orientation, shape, tmp_path):
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    picture = noise(orientation, (24, 24))
    (tmp_path / "turned.png").write_bytes(encoded(picture, exif=exif))
    with Image.open(tmp_path / "turned.png") as turned:
        (tmp_path / "upright.png").write_bytes(encoded(ImageOps.exif_transpose(turned)))
    found, expected = (read_image(tmp_path / f"{name}.png", shape).pixels for name in ("turned", "upright"))
    np.testing.assert_array_equal(found, expected)


def test_transparency_is_laid_on_white(tmp_path):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(encoded(picture))
    (tmp_path / "b.png").write_bytes(encoded(Image.new("L", (8, 8), 7), transparency=7))
    assert all((read_image(tmp_path / name, GREY).pixels == 255).all() for name in ("a.png", "b.png"))


def header_of(width: int, height: int) -> bytes:
    """A PNG whose header promises this size, with next to nothing behind it."""
    whole = bytearray(encoded(Image.new("L", (1, 1))))
    whole[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return bytes(whole)


JPEG = encoded(noise(3, (200, 200)), "JPEG")
FRAMES = [noise(seed, (9, 9)) for seed in range(3)]
BROKEN = {
    "empty": (b"", "empty"),
    "text": (b"not an image", "not an image of a known format"),
    "cut jpeg": (JPEG[: len(JPEG) // 2], "truncated"),
    "only a jpeg's beginning": (JPEG[:200], "."),
    "cut png": (encoded(noise(3))[:200], "truncated"),
    "damaged png": (encoded(noise(3))[:60] + b"\0" * 40 + encoded(noise(3))[100:], "."),
    "CMYK": (encoded(noise(4).convert("CMYK"), "JPEG"), "CMYK"),
    "animated gif": (encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "animated"),
    "animated png": (encoded(FRAMES[0], save_all=True, append_images=FRAMES[1:]), "animated"),
    "animated webp": (encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "animated"),
    "pages": (encoded(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "several pages"),
    "bomb": (header_of(50_000, 40_000), "more than 50,000,000 pixels"),
    "smaller bomb": (header_of(8_000, 8_000), "more than 50,000,000 pixels: 8000 x 8000"),
    "32 bits": (
        encoded(Image.fromarray(np.zeros((5, 5), np.int32)), "TIFF"),
        "I colours, which cannot be turned into grey",
    ),
    "fractions": (
        encoded(Image.fromarray(np.zeros((5, 5), np.float32)), "TIFF"),
        "F colours, which cannot be turned into grey",
    ),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a known format"),
}


@pytest.mark.parametrize(("data", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_used_says_why(data, reason, tmp_path):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(Unusable, match=reason):
        read_image(tmp_path / "a.jpg", GREY)


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    found = read_images([tmp_path / name for name in ("pipe", "nowhere", "circle")], GREY)
    (tmp_path / "folder").symlink_to(tmp_path)
    assert found[:2] == ["not a regular file", "cannot be read: No such file or directory"]
    assert isinstance(found[2], str)
    assert read_images([tmp_path / "folder"], GREY) == ["a link to a folder, which is not followed"]


@given(st.data())
def test_no_bytes_are_fatal(data):
    whole = data.draw(st.sampled_from([JPEG[:3000], *(kind[0] for kind in BROKEN.values() if len(kind[0]) < 4000)]))
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 8)))
    mutated = whole[:start] + data.draw(st.binary(max_size=8)) + whole[stop:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "_bytes_of", lambda path: mutated)
        [found] = read_images([Path("mutated")], GREY)
    assert found.isprintable() if isinstance(found, str) else found.pixels.shape == (36,)


def test_processes_give_the_same_as_none(tmp_path, monkeypatch):
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(encoded(noise(number)) if number % 7 else b"rubbish")
    paths = sorted(tmp_path.iterdir())
    alone = read_images(paths, GREY)
    monkeypatch.setattr(images, "ALONE", 0)
    monkeypatch.setattr(images, "CHUNK", 7)
    monkeypatch.setattr(images, "cores", lambda: 2)
    counts: list[int] = []
    together = read_images(paths, GREY, counts.append)
    assert sum(counts) == 40
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, str):
            assert one == other
        else:
            assert one.digest == other.digest
            np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_decoder_that_crashes_costs_one_image(tmp_path):
    """In a program of its own, whose processes read a module that kills them over one file."""
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(encoded(noise(number)))
    (tmp_path / "sitecustomize.py").write_text(
        "import os, glorot.datasets.images as images\n"
        "def read(path, shape, original=images.read_image):\n"
        "    if path.name == '3.png':\n"
        "        os._exit(11)\n"
        "    return original(path, shape)\n"
        "images.read_image = read\n"
    )
    program = tmp_path / "program.py"
    program.write_text(
        "from pathlib import Path\n"
        "from glorot.datasets import images\n"
        "if __name__ == '__main__':\n"
        "    images.ALONE, images.CHUNK, images.cores = 0, 2, lambda: 2\n"
        f"    paths = [Path({str(tmp_path)!r}) / f'{{n}}.png' for n in range(6)]\n"
        "    print([one if isinstance(one, str) else '' for one in images.read_images(paths, images.Shape(4, 4))])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment, check=True, timeout=120
    )
    assert found.stdout.strip() == str(["", "", "", "its decoder crashed", "", ""])


# --- splits -------------------------------------------------------------------------------------------


def candidates(folder: Path, counts: dict[str, int], start: int = 0) -> list[Candidate]:
    """So many images of noise for each class, written as files."""
    found = []
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(start, start + count):
            path = folder / name / f"{number}.png"
            if not path.exists():
                path.write_bytes(encoded(noise(1000 * label + number, (8, 8))))
            found.append(Candidate(path, f"{name}/{number}.png", label))
    return found


def test_shares_of_the_splits():
    splits = [build.split_of(hashlib.sha256(str(n).encode()).digest()) for n in range(20_000)]
    assert [splits.count(split) / 20_000 for split in ("train", "valid", "test")] == pytest.approx(
        [0.8, 0.1, 0.1], abs=0.01
    )
    edges = [int(2**64 * tenth / 10).to_bytes(8, "big") + bytes(24) for tenth in (0, 0.9, 1.1, 1.9, 2.1)]
    assert [build.split_of(edge) for edge in edges] == ["test", "test", "valid", "valid", "train"]
    assert build.split_of(b"\xff" * 32) == "train"


def test_build_is_balanced_and_each_image_where_its_hash_says(tmp_path):
    names = ["a", "b", "c"]
    built = build.build(candidates(tmp_path, {"a": 150, "b": 120, "c": 200}), names, GREY, proportionally())
    k = len(built.splits["test"]) // 3
    assert k >= 5
    for split, share in build.PROPORTIONS.items():
        part = built.splits[split]
        assert part.pixels.shape == (3 * share * k, 36)
        np.testing.assert_array_equal(np.bincount(part.labels), [share * k] * 3)
        for shown, pixels, label in zip(built.chosen[split], part.pixels, part.labels, strict=True):
            image = read_image(tmp_path / shown, GREY)
            assert build.split_of(image.digest) == split
            assert shown[0] == names[label]
            np.testing.assert_array_equal(image.pixels, pixels)
    assert built.usable == [150, 120, 200]
    assert not built.skipped
    # The largest k: of some class and split, all images are used.
    splits = [(label, build.split_of(read_image(one.path, GREY).digest)) for label, one in
              ((one.label, one) for one in candidates(tmp_path, {"a": 150, "b": 120, "c": 200}))]  # fmt: skip
    assert k == min(splits.count((label, s)) // share for label in range(3) for s, share in build.PROPORTIONS.items())


@pytest.mark.parametrize("take", [proportionally(), everything, equally], ids=["proportionally", "all", "equally"])
def test_a_larger_source_moves_no_image(take, tmp_path):
    small = build.build(candidates(tmp_path, {"a": 80, "b": 90}), ["a", "b"], GREY, take)
    large = build.build(candidates(tmp_path, {"a": 200, "b": 300}), ["a", "b"], GREY, take)
    before, after = ({shown: split for split, files in one.chosen.items() for shown in files} for one in (small, large))
    assert len(after) > len(before)
    assert len(before.keys() & after.keys()) > len(before) / 2
    assert all(after[shown] == split for shown, split in before.items() if shown in after)


def test_order_and_names_of_the_files_do_not_matter(tmp_path):
    listed = candidates(tmp_path, {"a": 80, "b": 80})
    again = [Candidate(one.path, f"other/{one.shown}", one.label) for one in reversed(listed)]
    first, second = (packed(build.build(one, ["a", "b"], GREY, everything).splits) for one in (listed, again))
    assert first == second


def test_the_largest_size_can_be_limited(tmp_path):
    built = build.build(candidates(tmp_path, {"a": 80, "b": 80}), ["a", "b"], GREY, proportionally(most=2))
    assert [len(built.splits[split]) for split in ("train", "valid", "test")] == [36, 4, 4]


def test_equal_images_count_once_and_never_in_two_classes(tmp_path):
    listed = candidates(tmp_path, {"a": 60, "b": 60})
    copies = []
    for number in range(60):  # the same bytes, or only the same pixels
        path = tmp_path / "a" / f"copy {number}.png"
        data = (tmp_path / "a" / f"{number}.png").read_bytes()
        path.write_bytes(data if number % 2 else encoded(noise(number, (8, 8)), "BMP"))
        copies.append(Candidate(path, f"a/copy {number}.png", 0))
    both = tmp_path / "b" / "both.png"
    both.write_bytes((tmp_path / "a" / "7.png").read_bytes())
    built = build.build([*listed, *copies, Candidate(both, "b/both.png", 1)], ["a", "b"], GREY, everything)
    assert built.usable == [59, 60]
    assert {kind: len(files) for kind, files in build.by_kind(built.skipped).items()} == {
        "the same image as another": 59, "the same image in several classes": 3,
    }  # fmt: skip
    both_classes = "the same image in several classes: a and b"
    assert {one.file for one in built.skipped if one.reason == both_classes} == {
        "a/7.png", "a/copy 7.png", "b/both.png",
    }  # fmt: skip
    pixels = np.concatenate([part.pixels for part in built.splits.values()])
    assert len(np.unique(pixels, axis=0)) == len(pixels)


def test_too_few_images_are_refused(tmp_path):
    listed = candidates(tmp_path, {"a": 60, "b": 3})
    (tmp_path / "b" / "x.png").write_bytes(b"rubbish")
    with pytest.raises(
        DataError, match=r"class b: expected about 40 images.*found 3.*1 file was skipped: b/x.png: not an image of"
    ):
        build.build([*listed, Candidate(tmp_path / "b" / "x.png", "b/x.png", 1)], ["a", "b"], GREY, proportionally())


# --- files --------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    built = build.build(candidates(tmp_path / "images", {"a": 60, "b": 60}), ["a", "b"], GREY, everything)
    path = tmp_path / "data.npz"
    data = packed(built.splits)
    manifest.write(path, data)
    return path, data, hashlib.sha256(data).hexdigest(), built


def test_a_data_file_reads_back(stored):
    path, data, content, built = stored
    assert path.read_bytes() == data
    dataset = manifest.load(path, content, "mine", "build it again")
    assert (dataset.name, dataset.n_classes, dataset.n_inputs) == ("mine", 2, 36)
    for found, split in ((dataset.examples, "train"), (dataset.valid, "valid"), (dataset.test, "test")):
        for array, expected in zip(vars(found).values(), vars(built.splits[split]).values(), strict=True):
            np.testing.assert_array_equal(array, expected)
            assert array.dtype == np.uint8
            assert array.flags.c_contiguous
            assert array.flags.writeable


def test_a_data_file_with_other_bytes_is_refused(stored):
    path, data, content, _ = stored
    path.write_bytes(data[:-1] + b"\1")
    with pytest.raises(DataError, match=f"expected SHA-256 {content}.*build it again"):
        manifest.load(path, content, "mine", "build it again")
    path.write_bytes(b"PK rubbish")
    with pytest.raises(DataError, match="build it again"):
        manifest.load(path, hashlib.sha256(b"PK rubbish").hexdigest(), "mine", "build it again")


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "data.npz").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(DataError, match="No space left"):
        manifest.write(tmp_path / "data.npz", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]
    assert (tmp_path / "data.npz").read_bytes() == b"old"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 0}', '{"format": 1, "sha256": 3, "about": ""}', "[" * 10**5, "\xff"]
)
def test_a_manifest_that_is_none_counts_as_missing(text, tmp_path):
    (tmp_path / "m.json").write_bytes(text.encode("latin-1"))
    assert manifest.read_manifest(tmp_path / "m.json") is None


def test_files_below_a_folder(tmp_path):
    odd = os.fsdecode(b"\xff odd\n.png")
    for name in ("b/2.png", "b/1.png", ".hidden/x", "b/.DS_Store", "a.png", odd):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "circle").symlink_to(tmp_path)
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    found = [printable(path.relative_to(tmp_path).as_posix()) for path in files_below(tmp_path)]
    assert found == ["a.png", "b/1.png", "b/2.png", "b/circle", "link.png", "\\xff odd\\n.png"]
