"""Shapeset against its oracle, against the paper's rules, and against its own former bits."""

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor

import naive_shapeset as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from glorot.compiled.cache import jit
from glorot.datasets import draws, fixed_point, shapes
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.fixed_point import ONE
from glorot.datasets.shapeset import CLASS_NAMES, Shapeset, generate, stream_key

# Compiled, as they are inside of draw_images.
word, draw = jit(draws.word), jit(draws.draw)
times, sine_cosine, two_to_minus = map(jit, (fixed_point.times, fixed_point.sine_cosine, fixed_point.two_to_minus))
draw_scene, draw_scales, deform, overlaps = map(
    jit, (shapes.draw_scene, shapes.draw_scales, shapes.deform, shapes.overlaps)
)

KEY = stream_key("train", 0)

# The first 1,000 test images. Computed by
#   python -c "import hashlib; from glorot.datasets.shapeset import Shapeset; e = Shapeset().test.first(1000);
#              print(hashlib.sha256(e.pixels.tobytes() + e.labels.tobytes()).hexdigest())"
# Another value means other images: old results no longer compare, so raise the version in the registry
# (the first number here) with it.
GOLDEN = (2, "76fd5a290ca8758062d3520a7a84a0ee3a33bd7f007cf31424e9e21536138ba7")

# An image of stream KEY whose second shape is rejected 50 times: 6 of its first 3,000,000 are such.
UNPLACEABLE = 132_122


@pytest.fixture(scope="module")
def data():
    return Shapeset()


@pytest.fixture(scope="module")
def stream():
    """The first 60,000 training images of seed 0."""
    return generate(KEY, 0, 60_000)


def drawn_scene(key, index, size=32):
    """What the kernel decides on: the kinds, the centres and for each shape its corners, relative."""
    kinds, centres = np.zeros(2, np.int64), np.zeros((2, 2), np.int64)
    corners = np.zeros((2, shapes.MAX_SIDES, 2), np.int64)
    stream = np.uint64(word(np.uint64(key), index))
    count = draw_scene(stream, size, kinds, centres, corners)
    return kinds[:count], centres, [corners[s, : shapes.SIDES[kinds[s]]] for s in range(count)]


def words(streams, address):
    """draws.word for an array of streams."""
    z = streams + np.array([address + 1], np.uint64) * draws.GAMMA
    z = (z ^ (z >> np.uint64(30))) * draws.MIX_1
    z = (z ^ (z >> np.uint64(27))) * draws.MIX_2
    return z ^ (z >> np.uint64(31))


