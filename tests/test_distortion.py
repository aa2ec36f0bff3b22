"""Augmentation and preprocessing: the naive twin, NumPy and scipy.ndimage, and who sees them."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import ndimage

from glorot.cli.main import cli
from glorot.datasets import Examples, FiniteDataset
from glorot.datasets.augmentation import Augmentation, Elastic, parsed
from glorot.datasets.distortion import deskewed, distorted, key_of
from glorot.datasets.local import LocalData, info
from glorot.datasets.prepared import augmented, preprocessed
from glorot.datasets.sheet import sheet
from glorot.errors import DataError, SweepError
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand, run_id
from glorot.sweeps.settings import Settings

SHAPE, N = (28, 24), 6
EVERYTHING = {
    "shift": 3,
    "rotation": 20,
    "scaling": 0.2,
    "shear": 0.3,
    "elastic": {"sigma": 3, "alpha": 20},
    "flip": True,
}


def blobs(shape=SHAPE, count=N):
    """Images of smooth ink that reaches the edge, (count, *shape) uint8."""
    noise = np.random.default_rng(8).uniform(-1, 1, (count, *shape))
    smooth = ndimage.gaussian_filter(noise, (0,) * (noise.ndim - 2) + (2, 2))
    return np.clip(128 + 128 * smooth / abs(smooth).max(), 0, 255).astype(np.uint8)


def changed(images, augmentation, background=0, seed=4, epochs=0, shape=SHAPE):
    indices = np.arange(len(images))
    flat = images.reshape(len(images), -1)
    return distorted(flat, shape, parsed(augmentation), seed, indices * 0 + epochs, indices, background).reshape(
        images.shape
    )


def stream_of(index, seed=4, epoch=0):
    return naive.splitmix(naive.splitmix(key_of(seed), epoch), index)


def close(new, wanted):
    """To the rounding to a byte."""
    assert abs(new - wanted).max() < 0.51


@pytest.mark.parametrize("background", [0, None])
def test_the_twin(background):
    images, elastic = blobs(), (3, 20)
    new = changed(images, EVERYTHING, background)
    given = {key: value for key, value in EVERYTHING.items() if key != "elastic"}
    for i in (0, N - 1):
        close(new[i], naive.distorted(images[i], stream_of(i), background, elastic, **given))


def test_flips_and_shifts_are_numpys():
    images = blobs()
    for i, new in enumerate(changed(images, {"shift": 2, "flip": True})):
        _, (tx, ty) = naive.backward_map(stream_of(i), shift=2)
        mirrored = naive.backward_map(stream_of(i), flip=True)[0][0, 0] < 0
        wide = np.pad(images[i][:, ::-1] if mirrored else images[i], 2)
        np.testing.assert_array_equal(new, wide[2 - int(ty) :, 2 - int(tx) :][: SHAPE[0], : SHAPE[1]])
    assert len({(changed(images, {"flip": True})[i] == images[i]).all() for i in range(N)}) == 2  # some, not all


@pytest.mark.parametrize(("background", "mode"), [(7, "grid-constant"), (None, "nearest")])
def test_the_rest_is_scipys(background, mode):
    """Affine maps are affine_transform's, elastic ones map_coordinates' with fields that gaussian_filter smoothed."""
    images = blobs()
    options = {"order": 1, "mode": mode, "cval": background or 0, "output": float}
    affine = {"rotation": 25, "scaling": 0.2, "shear": 0.2}
    rotated, elastic = (changed(images, one, background) for one in (affine, {"elastic": {"sigma": 4, "alpha": 34}}))
    for i in range(N):
        A = naive.backward_map(stream_of(i), **affine)[0][::-1, ::-1]  # scipy's first axis is y
        centre = (np.array(SHAPE) - 1) / 2
        close(rotated[i], ndimage.affine_transform(images[i].astype(float), A, centre - A @ centre, **options))
        words = np.array(
            [naive.splitmix(stream_of(i), 16 + place) for place in range(SHAPE[0] * SHAPE[1])], dtype=object
        )
        noise = [(part % 2**24).astype(float).reshape(SHAPE) / 2**23 - 1 for part in (words >> 40, words >> 8)]
        dx, dy = (34 * ndimage.gaussian_filter(field, 4, mode="constant", truncate=4) for field in noise)
        y, x = np.indices(SHAPE)
        close(elastic[i], ndimage.map_coordinates(images[i].astype(float), [y + dy, x + dx], **options))


def test_deskew():
    """A slanted bar stands upright, about its centre of mass; what is upright stays; an empty image too."""
    upright = np.zeros((40, 40))
    upright[8:32, 17:23] = 200
    slanted = ndimage.affine_transform(upright, [[1, 0], [-0.4, 1]], [0, 0.4 * 19.5], order=1).astype(np.uint8)
    images = np.stack([upright.astype(np.uint8), slanted, np.zeros((40, 40), np.uint8)])
    new = deskewed(images.reshape(3, -1), (40, 40), 0).reshape(images.shape)
    np.testing.assert_array_equal(new[::2], images[::2])
    y, x = np.indices((40, 40))

    def slant(image):
        ink = image / image.sum()
        my, mx = (ink * y).sum(), (ink * x).sum()
        return (ink * (x - mx) * (y - my)).sum() / (ink * (y - my) ** 2).sum(), mx

    assert abs(slant(slanted)[0]) > 0.35
    assert abs(slant(new[1])[0]) < 0.02
    assert slant(new[1])[1] == pytest.approx(slant(slanted)[1], abs=0.1)


def data_of(count=10):
    images = blobs((28, 28), count).reshape(count, -1)
    part = Examples(images, np.arange(count, dtype=np.uint8))
    return FiniteDataset("mnist", 10, part, part, part)


def test_training_examples_alone_are_distorted_by_seed_epoch_and_example():
    plain = data_of()
    ours = augmented(plain, parsed(EVERYTHING), info("mnist"))
    whole, order = ours.train(1, 0, 25), plain.order(1, 0, 25)
    parts = [ours.train(1, start, 5).pixels for start in range(0, 25, 5)]
    np.testing.assert_array_equal(whole.pixels, np.concatenate(parts))  # in any pieces
    np.testing.assert_array_equal(whole.labels, plain.train(1, 0, 25).labels)
    images = blobs((28, 28), 10).reshape(10, -1)
    for place in (3, 13, 24):
        one = np.array([order[place]])
        own = distorted(images[one], (28, 28), parsed(EVERYTHING), 1, np.array([place // 10]), one, 0)
        np.testing.assert_array_equal(whole.pixels[place], own[0])
    assert ours.test is plain.test
    first, second = (whole.pixels[[*order].index(4, start)] for start in (0, 10))
    assert (first != second).any()
    assert (ours.train(2, 0, 10).pixels != whole.pixels[:10]).any()


def test_colours_move_together_and_streams_without_end_are_distorted():
    grey = blobs((32, 32), 3)
    colour = np.stack([grey, 255 - grey, grey], axis=1)
    new = changed(colour, {"rotation": 30}, None, shape=(3, 32, 32))
    np.testing.assert_array_equal(new[:, 0], new[:, 2])
    np.testing.assert_array_equal(new[:, 0], changed(grey, {"rotation": 30}, None, shape=(32, 32)))
    from glorot.datasets.shapeset import Shapeset

    ours = augmented(preprocessed(Shapeset(), "deskew", info("shapeset")), parsed({"shift": 2}), info("shapeset"))
    np.testing.assert_array_equal(ours.train(0, 5, 3).pixels, ours.train(0, 0, 8).pixels[5:])


def test_the_field():
    fields = {"dataset": "mnist", "activation": "tanh", "learning_rate": 0.1, "updates": 5}
    plain, distorting = Settings(**fields), Settings(**fields, augmentation=EVERYTHING)
    assert distorting.augmentation == Augmentation(3, 20, 0.2, 0.3, Elastic(3, 20), True)
    assert str(distorting.augmentation) == "shift 3, rotation 20, scaling 0.2, shear 0.3, flip, elastic 20 with sigma 3"
    assert run_id(plain, "cpu") == run_id(Settings(**fields, augmentation={"shift": 0}, preprocessing="none"), "cpu")
    assert (
        run_id(plain, "cpu") != run_id(distorting, "cpu") != run_id(Settings(**fields, preprocessing="deskew"), "cpu")
    )
    text = "base: {dataset: mnist, activation: tanh, learning_rate: 1, updates: 2, augmentation: {flip: true}}\n"
    text += "grid: {preprocessing: [none, deskew]}"
    sweep = config.parse(text, "s.yaml")
    assert config.parse(written.dump(sweep), "s.yaml") == sweep


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (
            "{shft: 2}",
            'augmentation: unknown key "shft"; allowed: shift, rotation, scaling, shear, flip, elastic; did you',
        ),
        ("{shift: 1.5}", "augmentation: shift: expected a whole number from 0 to 1000, found 1.5"),
        ("{elastic: {sigma: 4}}", "elastic: expected sigma and alpha, found no alpha; e.g. {sigma: 4, alpha: 34}"),
        ("{flip: yes}", "augmentation: flip: expected true or false"),
        ("5", "expected augmentation as e.g. {shift: 2,"),
    ],
)
def test_refused(augmentation, message):
    text = f"base: {{dataset: mnist, activation: tanh, learning_rate: 1, updates: 2, augmentation: {augmentation}}}"
    with pytest.raises(SweepError) as error:
        expand(config.parse(text, "s.yaml"))
    assert message in str(error.value)


def test_examples_that_are_no_images_are_refused():
    text = "base: {dataset: boolean, activation: tanh, learning_rate: 1, updates: 2, augmentation: {shift: 2}}"
    with pytest.raises(
        SweepError, match=r"augmentation changes images of bytes, but the examples of boolean.* are none; remove"
    ):
        expand(config.parse(text, "s.yaml"))
    assert info(LocalData(folder="/x", color="rgb")).image_shape == (3, 32, 32)


# Seeing them. ---------------------------------------------------------------------------------------


def test_a_contact_sheet():
    """Originals in the order of training; below each what the first epochs see of it, pixel for pixel."""
    data, about = data_of(10), replace(info("mnist"), image_shape=(28, 28))
    plain = sheet(data, about, 5, columns=4)
    distorting = sheet(data, about, 5, parsed({"shift": 2}), seed=0, columns=4)
    assert distorting.shape == (5 * plain.shape[0], *plain.shape[1:])
    row, side = plain.shape[0] // 2, 2 * 28
    np.testing.assert_array_equal(distorting[:row], plain[:row])
    first = data.train(0, 0, 5).pixels
    np.testing.assert_array_equal(plain[:side:2, :side:2, 0], first[0].reshape(28, 28))
    seen = distorted(first, (28, 28), parsed({"shift": 2}), 0, np.full(5, 2), np.arange(5), 0)
    np.testing.assert_array_equal(distorting[3 * row :][:side:2, :side:2, 1], seen[0].reshape(28, 28))
    with pytest.raises(DataError, match="expected a data set of images, but the examples of MNIST are none"):
        sheet(data, replace(about, image_shape=(784,)), 5)


def test_data_show(tmp_path):
    picture = tmp_path / "s.png"
    told = CliRunner().invoke(cli, ["data", "show", "shapeset", "--picture", str(picture), "-n", "3"])
    assert (told.exit_code, told.output) == (0, f"{picture}\n")
    assert Image.open(picture).size == (16 * 66, 66)
    wrong = CliRunner().invoke(cli, ["data", "show", "shapeset", "--augmentation", "{shft: 3}"])
    assert "did you mean shift?" in str(wrong.exception)
