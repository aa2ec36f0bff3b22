"""Which GPU is found, and what is said where there is none: with drivers made up for it."""

import sys

import pytest

from glorot import kernels
from glorot.errors import DeviceError
from glorot.execution import engine, processes
from glorot.kernels import devices
from glorot.training.cell import now, provenance


class FakeDriver:
    """As much of libcuda as is called. gpus: (name, compute capability) of each."""

    def __init__(self, gpus=(), version=13000, error=0):
        self.gpus, self.version, self.error = gpus, version, error

    def cuInit(self, flags):
        return self.error

    def cuGetErrorString(self, code, text):
        text._obj.value = b"no CUDA-capable device is detected"
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = self.version
        return 0

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, handle, index):
        handle._obj.value = index
        return 0

    def cuDeviceGetName(self, name, size, handle):
        name.value = self.gpus[handle.value][0].encode()
        return 0

    def cuDeviceGetAttribute(self, value, attribute, handle):
        value._obj.value = self.gpus[handle.value][1][attribute - devices.MAJOR]
        return 0


@pytest.fixture
def machine(monkeypatch):
    """machine(driver, numba_cuda=True, version="580.65"): a machine with this driver, or none."""

    def make(driver, numba_cuda=True, version="580.65"):
        def load(name):
            if driver is None:
                raise OSError(f"{name}: cannot open shared object file")
            return driver

        monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
        monkeypatch.setattr(devices.ctypes, "CDLL", load)
        monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: object() if numba_cuda else None)
        monkeypatch.setattr(devices, "_driver_version", lambda: version)
        devices.find_gpus.cache_clear()

    yield make
    devices.find_gpus.cache_clear()


H200 = "NVIDIA H200", (9, 0)
OLD = "Tesla K80", (3, 7)

NOT_USABLE = {
    "too old a driver": (
        FakeDriver([H200], version=11080),
        True,
        r"expected a driver for CUDA 12.0 or later, found .* 11.8",
    ),
    "no GPU": (FakeDriver(error=100), True, r"driver error 100 \(no CUDA-capable device is detected\)"),
    "none visible": (FakeDriver(), True, "compute capability 7.0 or later, found none"),
    "too old a GPU": (FakeDriver([OLD]), True, r"found Tesla K80 \(3.7\)"),
    "no numba-cuda": (FakeDriver([H200]), False, r"expected the package numba-cuda, found none; install it with pip"),
}


def test_no_driver(machine):
    """Nobody expects a GPU then: auto says nothing."""
    machine(None)
    assert kernels.choose_device("auto") == ("cpu", "cpu", "")
    assert kernels.choose_device("cpu") == ("cpu", "cpu", "")
    with pytest.raises(DeviceError, match=r"device cuda: expected the NVIDIA driver .* found none; install it, or use"):
        kernels.choose_device("cuda")


@pytest.mark.parametrize("case", NOT_USABLE)
def test_a_gpu_that_cannot_be_used(machine, case):
    driver, numba_cuda, message = NOT_USABLE[case]
    machine(driver, numba_cuda)
    with pytest.raises(DeviceError, match=message):
        kernels.choose_device("cuda")
    chosen = kernels.choose_device("auto")
    assert chosen[:2] == ("cpu", "cpu")
    assert chosen.note.startswith("not on the GPU: device cuda: expected")


def test_gpus(machine):
    machine(FakeDriver([OLD, H200, H200]))
    label = "cuda (2 GPUs: NVIDIA H200, driver 580.65)"
    assert kernels.choose_device("auto") == kernels.choose_device("cuda") == ("cuda", label, "")
    assert kernels.choose_device("cpu").kind == "cpu"
    assert kernels.gpus("cuda") == [1, 2]
    assert kernels.gpus("cpu") == []
    assert kernels.hardware("cuda") == "NVIDIA H200, driver 580.65"
    assert kernels.hardware("cpu") is None


def test_provenance_says_which_numba_cuda(machine, monkeypatch):
    machine(FakeDriver([H200]))
    monkeypatch.setattr(
        "glorot.training.cell.metadata.version", lambda package: {"numba-cuda": "0.30.1"}.get(package, "9.9")
    )
    assert provenance(now(), 1.0, 1, "cuda")["numba"] == "9.9, numba-cuda 0.30.1"
    assert provenance(now(), 1.0, 1)["numba"] == "9.9"


def test_a_system_that_does_not_tell_the_drivers_version(machine):
    machine(FakeDriver([H200]), version="")
    assert kernels.hardware("cuda") == "NVIDIA H200, driver for CUDA 13.0"


@pytest.mark.parametrize(
    ("visible", "index", "expected"), [("", 1, "1"), ("4,6", 1, "6"), ("GPU-3f,GPU-4a", 0, "GPU-3f")]
)
def test_a_worker_sees_one_gpu(monkeypatch, visible, index, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices.use_only(index)
    assert devices.os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_one_run_a_gpu(monkeypatch):
    monkeypatch.setattr(processes, "cores", lambda: 16)
    assert processes.share_cores(10, None, gpus=2) == (2, 8)
    assert processes.share_cores(10, 1, gpus=2) == (1, 16)
    assert processes.share_cores(10, 8, gpus=4) == (4, 4)
    assert processes.share_cores(1, None, gpus=4) == (1, 16)
    assert processes.share_cores(10, None) == (10, 1)


def test_a_device_that_fails_ends_the_sweep(monkeypatch):
    """The worker's DeviceError arrives in the parent as one, and is no failure of the run."""

    def lost(*arguments):
        raise DeviceError("the GPU cannot go on: it fell off the bus")

    class Told:
        def recv(self):
            return processes._outcome(type("Run", (), {"settings": None, "device": "cuda"}), task, None)

    monkeypatch.setattr(engine, "run_cell", lost)
    task = engine.Tasks(None, None, False)
    worker = processes.Worker.__new__(processes.Worker)
    worker.run, worker.training, worker.connection = object(), False, Told()
    with pytest.raises(DeviceError, match="fell off the bus"):
        worker.receive()
    assert worker.run is None


def test_errors_of_the_driver(monkeypatch):
    pytest.importorskip("numba_cuda", reason="needs numba-cuda")
    from numba.cuda.cudadrv.error import CudaDriverError

    from glorot.kernels.cuda import device_errors

    with pytest.raises(DeviceError, match=r"not enough memory for this network .*OUT_OF_MEMORY"), device_errors():
        raise CudaDriverError("CUDA_ERROR_OUT_OF_MEMORY")
    with pytest.raises(DeviceError, match="cannot go on: CUDA_ERROR_ECC; check it with nvidia-smi"), device_errors():
        raise CudaDriverError("CUDA_ERROR_ECC")
    with pytest.raises(ZeroDivisionError), device_errors():
        raise ZeroDivisionError


def test_looking_for_gpus_loads_no_numba():
    assert "numba" not in devices.__dict__
    import subprocess

    code = "import sys; from glorot import kernels; kernels.choose_device('auto'); print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "False"