def wanted_labels(key, count):
    """The labels the first `count` images would have if every second shape found a place."""
    streams = np.array([naive.word(key, i) for i in range(count)], np.uint64)

    def draws(address, n):
        return (((words(streams, address) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)).astype(int)

    first, second = draws(4, 3), draws(8, 3)
    pair = np.array([[6, 3, 5], [3, 7, 4], [5, 4, 8]])
    return np.where(draws(2, 2) == 0, first, pair[first, second])


# Against the oracle


def test_labels_equal_the_oracles():
    assert [*generate(KEY, 0, 1000).labels] == [naive.scene(KEY, i).label for i in range(1000)]


def test_corners_equal_the_oracles():
    for i in range(200):
        kinds, centres, corners = drawn_scene(KEY, i)
        for shape, kind, centre, own in zip(naive.scene(KEY, i).shapes, kinds, centres, corners, strict=False):
            assert shape.name == CLASS_NAMES[kind]
            absolute = np.array(shape.corners) + shape.centre
            np.testing.assert_allclose((own + centre) * (32 / ONE), absolute, atol=1e-6)


def test_a_second_shape_without_a_place_is_left_out():
    scene = naive.scene(KEY, UNPLACEABLE)
    assert scene.rejections == shapes.MAX_REJECTIONS
    image = generate(KEY, UNPLACEABLE, 1)
    np.testing.assert_array_equal(image.pixels[0].reshape(32, 32), naive.image(scene))
    assert CLASS_NAMES[image.labels[0]] == scene.shapes[0].name
    assert len(np.unique(image.pixels)) == 2


# The rules


def test_greys(data):
    """Rule 1: ground and shapes on different sides, all values of both ranges, polarities alike often."""
    pixels = data.test.pixels
    ground = pixels[:, 0]
    is_light = pixels >= 140
    assert ((pixels <= 114) | is_light).all()
    shape = is_light != is_light[:, :1]
    assert shape.any(axis=1).all()
    assert (np.where(shape, ground[:, None], pixels) == ground[:, None]).all()
    assert [*np.unique(ground)] == [*range(115), *range(140, 256)]
    assert stats.binomtest(int(is_light[:, 0].sum()), len(ground)).pvalue > 0.001
    dark_grounds = np.bincount(ground[ground < 115], minlength=115)
    assert stats.chisquare(dark_grounds).pvalue > 0.001
    light_grounds = np.bincount(ground[ground >= 140] - 140, minlength=116)
    assert stats.chisquare(light_grounds).pvalue > 0.001


def test_two_shapes_have_greys_of_their_own(data):
    n_greys = np.array([len(np.unique(image)) for image in data.test.pixels])
    single = data.test.labels < 3
    assert (n_greys[single] == 2).all()
    # Rule 5 rejects a second shape that hides the first one.
    assert np.mean(n_greys[~single] == 3) > 0.98  # 1 of 115 pairs has one grey


def test_class_shares(stream):
    """Rules 2 and 7: singles 1/6 each, mixed pairs 1/9, pairs of a kind 1/18."""
    shares = np.array([3, 3, 3, 2, 2, 2, 1, 1, 1]) / 18
    counts = np.bincount(stream.labels, minlength=9)
    assert stats.chisquare(counts, shares * len(stream)).pvalue > 0.001
    assert DATASETS["shapeset"].chance == pytest.approx(100 * (1 - shares.max()))


def test_labels_are_those_drawn(stream):
    """All but the few whose second shape found no place."""
    wanted = wanted_labels(KEY, len(stream))
    differ = stream.labels != wanted
    assert (stream.labels[differ] < 3).all()
    assert (wanted[differ] >= 3).all()
    assert differ.mean() < 1e-4


def test_labels_match_what_is_seen():
    """area / (4 pi sqrt(det covariance)) is the same for all ellipses, all parallelograms, all triangles."""
    size, expected = 256, np.array([math.sqrt(108), math.sqrt(144), 4 * math.pi])
    examples = generate(KEY, 0, 300, size=size)
    y, x = np.mgrid[0:size, 0:size]
    for image, label in zip(examples.pixels.reshape(-1, size, size), examples.labels, strict=True):
        if label < 3:
            inside = image != image[0, 0]
            ratio = inside.sum() / math.sqrt(np.linalg.det(np.cov(x[inside], y[inside])))
            assert np.abs(ratio - expected).argmin() == label


@pytest.mark.parametrize("size", [32, 64])
def test_one_pixel_of_ground_all_around(size):
    """Rule 4, and that the places next to it are used on every side."""
    examples = generate(KEY, 0, 10_000, size=size)
    images = examples.pixels.reshape(-1, size, size) != examples.pixels[:, :1, None]
    assert not images[:, [0, -1]].any()
    assert not images[:, :, [0, -1]].any()
    assert images[:, 1].any()
    assert images[:, -2].any()
    assert images[:, :, 1].any()
    assert images[:, :, -2].any()


def test_accepted_pairs_obey_the_overlap_rule():
    """Rule 5, on the kernel's own corners, in pixels."""
    closest, unit = 0.0, 32 / ONE
    for i in range(3000):
        kinds, centres, corners = drawn_scene(KEY, i)
        if len(kinds) == 2:
            first, second = (
                naive.Shape("TPE"[kind], 0, tuple(centre * unit), [tuple(corner) for corner in own * unit])
                for kind, centre, own in zip(kinds, centres, corners, strict=True)
            )
            closest = max(closest, naive.overlap_times_ratio(first, second))
    assert 0.45 < closest <= 0.5 + 1e-6


@given(
    st.integers(1, ONE),
    st.integers(0, ONE),
    st.integers(ONE // 100, ONE // 2),
    st.integers(ONE // 100, ONE // 2),
)
def test_overlap_rule(p, d, new_area, old_area):
    overlap = 0.0 if p < d else 1.0 if d == 0 else 1 - 2 ** (-(p - d) / d)
    excess = overlap * new_area / old_area - 0.5
    if abs(excess) > 1e-6:
        assert overlaps(p * d, d * d, new_area, old_area) == (excess > 0)


def test_deformation_ranges():
    """Rule 3: the base is horizontal before the last turn, the larger scale on x, both in 0.2 .. 0.8."""
    corners = np.zeros((shapes.MAX_SIDES, 2), np.int64)
    for i in range(300):
        stream = np.uint64(naive.word(KEY, i))
        scale_x, scale_y = draw_scales(stream, 0)
        assert 0.2 * ONE - 1 < scale_y <= scale_x < 0.8 * ONE + 1
        kind = i % 3
        n = int(shapes.SIDES[kind])
        angle = (2 * (i + 0.5) / 300 - 1) * math.pi / n
        sine, cosine = sine_cosine(round(angle * ONE))
        deform(kind, sine, cosine, 0, scale_x, scale_y, corners)
        assert abs(corners[0, 1] - corners[n - 1, 1]) < 16  # the base joins the last corner to the first
        assert corners[0, 1] == pytest.approx(corners[:n, 1].max(), abs=16)
        own_area = naive.area([(x / ONE, y / ONE) for x, y in corners[:n].tolist()])
        full = math.pi / 4 * times(times(scale_x, scale_y), int(shapes.AREAS[kind])) / ONE
        assert own_area == pytest.approx(full, rel=1e-6)


# Purity


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 60), max_size=6), st.integers(0, 50))
def test_any_chunking_gives_the_same_images(counts, start):
    whole = generate(KEY, start, sum(counts))
    at = 0
    for count in counts:
        part = generate(KEY, start + at, count)
        np.testing.assert_array_equal(part.pixels, whole.pixels[at : at + count])
        np.testing.assert_array_equal(part.labels, whole.labels[at : at + count])
        at += count


