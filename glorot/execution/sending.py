"""What the driver of a cluster sends its workers beside cells: data sets that it built, and saved states."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client

from glorot.datasets import folder as class_folders
from glorot.datasets.local import LocalData
from glorot.execution import remote
from glorot.execution.engine import Tasks
from glorot.results.store import write_bytes
from glorot.sweeps.runs import Run
from glorot.training.checkpoint import Checkpoints

PART = 2**24  # bytes of a file that are sent together


def send_data(client: Client, tasks: Tasks, dataset: LocalData, address: str) -> str:
    """Send the data file of a folder of images to a worker, unless another one of the same place has received it.

    Returns why that cannot be; empty where it can.
    """
    path = class_folders.data_file(dataset.content, tasks.data_folder)
    again = client.run(
        remote.look, "cpu", [dataset], tasks.data_folder, workers=[address], on_error="return"
    ).get(address)  # fmt: skip
    if isinstance(again, remote.Facts) and not again.lacking:
        return ""
    size = path.stat().st_size
    with open(path, "rb") as file:
        while part := file.read(PART):
            last = file.tell() >= size
            answer = client.run(
                remote.receive_data, dataset.content, part, last, workers=[address], on_error="return"
            ).get(address)  # fmt: skip
            if answer is not None:
                return f"data set {dataset} cannot be sent to it: {reason(answer)}"
    return ""


def send_states(client: Client, tasks: Tasks, run: Run, address: str) -> None:
    """Send what is saved of a cell to its worker. A state that does not arrive is only lost time."""
    for path in Checkpoints(tasks.checkpoint_folder, run.settings, run.device).saved():
        with suppress(OSError):
            data = path.read_bytes()
            client.run(remote.receive_state, path.name, data, workers=[address], on_error="return")


def keep_state(tasks: Tasks, name: str, data: bytes) -> None:
    """Keep a state that a worker sent, for whoever goes on from it."""
    with suppress(Exception):
        write_bytes(tasks.checkpoint_folder / Path(name).name, data)


def reason(error: Any) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
