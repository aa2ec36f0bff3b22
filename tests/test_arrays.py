"""Arrays of a user's own: npz, IDX, tables. What is taken, and what is refused by name."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from stored import table_rows

from glorot.cli.main import cli
from glorot.datasets import arrays
from glorot.datasets.local import FORMS, LocalData
from glorot.errors import DataError
from glorot.sweeps.fields import check_field
from glorot.sweeps.values import OWN

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (120, 4, 3), np.uint8)
Y = (X.reshape(120, -1).mean(axis=1) > 127).astype(int)


def read(path, form="arrays", **given):
    return arrays.read(LocalData(folder=str(path), form=form, **given))


def npz(folder, **members):
    np.savez(folder / "some.npz", **members)
    return folder / "some.npz"


def pixels(one):
    return np.concatenate([part.pixels for part in one.splits.values()])


@pytest.mark.parametrize(
    "x", [X, X.astype(np.float64), (X / 255).astype(np.float32), X.astype(">i4"), np.asfortranarray(X), X[:, None]],
    ids=["bytes", "whole", "over 255", "big-endian", "by columns", "one plane"],
)  # fmt: skip
def test_bytes_in_any_coat_are_the_same_examples(x, tmp_path):
    one, bare = read(npz(tmp_path, x=x, y=Y)), read(npz(tmp_path, X=X, y=Y))
    assert one.shape == (4, 3, "grey")
    assert pixels(one).tobytes() == pixels(bare).tobytes()
    assert sorted(map(bytes, pixels(one))) == sorted(map(bytes, X.reshape(120, -1)))


def test_colours_come_plane_by_plane(tmp_path):
    x = RANDOM.integers(0, 256, (120, 4, 5, 3), np.uint8)
    behind, before = read(npz(tmp_path, x=x, y=Y)), read(npz(tmp_path, x=np.moveaxis(x, 3, 1), y=Y))
    assert behind.shape == before.shape == (4, 5, "rgb")
    assert pixels(behind).tobytes() == pixels(before).tobytes()


def test_ready_splits_are_used_and_classes_are_told(tmp_path):
    """Of other names too; what is missing comes out of the training examples, and stays where it is."""
    names = np.array(["no", "yes"])[Y]
    one = read(npz(tmp_path, train_images=X, train_labels=names, test_images=X[:20], test_labels=names[:20]))
    assert one.names == ["no", "yes"]
    assert one.splits["test"].pixels.tobytes() == X[:20].tobytes()
    assert (one.splits["test"].labels == Y[:20]).all()
    assert len(one.splits["train"]) + len(one.splits["valid"]) == 120
    more = np.concatenate([X, X[:40] // 2])
    grown = read(npz(tmp_path, x_train=more, y_train=[*Y, *Y[:40]], x_test=X[:9], y_test=Y[:9]))
    assert set(map(bytes, one.splits["valid"].pixels)) <= set(map(bytes, grown.splits["valid"].pixels))


NORMAL = RANDOM.normal(0, 1, (120, 4))
NORMAL[0, 0] = -0.0


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (NORMAL, "float32"), (X * 2.0, "float32"), (X // 64, "uint8"), (X.astype(int) // 64, "float32"),
        (X.astype(int), "uint8"), (X - 128.0, "float32"), (X > 127, "uint8"), (X.astype(np.int8) & 15, "float32"),
    ],
    ids=["normal", "beyond bytes", "small bytes", "small whole numbers", "whole", "below 0", "true or false", "int8"],
)  # fmt: skip
def test_bytes_stay_bytes_and_other_numbers_become_float32(x, kind, tmp_path):
    x = x.reshape(120, -1)
    found = pixels(read(npz(tmp_path, x=x, y=Y)))
    assert found.dtype == kind
    expected = np.where(x, 255, 0) if x.dtype == bool else x
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, expected.astype(kind).tolist()))
    assert not np.signbit(found[found == 0]).any()


def test_splits_have_one_kind_of_numbers(tmp_path):
    """Also where one alone could be bytes."""
    one = read(npz(tmp_path, x_train=X.reshape(120, -1), y_train=Y, x_test=NORMAL.repeat(3, axis=1), y_test=Y))
    assert {part.pixels.dtype.name for part in one.splits.values()} == {"float32"}
    few = read(npz(tmp_path, x_train=X.astype(int), y_train=Y, x_test=X.astype(int) // 9, y_test=Y))
    assert {part.pixels.dtype.name for part in few.splits.values()} == {"uint8"}


FLAT = X.reshape(120, -1)
FEW = FLAT > 127
SCALES = {
    "0 and 1 beside 0 to 255": (FLAT.astype(float), FEW.astype(float), "uint8"),
    "0 and 1 beside bytes": (FLAT, FEW.astype(np.float32), "uint8"),
    "k / 255 in all": (FLAT / 255, FEW.astype(np.float32), "uint8"),
    "true and false beside 0 and 1": (FEW, FEW.astype(float), "uint8"),
    "true and false beside whole 0 and 1": (FEW, FEW.astype(int), "float32"),
    "k / 255 beside other numbers": (FLAT / 255, FLAT / 254, "float32"),
}


@pytest.mark.parametrize("case", SCALES)
@pytest.mark.parametrize("swapped", [False, True])
def test_splits_have_one_scale(case, swapped, tmp_path):
    """The same number is the same input in each of them, whatever another split would be alone."""
    one, other, kind = SCALES[case]
    train, test = (other, one) if swapped else (one, other)
    splits = read(npz(tmp_path, x_train=train, y_train=Y, x_valid=train, y_valid=Y, x_test=test, y_test=Y)).splits
    stored = np.concatenate([splits["train"].pixels, splits["test"].pixels])
    assert stored.dtype == kind
    given = np.concatenate([train, test]).astype(float)
    assert np.allclose(stored * (given.max() / stored.max()), given)


def lying_header(folder):
    """An archive whose array says that it is much larger than it is."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 10)})
    with zipfile.ZipFile(folder / "some.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue() + b"123")
    return folder / "some.npz"


def two_members(folder):
    """Two arrays of one name: NumPy takes the later one."""
    path = npz(folder, x=X, y=Y)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x.npy", archive.read("x.npy"))
    return path


def cut(folder):
    path = npz(folder, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:-300])
    return path