def test_threads_give_the_same_images(stream):
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: generate(KEY, start, 250), range(0, 5000, 250)))
    np.testing.assert_array_equal(np.concatenate([part.pixels for part in parts]), stream.pixels[:5000])
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), stream.labels[:5000])


def test_given_arrays_are_written(stream):
    pixels, labels = np.zeros((9, 1024), np.uint8), np.zeros(9, np.uint8)
    examples = generate(KEY, 3, 5, pixels[2:7], labels[2:7])
    assert np.shares_memory(examples.pixels, pixels)
    np.testing.assert_array_equal(pixels[2:7], stream.pixels[3:8])
    np.testing.assert_array_equal(labels[2:7], stream.labels[3:8])
    assert not pixels[:2].any()
    assert not pixels[7:].any()


def test_the_end_of_a_stream():
    last = (1 << 63) - 2
    np.testing.assert_array_equal(generate(KEY, last, 1).pixels[0].reshape(32, 32), naive.image(naive.scene(KEY, last)))


def test_dataset(data):
    info = DATASETS["shapeset"]
    assert (data.name, data.n_inputs, data.n_classes) == ("shapeset", 1024, 9)
    assert (info.image_shape, info.n_classes) == ((32, 32), 9)
    for examples in (data.valid, data.test):
        assert examples.pixels.shape == (10_000, 1024)
        assert examples.labels.shape == (10_000,)
        assert examples.pixels.dtype == examples.labels.dtype == np.uint8
    assert data.test is data.test
    assert info.implementation().files("nowhere") == []
    assert info.implementation().fetch("nowhere") is None
    np.testing.assert_array_equal(info.implementation().load("nowhere").test.pixels, data.test.pixels)
    figure = Shapeset(size=64).train(0, 0, 3)
    assert figure.pixels.shape == (3, 64 * 64)


