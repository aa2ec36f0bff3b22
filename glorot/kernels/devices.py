"""Which NVIDIA GPUs there are, asked of the driver itself: without Numba, so that the command line stays light."""

import contextlib
import ctypes
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glorot.errors import DeviceError

LEAST_CUDA = 12, 0  # what the driver must be able to run
LEAST_CAPABILITY = 7, 0  # Volta
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


@dataclass(frozen=True)
class Gpu:
    """index: its place among the visible ones. driver: its version. capability: compute capability."""

    index: int
    name: str
    driver: str
    capability: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.name}, driver {self.driver}"


def simulated() -> bool:
    """Whether numba.cuda runs its simulator in this process."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


@cache
def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that can be used, at least one. Raises DeviceError: what was expected, what was found, what to do."""
    if simulated():
        _check_numba_cuda()
        return (Gpu(0, "CUDA simulator", "none", (0, 0)),)
    driver = _driver()
    _check(driver, driver.cuInit(0))
    version = ctypes.c_int()
    _check(driver, driver.cuDriverGetVersion(ctypes.byref(version)))
    cuda = version.value // 1000, version.value % 1000 // 10
    if cuda < LEAST_CUDA:
        raise DeviceError(
            f"device cuda: expected a driver for CUDA {_dotted(LEAST_CUDA)} or later, found one for CUDA "
            f"{_dotted(cuda)}; update the NVIDIA driver, or use --device cpu"
        )
    count = ctypes.c_int()
    _check(driver, driver.cuDeviceGetCount(ctypes.byref(count)))
    found = [_gpu(driver, index, _driver_version() or f"for CUDA {_dotted(cuda)}") for index in range(count.value)]
    usable = tuple(gpu for gpu in found if gpu.capability >= LEAST_CAPABILITY)
    if not usable:
        names = ", ".join(f"{gpu.name} ({_dotted(gpu.capability)})" for gpu in found) or "none"
        raise DeviceError(
            f"device cuda: expected a GPU of compute capability {_dotted(LEAST_CAPABILITY)} or later, found {names}; "
            "look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu"
        )
    _check_numba_cuda()
    return usable


def has_driver() -> bool:
    """Whether there is an NVIDIA driver at all. Without one, nobody expects a GPU to be used."""
    try:
        _driver()
    except DeviceError:
        return False
    return True


def use_only(index: int) -> None:
    """Let this process see one GPU alone, by its index among the visible ones. Before anything has used a GPU."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[index] if index < len(visible) else str(index)


def _driver() -> ctypes.CDLL:
    """The driver's library. Raises DeviceError where there is none."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError:
        raise DeviceError(
            f"device cuda: expected the NVIDIA driver ({name}), found none; install it, or use --device cpu or auto"
        ) from None


def _check(driver: ctypes.CDLL, code: int) -> None:
    if code == 0:
        return
    text = ctypes.c_char_p()
    with contextlib.suppress(AttributeError):  # a very old driver
        driver.cuGetErrorString(code, ctypes.byref(text))
    reason = text.value.decode(errors="replace") if text.value else "no explanation"
    raise DeviceError(
        f"device cuda: expected a working GPU, found driver error {code} ({reason}); look at nvidia-smi and "
        "CUDA_VISIBLE_DEVICES, or use --device cpu"
    )


def _check_numba_cuda() -> None:
    if importlib.util.find_spec("numba_cuda") is None:
        raise DeviceError(
            "device cuda: expected the package numba-cuda, found none; install it with "
            "pip install 'glorot[cuda13]' (or cuda12, after the driver's version), or use --device cpu"
        )


def _gpu(driver: ctypes.CDLL, index: int, version: str) -> Gpu:
    handle, name = ctypes.c_int(), ctypes.create_string_buffer(128)
    _check(driver, driver.cuDeviceGet(ctypes.byref(handle), index))
    _check(driver, driver.cuDeviceGetName(name, len(name), handle))
    capability = []
    for attribute in (MAJOR, MINOR):
        value = ctypes.c_int()
        _check(driver, driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle))
        capability.append(value.value)
    return Gpu(index, name.value.decode(errors="replace"), version, (capability[0], capability[1]))


def _driver_version() -> str:
    """Such as "580.65.06"; nothing where the system does not say."""
    with contextlib.suppress(OSError):
        found = re.search(r"\d{3,}\.\d+(\.\d+)?", Path("/proc/driver/nvidia/version").read_text())
        return found[0] if found else ""
    return ""


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
