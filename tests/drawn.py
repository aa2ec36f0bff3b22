"""Made-up runs with probes, and the figures drawn of them, for the tests of figures."""

from dataclasses import asdict
from pathlib import Path

from stored import a_provenance, a_record

from glorot.datasets.catalogue import DATASETS
from glorot.paper.figures import FIGURES
from glorot.results.store import Store
from glorot.training.probes import BINS, ProbeRow

QUANTITIES = ("activation", "gradient", "weight_gradient")


MOMENTS = (0, 50, 100)


NOWHERE = Path("no data")


def a_row(quantity, layer, update, salt=0.0):
    """A row with numbers that say where they are from, and a histogram that leans with its layer."""
    number = QUANTITIES.index(quantity) + layer / 10 + update / 1e4 + salt
    counts = tuple((layer + 1) * bin % (7 + layer) for bin in range(BINS))
    high = 1.0 if quantity == "activation" else 4 * number
    return ProbeRow(update, quantity, layer, number, number / 2, -number, 0.9 * number, None, -high, high, counts)


def some_probes(depth, salt=0.0):
    rows = [
        a_row(quantity, layer, update, salt)
        for update in MOMENTS
        for quantity in QUANTITIES
        for layer in range(1, depth + 1 + (quantity != "activation"))  # the last layer's are the logits
    ]
    rows += [ProbeRow(update, "jacobian", layer, 0.8, 0.1) for update in MOMENTS for layer in range(2, depth + 1)]
    return [asdict(row) for row in rows]


def store(
    folder, run_id, activation="tanh", initializer="standard", hidden=(30,) * 5, probed=True, salt=0.0, **changes
):
    """Write one finished run; its test error falls from 90 % to 40 % + salt."""
    updates = changes.get("updates", 100)
    info = DATASETS[changes.get("dataset", "shapeset")]
    own = {"inputs": info.inputs} if info.inputs != "unit" else {}
    own |= {"data": f"version {info.version}"} if info.version > 1 else {}
    changes = own | changes
    record = a_record(
        run_id, activation=activation, initializer=initializer, depth=len(hidden), hidden="-".join(map(str, hidden)),
        method=f"{activation} {initializer}", **changes,
    )  # fmt: skip
    history = [
        {"update": update, "examples": 10 * update, "train_loss": 1.0, "valid_loss": 1.0, "valid_error": 50.0,
         "test_loss": 1.0, "test_error": 90 - (50 - salt) * update / updates}
        for update in (0, updates // 2, updates)
    ]  # fmt: skip
    Store(folder).write_run(record, a_provenance(), history, some_probes(len(hidden), salt) if probed else ())


def page(number, runs, data=NOWHERE):
    return FIGURES[number].page(runs, data)