def test_train_is_the_seeds_stream(data, stream):
    np.testing.assert_array_equal(data.train(0, 100, 50).pixels, stream.pixels[100:150])
    assert (data.train(1, 100, 50).pixels != stream.pixels[100:150]).any(axis=1).all()


def test_streams_share_no_image(data):
    parts = [data.valid, data.test, *(data.train(seed, 0, 20_000) for seed in (0, 1, 2, 12345, 2**40))]
    images = [
        hashlib.sha256(pixels.tobytes() + bytes([label])).digest()
        for part in parts
        for pixels, label in zip(part.pixels, part.labels, strict=True)
    ]
    assert len(set(images)) == len(images)


def test_keys_differ():
    keys = [stream_key("train", seed) for seed in range(1000)] + [stream_key("valid"), stream_key("test")]
    assert len(set(keys)) == len(keys)
    assert stream_key("test", 7) == stream_key("test", 0)


def test_same_bits_as_ever(data):
    first = data.test.first(1000)
    digest = hashlib.sha256(first.pixels.tobytes() + first.labels.tobytes()).hexdigest()
    assert (DATASETS["shapeset"].version, digest) == GOLDEN


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": -1}, "key is expected"),
        ({"key": 1 << 64}, "key is expected"),
        ({"start": -1}, "start and count are expected"),
        ({"count": -1}, "start and count are expected"),
        ({"start": (1 << 63) - 1, "count": 1}, "start and count are expected"),
        ({"size": 15}, "size is expected"),
        ({"size": 1025}, "size is expected"),
        ({"pixels": np.empty((2, 1000), np.uint8)}, "pixels is expected"),
        ({"pixels": np.empty((2, 1024), np.float32)}, "pixels is expected"),
        ({"pixels": np.empty((1024, 2), np.uint8).T}, "pixels is expected"),
        ({"labels": np.empty(3, np.uint8)}, "labels is expected"),
        ({"labels": np.empty(4, np.uint8)[::2]}, "labels is expected"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(**{"key": KEY, "start": 0, "count": 2, **arguments})


def test_seed_out_of_range(data):
    with pytest.raises(ValueError, match="seed is expected to be 0 or more, found -1"):
        data.train(-1, 0, 1)


# The parts


def test_splitmix64():
    """The first numbers from seed 1234567, as splitmix64.c gives them."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [naive.word(1234567, i) for i in range(4)] == expected
    assert [int(word(np.uint64(1234567), i)) for i in range(4)] == expected


@given(st.integers(0, 2**64 - 1), st.integers(0, 300), st.integers(1, 2**32 - 1))
def test_draw_is_in_range(stream, address, n):
    value = draw(np.uint64(stream), address, n)
    assert value == (naive.word(stream, address) >> 32) * n >> 32
    assert 0 <= value < n


def test_tables_do_not_depend_on_the_mathematics_library():
    """No entry before rounding is so near the middle between two that an error of 1e-15 would matter."""
    fractions = [math.cos(2 * math.pi * k / 255) for k in range(255)]
    fractions += [math.sin(2 * math.pi * k / 255) for k in range(255)]
    for n in (3, 4, 20):
        angles = [2 * math.pi * (v / n + 1 / (2 * n) + 1 / 4) for v in range(n)]
        fractions += [0.5 * f(angle) for angle in angles for f in (math.cos, math.sin)]
        fractions += [n * math.sin(2 * math.pi / n) / (2 * math.pi), math.pi / n + 0.5 / ONE]
    distances = [abs((fraction * ONE) % 1 - 0.5) for fraction in [*fractions, math.log(2)]]
    assert min(distances) > 1e-5  # 1e-15 * ONE is 1e-6


@given(st.floats(-math.pi / 3, math.pi / 3))
def test_sine_cosine(angle):
    sine, cosine = sine_cosine(round(angle * ONE))
    assert abs(sine - math.sin(angle) * ONE) < 4
    assert abs(cosine - math.cos(angle) * ONE) < 4


@given(st.floats(0, 100))
def test_two_to_minus(t):
    assert abs(two_to_minus(round(t * ONE)) - 2**-t * ONE) < 4