WITH_NAN = X.astype(float)
WITH_NAN[7, 0, 0] = np.nan
REFUSED = {
    "no file": (lambda f: f / "none.npz", "cannot read it: No such file"),
    "no archive": (lambda f: (f / "some.npz").write_text("x") and f / "some.npz", "expected a whole .npz file"),
    "cut off": (cut, "expected a whole .npz file"),
    "a lying header": (lying_header, "array x: its header says 1000000000000x10 of uint8, 10,000,000,000,000 bytes"),
    "objects": (lambda f: npz(f, x=np.array([{}]), y=Y), "array x: expected numbers or text, found Python objects"),
    "other names": (lambda f: npz(f, a=X, b=Y), "expected arrays called x and y, or x_train, .*; found a, b"),
    "no labels": (lambda f: npz(f, x=X), "expected inputs and labels for training, found only x"),
    "fewer labels": (lambda f: npz(f, x=X, y=Y[:100]), "y: expected one label for each of the 120 examples"),
    "NaN": (lambda f: npz(f, x=WITH_NAN, y=Y), "x: expected finite numbers, found nan in example 8"),
    "int8": (lambda f: npz(f, x=X.astype(np.int8), y=Y), "x: expected bytes, found int8 below 0"),
    "too large": (lambda f: npz(f, x=X * 1e300, y=Y), "x: expected numbers up to 3.4e38, as float32 has, found .*e"),
    "complex": (lambda f: npz(f, x=X * 1j, y=Y), "x: expected numbers, found complex128"),
    "text": (lambda f: npz(f, x=X.astype(str), y=Y), "x: expected numbers, found <U3"),
    "half labels": (lambda f: npz(f, x=X, y=Y + 0.5), "y: expected whole numbers or text as labels, found"),
    "one class": (lambda f: npz(f, x=X, y=0 * Y), "y: expected 2 to 256 classes, found 1"),
    "other shapes": (lambda f: npz(f, x_train=X, y_train=Y, x_test=X[:, :2], y_test=Y),
                     r"x_test: expected the shape of the training examples, \(4, 3\), found \(2, 3\)"),
    "all, and splits": (lambda f: npz(f, x=X, y=Y, x_train=X[20:], y_train=Y[20:], x_test=X[:20], y_test=Y[:20]),
                        "expected x and y, or x_train, y_train, x_test, ...; found x and x_train; if x is only for"),
    "all, and a test set": (lambda f: npz(f, x=X, y=Y, x_test=X, y_test=Y), "found x and x_test; if x is only for tr"),
    "x and X": (lambda f: npz(f, x=X, X=X, y=Y), "expected one array with the inputs, found x and X; keep one"),
    "x and data": (lambda f: npz(f, x=X, data=X, y=Y), "expected one array with the inputs, found x and data; keep"),
    "two labels": (lambda f: npz(f, x_train=X, y_train=Y, train_labels=Y),
                   "expected one array with the labels for training, found y_train and train_labels; keep one"),
    "two of one name": (two_members, "expected one array of each name, found two called x"),
    "bytes, then k / 255": (lambda f: npz(f, x_train=X, y_train=Y, x_test=X / 255, y_test=Y),
                            "x_test: expected bytes from 0 to 255, as x_train has them, found float64 from 0 to 1"),
    "true and false, then bytes": (lambda f: npz(f, x_train=X > 9, y_train=Y, x_test=X, y_test=Y),
                                   "x_train: expected bytes .* as x_test has them, found bool from 0 to 1"),
    "a class only tested": (lambda f: npz(f, x_train=X, y_train=Y, x_test=X, y_test=Y + 1),
                            "class 2: expected examples to train"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_by_file_and_name(case, tmp_path):
    make, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        read(make(tmp_path))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def idx(array):
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def test_idx_as_it_is_distributed(tmp_path):
    for name, x, y in (("train", X, Y), ("t10k", X[:30], Y[:30])):
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x)))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(y))
    one = read(tmp_path, "idx")
    assert one.shape == (4, 3, "grey")
    assert one.splits["test"].pixels.tobytes() == X[:30].tobytes()
    good = idx(X)
    for data, message in (
        (good[:100], "expected 1,440 bytes behind the header, found 84"), (good + b"1", "found more"),
        (b"\1" + good[1:], "expected the magic number"), (good[:6], "expected 3 sizes, found 0"),
        (good[:4] + b"\xff" * 12, "its header says"),
    ):  # fmt: skip
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))
        with pytest.raises(DataError, match=f"train-images-idx3-ubyte.gz: .*{message}"):
            read(tmp_path, "idx")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(good)[:-20])
    with pytest.raises(DataError, match="expected a whole gzip file"):
        read(tmp_path, "idx")


