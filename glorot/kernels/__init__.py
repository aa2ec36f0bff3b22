"""The devices networks run on, behind one small interface (``training.Kernels``). Only this module knows which."""

from typing import TYPE_CHECKING

from glorot.errors import DeviceError

if TYPE_CHECKING:
    from glorot.training import Kernels

DEVICES = ("auto", "cpu", "cuda")


def choose_device(requested: str) -> str:
    """The kind of device to use, "cpu" or "cuda", for one of DEVICES. Raises DeviceError where it is not there."""
    if requested == "cuda":
        raise DeviceError(
            "device cuda is not available: this version of glorot runs on the CPU only; use --device cpu or auto"
        )
    return "cpu"


def prepare(device: str) -> None:
    """Compile the device's kernels, or load them from the cache."""
    from glorot.kernels import cpu

    cpu.prepare()


def create(
    device: str,
    sizes: tuple[int, ...],
    activation: str,
    loss: str,
    batch_size: int,
    learning_rate: float,
    threads: int,
) -> "Kernels":
    """One network on a device. Its parameters are zeros until they are set."""
    from glorot.kernels.cpu import CpuKernels

    return CpuKernels(sizes, activation, loss, batch_size, learning_rate, threads)
