"""The real MNIST and CIFAR-10, where the folder that holds them is named."""

import os

import numpy as np
import pytest

from glorot.datasets import catalogue, loading

pytestmark = pytest.mark.skipif(
    not os.environ.get("GLOROT_DATA"), reason="needs real data: set GLOROT_DATA to the folder that holds it"
)

SIZES = {
    "mnist": (784, [50_000, 10_000, 10_000]),
    "fashion_mnist": (784, [50_000, 10_000, 10_000]),
    "cifar10": (3072, [40_000, 10_000, 10_000]),
}

# Of the publishers' archives: digits are not equally frequent, the photographs are by design.
LABELS_OF_TRAIN_AND_VALID = {
    "mnist": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "fashion_mnist": [6000] * 10,
    "cifar10": [5000] * 10,
}
LABELS_OF_TEST = {
    "mnist": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    "fashion_mnist": [1000] * 10,
    "cifar10": [1000] * 10,
}
# The mean of pixels / 255 over training and validation, known from many a normalisation constant.
MEAN = {"mnist": 0.1307, "fashion_mnist": 0.2860, "cifar10": 0.4734}


@pytest.fixture(scope="module", params=list(SIZES))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def dataset(name):
    folder = loading.data_folder()
    if loading.missing_files(name, folder):
        pytest.skip(f"{name} is not in {folder}")
    return loading.load(name, folder)


def test_sizes(name, dataset):
    n_inputs, counts = SIZES[name]
    parts = [dataset.examples, dataset.valid, dataset.test]
    assert dataset.n_inputs == n_inputs == np.prod(catalogue.DATASETS[name].image_shape)
    assert [part.pixels.shape for part in parts] == [(count, n_inputs) for count in counts]
    assert [part.labels.shape for part in parts] == [(count,) for count in counts]


def test_labels(name, dataset):
    both = np.concatenate([dataset.examples.labels, dataset.valid.labels])
    np.testing.assert_array_equal(np.bincount(both), LABELS_OF_TRAIN_AND_VALID[name])
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), LABELS_OF_TEST[name])
    assert np.bincount(dataset.valid.labels).min() > 900
    commonest = np.bincount(dataset.test.labels).max() / len(dataset.test)
    assert catalogue.DATASETS[name].chance == pytest.approx(100 * (1 - commonest))


def test_pixels(name, dataset):
    total = dataset.examples.pixels.sum(dtype=np.int64) + dataset.valid.pixels.sum(dtype=np.int64)
    count = dataset.examples.pixels.size + dataset.valid.pixels.size
    assert total / count / 255 == pytest.approx(MEAN[name], abs=1e-4)


def test_stream_of_a_few_updates(dataset):
    part = dataset.train(seed=0, start=len(dataset.examples) - 5, count=10)
    assert part.pixels.shape == (10, dataset.n_inputs)
    assert part.labels.max() < dataset.n_classes


def test_checksums(name, dataset):
    assert {status for _, status in loading.verify(name, loading.data_folder())} == {"verified"}