def test_of_two_idx_data_sets_none_is_taken(tmp_path):
    """A file beside its .gz is one."""
    for name, array in (("train-images-idx3", X), ("train-labels-idx1", Y)):
        for start in ("emnist-digits-", "emnist-letters-"):
            (tmp_path / f"{start}{name}-ubyte").write_bytes(idx(array))
    with pytest.raises(DataError, match=r"expected one file of images for train, found emnist-digits-.* and emnist-l"):
        read(tmp_path, "idx")
    for file in tmp_path.glob("emnist-letters-*"):
        file.rename(file.with_name(file.name.replace("letters", "digits") + ".gz"))
    assert len(pixels(read(tmp_path, "idx"))) == 120


@pytest.mark.parametrize(
    ("head", "row", "message"),
    [
        ("x,label,label", "3,a,a", "expected columns of different names, found two called label; remove one"),
        ("x,label, label", "3,a,a", "expected columns of different names, found two called label; remove one"),
        ('\ufeff"x",x,label', "3,4,a", "expected columns of different names, found two called x; remove one"),
        ("x,z,label", "1,3,4,a", "expected rows of 3 fields, as the first line has names, found longer ones; give"),
        ("x,z,label", "1,2,3,4,a", "expected rows of 3 fields, as the first line has names, found longer ones; give"),
        ("x,z,label", "3,a", "column label: expected no missing values, found one in row 1"),
    ],
)
def test_a_table_that_can_be_read_in_two_ways_is_refused(head, row, message, tmp_path):
    (tmp_path / "some.csv").write_text("\n".join([head, *[row] * 40]))
    with pytest.raises(DataError, match=message):
        read(tmp_path / "some.csv", "table", label="label")


def test_columns_without_a_name_and_commas_at_the_end_do_no_harm(tmp_path):
    """As spreadsheets write them."""
    rows = [f"{i},{x[0]},{x[1]},{'ab'[y]},," for i, (x, y) in enumerate(zip(FLAT, Y, strict=True))]
    (tmp_path / "some.csv").write_text("\n".join([",x,,label,,", *rows]))
    with pytest.raises(DataError, match="column Unnamed: 4: expected no missing values"):
        read(tmp_path / "some.csv", "table", label="label")
    (tmp_path / "some.csv").write_text("\n".join([",x,,label", *(row[:-1] for row in rows)]))
    one = read(tmp_path / "some.csv", "table", label="label")
    assert one.columns == ("Unnamed: 0", "x", "Unnamed: 2")
    assert {int(row[0]) for row in pixels(one)} == set(range(120))


