"""Training examples that are no images, as a document."""

from pathlib import Path

from glorot.datasets import Dataset, FiniteDataset
from glorot.datasets.local import AnyData
from glorot.datasets.sheet import names_of
from glorot.reporting.document import Block, Document, Grid, Paragraph, Records, Value
from glorot.sweeps.values import dataset_text

MOST_COLUMNS = 8  # of a table, so that it fits a terminal; records have all


def document(name: AnyData, dataset: Dataset, data_folder: Path, count: int, seed: int = 0) -> Document:
    """The first training examples of a seed: class and inputs; the last of many inputs are left out of the table."""
    examples = dataset.train(seed, 0, min(count, len(dataset)) if isinstance(dataset, FiniteDataset) else count)
    columns, classes = names_of(name, data_folder)
    heads = ("class", *(columns or [f"x{k + 1}" for k in range(dataset.n_inputs)]))
    labels: list[str | int] = [classes[label] if classes else int(label) for label in examples.labels]
    rows = [
        [str(label), *(_short(float(number)) for number in pixels[:MOST_COLUMNS])]
        for label, pixels in zip(labels, examples.pixels, strict=True)
    ]
    blocks: list[Block] = [Grid(heads[: MOST_COLUMNS + 1], rows)]
    if dataset.n_inputs > MOST_COLUMNS:
        blocks.append(Paragraph(f"The first {MOST_COLUMNS} of {dataset.n_inputs:,} inputs."))
    records: list[dict[str, Value]] = [
        dict(zip(heads, (label, *map(float, pixels)), strict=True))
        for label, pixels in zip(labels, examples.pixels, strict=True)
    ]
    return Document(f"Training examples of {dataset_text(name)}", blocks, Records(heads, records))


def _short(number: float) -> str:
    return f"{number:g}" if number == round(number) else f"{number:.3g}"
