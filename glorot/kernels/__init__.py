"""The devices networks run on, behind one small interface (``protocol.Kernels``). Only this module knows which."""

import os
from typing import TYPE_CHECKING, NamedTuple

from glorot.errors import DeviceError, GlorotError
from glorot.kernels import devices

if TYPE_CHECKING:
    import numpy as np

    from glorot.kernels.denoising import Denoising
    from glorot.kernels.protocol import Kernels
    from glorot.models.layers import Description
    from glorot.models.pretraining import Pretraining

DEVICES = ("auto", "cpu", "cuda")


class Choice(NamedTuple):
    """kind: "cpu" or "cuda". label: for people. note: why it is not another one; empty if nobody would ask."""

    kind: str
    label: str
    note: str = ""


def choose_device(requested: str) -> Choice:
    """The device to use for one of DEVICES. Raises DeviceError where it is not there, or nothing would be compiled."""
    if os.environ.get("NUMBA_DISABLE_JIT", "").strip() not in ("", "0"):
        raise DeviceError(
            "NUMBA_DISABLE_JIT is set: without compiling, a run would take a thousand times as long; unset it"
        )
    if requested == "cpu" or (requested == "auto" and (devices.simulated() or not devices.has_driver())):
        return Choice("cpu", "cpu")
    try:
        found = devices.find_gpus()
    except DeviceError as error:
        if requested == "cuda":
            raise
        return Choice("cpu", "cpu", f"not on the GPU: {error}")
    several = f"{len(found)} GPUs: " if len(found) > 1 else ""
    return Choice("cuda", f"cuda ({several}{'; '.join(dict.fromkeys(map(str, found)))})")


def gpus(device: str) -> list[int]:
    """The indices of the GPUs that runs on this device share, one run each; none for the CPU. Raises DeviceError."""
    return [gpu.index for gpu in devices.find_gpus()] if device == "cuda" else []


def hardware(device: str) -> str | None:
    """Name and driver of the GPU this process uses; None for the CPU."""
    return str(devices.find_gpus()[0]) if device == "cuda" else None


NO_PRETRAINING = "pretraining: not on a GPU yet; use --device cpu"


NO_FLOATS = "data that are no bytes, or are standardized by columns: not on a GPU yet; use --device cpu"


def not_there(device: str, optimizer: str, pretraining: str = "none", floats: bool = False) -> str | None:
    """Why a device has no kernels for these, and what to do; None where it has. floats: of the examples."""
    if device == "cuda" and floats:
        return NO_FLOATS
    if device == "cuda" and optimizer != "sgd":
        return f"optimizer {optimizer}: not on a GPU yet, only sgd is; use --device cpu"
    return NO_PRETRAINING if device == "cuda" and pretraining != "none" else None


def prepare(device: str, activation: str, loss: str, optimizer: str = "sgd", numbers: "np.dtype | None" = None) -> None:
    """Compile the device's kernels of such networks, or load them from the cache. numbers: the type of their examples'
    pixels; None: bytes. Raises DeviceError where it has none."""
    if reason := not_there(device, optimizer, floats=str(numbers) == "float32"):
        raise DeviceError(reason)
    if device == "cuda":  # they are compiled for the network
        return
    from glorot.kernels import cpu
    from glorot.models.optimizers import OPTIMIZERS

    cpu.prepare(activation, loss, optimizer)
    if OPTIMIZERS[optimizer].statistic:
        from glorot.kernels import curvature

        curvature.prepare(activation, loss, optimizer)


def denoising_layers(
    kernels: "Kernels", chosen: "Pretraining", activation: str, inputs: str, layers: int, seed: int
) -> "list[Denoising]":
    """What pre-trains each hidden layer of a network, one after the other. Raises DeviceError where its device has no
    such kernels."""
    from glorot.kernels.cpu import CpuKernels
    from glorot.kernels.denoising import Denoising, prepare

    if not isinstance(kernels, CpuKernels):
        raise DeviceError(NO_PRETRAINING)
    decoders = [chosen.decoder(l, activation, inputs) for l in range(layers)]
    prepare(*kernels.formulas, set(decoders))
    of_layers = zip(decoders, chosen.corruptions(layers), strict=True)
    return [
        Denoising(kernels, l, decoder, corruption, chosen.learning_rate, seed)
        for l, (decoder, corruption) in enumerate(of_layers)
    ]


def create(
    device: str,
    sizes: tuple[int, ...],
    activation: str,
    loss: str,
    batch_size: int,
    learning_rate: float,
    threads: int,
    levels: "np.ndarray | None" = None,
    optimizer: str = "sgd",
) -> "Kernels":
    """One network on a device. Its parameters are zeros until they are set. Raises DeviceError.

    levels: (256,) float32, what the network sees of each byte; None: k / 255.
    """
    from glorot.datasets.inputs import UNIT

    levels = UNIT if levels is None else levels
    if reason := not_there(device, optimizer):
        raise DeviceError(reason)
    if device == "cuda":
        devices.find_gpus()
        from glorot.kernels.cuda import CudaKernels

        return CudaKernels(sizes, activation, loss, batch_size, learning_rate, threads, levels)
    from glorot.kernels.curvature import CpuKernels, CurvatureKernels
    from glorot.models.optimizers import OPTIMIZERS

    made = CurvatureKernels if OPTIMIZERS[optimizer].statistic else CpuKernels
    return made(sizes, activation, loss, batch_size, learning_rate, threads, levels, optimizer)


def create_convolutional(
    layers: "tuple[Description, ...]",
    image: tuple[int, int],
    activation: str,
    loss: str,
    batch_size: int,
    learning_rate: float,
    threads: int,
    levels: "np.ndarray | None" = None,
    optimizer: str = "sgd",
) -> "Kernels":
    """A network of convolutions on the CPU, compiled or loaded from the cache. Its parameters are zeros until they are
    set. image: height and width of the images. Raises GlorotError."""
    from glorot.datasets.inputs import UNIT
    from glorot.kernels import convolution_network

    levels = UNIT if levels is None else levels
    try:
        made = convolution_network.ConvolutionKernels(
            layers, image, activation, loss, batch_size, learning_rate, threads, levels, optimizer
        )
    except ValueError as error:
        raise GlorotError(str(error)) from None
    convolution_network.prepare(activation, loss, optimizer)
    return made