def test_tables(tmp_path):
    frame = pd.DataFrame(X.reshape(120, -1), columns=[f"p{i}" for i in range(12)]).assign(kind=np.array(["a", "b"])[Y])
    file = tmp_path / "some.csv"

    def table(changed=frame, label="kind"):
        changed.to_csv(file, index=False)
        return read(file, "table", label=label)

    one = table()
    tested = next(i for i, row in enumerate(X.reshape(120, -1)) if (one.splits["test"].pixels == row).all(axis=1).any())
    assert (one.names, one.shape) == (["a", "b"], (1, 12, "grey"))
    assert sorted(map(bytes, pixels(one))) == sorted(map(bytes, X.reshape(120, -1)))
    with pytest.raises(DataError, match=r"expected a column called kin with the classes, found .*did you mean kind"):
        table(label="kin")
    holes = frame.astype({"p3": float})
    holes.loc[4, "p3"] = np.nan
    with pytest.raises(DataError, match="column p3: expected no missing values, found one in row 5"):
        table(holes)
    with pytest.raises(DataError, match="column where: expected numbers, found 'here'"):
        table(frame.assign(where="here"))
    with pytest.raises(DataError, match="column p2: expected finite numbers, found inf in example 1"):
        table(frame.assign(p2=np.inf))
    with pytest.raises(DataError, match="class once: expected examples to train on, found none after the split"):
        table(frame.assign(kind=["once" if i == tested else kind for i, kind in enumerate(frame["kind"])]))
    file.write_text('a,b\n1,"2\n')
    with pytest.raises(DataError, match="expected a table, but"):
        read(file, "table", label="a")


def test_rows_of_numbers_are_shown_as_a_table_and_images_as_a_sheet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(X.reshape(120, -1)[:, :2], columns=["one", "two"]).assign(kind=np.array(["a", "b"])[Y]).to_csv("t.csv")
    shown = CliRunner().invoke(cli, ["data", "show", "{table: t.csv, label: kind}", "-n", "200"])
    assert shown.exit_code == 0, shown.output
    head, _, *rows = table_rows(shown.stdout)
    assert head == ["class", "Unnamed: 0", "one", "two"]
    everyone = {
        ("ab"[y], str(i), str(x[0]), str(x[1])) for i, (x, y) in enumerate(zip(X.reshape(120, -1), Y, strict=True))
    }
    assert len(rows) > 60
    assert {tuple(row) for row in rows} < everyone
    as_csv = CliRunner().invoke(cli, ["data", "show", "{table: t.csv, label: kind}", "--format", "csv"]).stdout
    assert as_csv.splitlines()[0] == "class,Unnamed: 0,one,two"
    npz(tmp_path, x=X, y=Y)
    assert CliRunner().invoke(cli, ["data", "show", "{arrays: some.npz}"]).stdout == "some.npz.png\n"
    assert (tmp_path / "some.npz.png").read_bytes().startswith(b"\x89PNG")


def test_lists_have_every_form():
    for command in (["list"], ["data", "list"]):
        printed = CliRunner().invoke(cli, command).stdout
        assert all(text in printed and what in printed for text, what in FORMS.values())


def test_in_real_processes(tmp_path, glorot):
    """Built once, told, run, reported without the file; refused with exit code 2; inspect takes them too."""
    npz(tmp_path, x=X, y=Y + 5)
    (tmp_path / "own.yaml").write_text(
        "base: {activation: tanh, width: 6, depth: 1, learning_rate: 0.1, updates: 20, batch_size: 5}\n"
        "grid: {dataset: [{arrays: some.npz}, {arrays: some.npz, split: [0.6, 0.2, 0.2]}]}\n"
    )
    axis = glorot("run", "own.yaml")
    assert axis.returncode == 2
    assert "two values are called some.npz" in axis.stderr
    sweep = (tmp_path / "own.yaml").read_text().partition("grid")[0]
    (tmp_path / "own.yaml").write_text(sweep.replace("{", "{dataset: {arrays: some.npz}, ", 1))
    done = glorot("run", "own.yaml")
    assert done.returncode == 0, done.stderr
    assert "some.npz: 120 examples in 2 classes, 4 x 3 grey; chance" in done.stderr
    assert "1 done, 0 to do" in glorot("run", "own.yaml").stderr
    looked = glorot("inspect", "--activation", "tanh", "--initializer", "normalized", "--width", "5",
                    "--dataset", "{arrays: some.npz}")  # fmt: skip
    assert looked.returncode == 0, looked.stderr
    (tmp_path / "some.npz").write_bytes(b"damage")
    refused = glorot("run", "own.yaml")
    assert refused.returncode == 2
    assert "some.npz: expected a whole .npz file" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert glorot("report", "own").returncode == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("iris", f"or your own as {OWN}; found"),
        ("a/iris.csv", "did you mean {table: a/iris.csv, label: COLUMN}?"),
        ({"array": "a.npz"}, 'found the keys "array"; did you mean arrays?'),
        ({"table": "a.csv"}, "expected the column of the classes"),
        ({"arrays": ""}, "expected the path of data of your own"),
        ({"arrays": "a.npz", "labl": 3}, 'unknown key "labl"'),
    ],
)
def test_what_no_sweep_can_say(value, message):
    with pytest.raises(ValueError, match=r"expected|unknown") as caught:
        check_field("dataset", value)
    assert message in str(caught.value)
