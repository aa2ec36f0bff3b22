"""`glorot data list`, `fetch`, `build`, `show` and `verify`."""

from pathlib import Path
from typing import Any

import click

from glorot.cli.shared import (
    OK,
    WRONG_USAGE,
    Names,
    data_option,
    dataset_names,
    epilog,
    file_type,
    folder_type,
    format_option,
    preprocessing_names,
    printed,
    say,
    show,
)


@click.group(epilog=epilog("glorot data list\nglorot data fetch mnist"))
def data() -> None:
    """See, fetch and verify the data sets.

    They are in the folder that --data names, else in the folder that the environment variable GLOROT_DATA names, else
    in the user's cache. Shapeset is made on the fly and needs no file.
    """


@data.command("list", epilog=epilog("glorot data list"))
@data_option
def data_list(data: Path | None) -> None:
    """List the data sets, their folders and states.

    A data set is verified (its files are the publisher's, bit for bit), built in (made on the fly), not there,
    incomplete, or wrong: glorot data verify says which file is wrong. Your own data are built by glorot run.
    """
    from glorot.datasets.loading import data_folder
    from glorot.datasets.local import FORMS

    folder = data_folder(data)
    rows = [(name, *_state(name, folder)[1:]) for name in dataset_names()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    show("".join(f"{name:{widths[0]}}  {state:{widths[1]}}  {place}\n" for name, state, place in rows))
    width = max(len(text) for text, _ in FORMS.values())
    show("\nyour own\n" + "".join(f"  {text:{width}}  {what}\n" for text, what in FORMS.values()))


@data.command(epilog=epilog("glorot data fetch mnist"))
@click.argument("name", type=Names(dataset_names), metavar="NAME")
@data_option
def fetch(name: str, data: Path | None) -> None:
    """Download a data set and verify it.

    NAME is one of `glorot data list`. Files that are there and correct are not downloaded again. A downloaded file is
    kept only if it is the publisher's, bit for bit.
    """
    from glorot.datasets.catalogue import DATASETS
    from glorot.datasets.loading import data_folder

    folder = data_folder(data)
    DATASETS[name].implementation().fetch(folder)
    _, state, place = _state(name, folder)
    show(f"{name}: {state}: {place}\n")


@data.command(epilog=epilog("glorot data build small-imagenet --from ILSVRC2012/train\n"
                            "glorot data build small-imagenet --from tiny-imagenet --class flowers=DIR"))  # fmt: skip
@click.argument("name", type=click.Choice(("small-imagenet", "small_imagenet")), metavar="small-imagenet")
@click.option("--from", "trees", type=folder_type, multiple=True, metavar="DIR",
              help="An ImageNet training tree: folders named by WordNet id. Repeatable.")  # fmt: skip
@click.option("--class", "by_hand", multiple=True, metavar="CLASS=DIR",
              help="A folder of images of one of the ten classes. Repeatable.")  # fmt: skip
@click.option("--allow-skipped", is_flag=True, help="Build even if more than 10 % of the files cannot be used.")
@data_option
def build(name: str, trees: tuple[Path, ...], by_hand: tuple[str, ...], allow_skipped: bool, data: Path | None) -> None:
    """Build Small-ImageNet from images you have.

    Makes grey 37 x 37 photographs in the paper's ten classes from ImageNet (ILSVRC-2012, or Tiny-ImageNet) and from
    your own folders of one class each. The split of an image (training, validation or test) follows from its SHA-256,
    so it stays the same if you add images. Images that cannot be used are listed in the manifest beside the data.
    """
    from glorot.cli.progress import ImageBar
    from glorot.datasets import small_imagenet as built
    from glorot.datasets.loading import data_folder
    from glorot.datasets.manifest import skipped, used

    folder = data_folder(data)
    with ImageBar() as bar:
        classes = [_class_folder(one) for one in by_hand]
        manifest = built.build_into(folder, trees, classes, bar.progressed, allow_skipped)
    images, file = manifest["images"], built.data_file(folder)
    show(f"{name}: {manifest['about']}: {' / '.join(f'{count:,}' for count in images.values())}: {file.parent}\n")
    left = manifest["without_class"]
    for line in [*used(manifest), *skipped(manifest, file.with_suffix(".json"))]:
        say(f"  {line}")
    say(f"  {left['files']:,} files of {left['ids']:,} WordNet ids belong to no class")


def _class_folder(option: str) -> tuple[str, Path]:
    """ "flowers=photos" -> ("flowers", Path("photos"))."""
    from glorot.datasets.wordnet import CLASS_NAMES
    from glorot.errors import nearest
    from glorot.places import expanded

    name, equals, folder = option.partition("=")
    if name not in CLASS_NAMES or not folder:
        allowed, found = ", ".join(CLASS_NAMES), repr(name if equals else option)
        hint = nearest(name, CLASS_NAMES) if name not in CLASS_NAMES else "; and expected a folder behind the ="
        message = f"expected CLASS=DIR, CLASS one of {allowed}; found {found}{hint}"
        raise click.BadParameter(message, param_hint="--class")
    return name, expanded(folder)


@data.command(epilog=epilog("glorot data convert shapeset big --train-examples 1000000\n"
                            "glorot run my-study --set 'dataset={folder: big}'"))  # fmt: skip
@click.argument("dataset")
@click.argument("folder", type=folder_type)
@click.option("--train-examples", type=click.IntRange(1), help="How many training images.  [default: all]")
@click.option("--preprocessing", type=Names(preprocessing_names), default="none", show_default=True,
              help="What is done to every image first.")  # fmt: skip
@data_option
def convert(dataset: str, folder: Path, train_examples: int | None, preprocessing: str, data: Path | None) -> None:
    """Write a data set to one file, to train from disk.

    DATASET is a name or {...}, as the field dataset of a sweep. FOLDER gets a file of bytes and a manifest. In a sweep,
    write {folder: FOLDER}. Only the next examples are in memory, so the data set can be larger than the memory.
    """
    from glorot.datasets import disk
    from glorot.datasets.loading import data_folder, load, pinned
    from glorot.datasets.local import info
    from glorot.datasets.prepared import preprocessed

    place = data_folder(data)
    one = pinned(_field("dataset", dataset), place, build=True)
    about = f"converted from {info(one).label}" + (f", {preprocessing}" if preprocessing != "none" else "")
    ready = preprocessed(load(one, place), preprocessing, info(one))
    manifest = disk.convert(ready, info(one), folder, train_examples, about)
    counts = " / ".join(f"{count:,}" for count in manifest["examples"].values())
    show(f"{folder}: {manifest['about']}: {counts}\n")


@data.command("show", epilog=epilog('glorot data show mnist --augmentation "{elastic: {sigma: 4, alpha: 34}}"'))
@click.argument("dataset")
@click.option(
    "--augmentation", metavar="YAML", help="Also show distorted versions: {...}, as the field augmentation of a sweep."
)
@click.option("--preprocessing", type=Names(preprocessing_names), default="none", show_default=True,
              help="What is done to every image first.")  # fmt: skip
@click.option(
    "-n", "--examples", type=click.IntRange(1, 1000), default=32, show_default=True, help="How many examples."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the training examples.")
@click.option("--picture", type=file_type, help="The PNG file to write.  [default: NAME.png]")
@format_option
@data_option
def show_images(
    dataset: str, augmentation: str | None, preprocessing: str, examples: int, seed: int, picture: Path | None,
    form: str | None, data: Path | None,
) -> None:  # fmt: skip
    """Show training examples of a data set.

    DATASET is a name, or your own data such as {arrays: FILE.npz}, as the field dataset of a sweep. Images are drawn on
    a sheet, a PNG file; other numbers are printed as a table. With --augmentation, there are four rows of distorted
    versions below each row of images.
    """
    from glorot.datasets.loading import data_folder, load, pinned
    from glorot.datasets.local import info
    from glorot.datasets.prepared import has_images, preprocessed
    from glorot.datasets.sheet import png, sheet
    from glorot.results.store import write_bytes

    folder = data_folder(data)
    one = pinned(_field("dataset", dataset), folder, build=True)
    distortion = _field("augmentation", augmentation) if augmentation else None
    ready = load(one, folder)
    if not has_images(info(one)) and not picture and not distortion and preprocessing == "none":
        from glorot.reporting import data_text

        show(printed(data_text.document(one, ready, folder, examples, seed), form))
        return
    ready = preprocessed(ready, preprocessing, info(one))
    drawn = sheet(ready, info(one), examples, distortion, seed)
    target = picture or Path(f"{str(one).rstrip('/')}.png")
    write_bytes(target, png(drawn))
    show(f"{target}\n")


def _field(name: str, text: str) -> Any:
    """A field of a run from YAML on the command line."""
    from glorot.errors import GlorotError
    from glorot.sweeps import config, yaml_nodes
    from glorot.sweeps.fields import check_field

    try:
        return check_field(name, config.rooted(yaml_nodes.parse(text, f"--{name}", numbered=False), Path()).plain())
    except ValueError as error:
        raise GlorotError(f"{name}: {error}") from None


@data.command(epilog=epilog("glorot data verify\nglorot data verify mnist"))
@click.argument("name", type=Names(dataset_names), required=False, metavar="[NAME]")
@data_option
def verify(name: str | None, data: Path | None) -> int:
    """Compare data files with their publishers' checksums.

    Without NAME, looks at all data sets that are there. Exit code 2 if a file is wrong or missing, or if the data set
    NAME is not there.
    """
    from glorot.datasets.loading import data_folder

    folder = data_folder(data)
    code = OK
    for one in [name] if name else dataset_names():
        files, state, place = _state(one, folder)
        show(f"{one}: {state}: {place}\n" + "".join(f"  {file.path.name}: {status}\n" for file, status in files))
        if state not in ("verified", "built in") and (state != "not there" or name):
            code = WRONG_USAGE
    return code


def _state(name: str, folder: Path) -> tuple[list[tuple[Any, str]], str, str]:
    """A data set's files with their status, its own status in a word or two, and its place."""
    from glorot.datasets.loading import verify

    files = verify(name, folder)
    if not files:
        return [], "built in", "made on the fly"
    states = {status for _, status in files}
    if any(status.startswith(("wrong", "unreadable")) for status in states):
        state = "wrong"
    elif "missing" in states:
        state = "not there" if states == {"missing"} else "incomplete"
    else:
        state = "verified" if states == {"verified"} else "not verified"
    return files, state, str(files[0][0].path.parent)
