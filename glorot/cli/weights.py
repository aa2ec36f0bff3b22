"""`glorot weights`."""

from pathlib import Path

import click

from glorot.cli.shared import data_option, epilog, file_type, folder_type, plugin_option, say


@click.command(epilog=epilog("glorot weights 0c45472def62 -o weights.npz\n"
                           "glorot weights 0c45 --results results/examples -o weights.safetensors"))  # fmt: skip
@click.argument("run_id")
@click.option("-o", "--output", "file", type=file_type, required=True, metavar="FILE.npz|.safetensors",
              help="The file to write.")  # fmt: skip
@click.option("--results", type=folder_type, default=Path("results"), show_default=True, help="Folder of results.")
@data_option
@plugin_option
def weights(run_id: str, file: Path, results: Path, data: Path | None) -> None:
    """Write the final weights of a stored run to a file.

    RUN_ID is a run_id of runs.csv, or its first digits. The arrays have the names of torch.nn.Sequential: 0.weight
    (units, inputs), 0.bias, 2.weight, ... If the last state of the run is no longer in the cache, the run is trained
    again.
    """
    from glorot import api
    from glorot.results.store import write_bytes

    api.weights_file({}, file.suffix)  # before a run is trained again for nothing
    named = api.weights(run_id, results, data=data)
    write_bytes(file, api.weights_file(named, file.suffix))
    say(f"written: {file}: " + ", ".join(f"{name} {' x '.join(map(str, one.shape))}" for name, one in named.items()))
