"""Does a 64-bit Arm processor give the same bits? On an x86 machine, by QEMU's emulation of one process.

    python tests/arm.py FOLDER [WHAT...]

Compares the digests of bits.py, made under emulation, with golden/bits.json. WHAT: parts of their names; else all,
which takes long. FOLDER keeps what is needed (800 MB): Debian's Python for arm64, wheels of the versions that are
installed here, and the compiled kernels. It needs Debian or its keyring, and `apt-get install qemu-user-static`.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SUITE, PYTHON = "bookworm", "3.11"
LIBRARIES = (
    "libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3 libffi8 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 "
    "libncursesw6 libtinfo6 libreadline8 libdb5.3 libcrypt1 libnsl2 libtirpc3 libgomp1"
)
PACKAGES = f"{LIBRARIES} python{PYTHON}-minimal libpython{PYTHON}-minimal libpython{PYTHON}-stdlib python{PYTHON}"
PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (36, 35, 34, 31, 28, 27, 26, 24, 17)] + [
    "manylinux2014_aarch64"
]


def call(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def make(folder):
    """A system for arm64 in folder/root, and packages in folder/site."""
    for name in ("lists/partial", "cache/archives/partial", "debs", "root", "wheels", "site"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(f"deb http://deb.debian.org/debian {SUITE} main\n")  # signed
    options = {
        "APT::Architecture": "arm64", "APT::Architectures": "arm64", "Dir::State::Lists": folder / "lists",
        "Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Cache": folder / "cache",
    }  # fmt: skip
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    call(*apt, "update")
    call(*apt, "download", *PACKAGES.split(), cwd=folder / "debs")
    for package in sorted((folder / "debs").glob("*.deb")):
        call("dpkg-deb", "-x", package, folder / "root")
    needed = re.findall(r'^    "([a-z]+)>=', (TESTS.parent / "pyproject.toml").read_text(), re.MULTILINE)
    exact = [f"{name}=={version(name)}" for name in ("numpy", "numba", "llvmlite")]
    call(
        sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--implementation", "cp",
        "--python-version", PYTHON, *(f"--platform={name}" for name in PLATFORMS), "-d", folder / "wheels",
        *exact, *(name for name in needed if name not in ("numpy", "numba")),
    )  # fmt: skip
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        zipfile.ZipFile(wheel).extractall(folder / "site")
    (folder / "made").touch()


def emulated(folder, *arguments):
    """What Python prints under emulation."""
    root = folder / "root"
    libraries = f"{root}/lib/aarch64-linux-gnu:{root}/usr/lib/aarch64-linux-gnu"
    emulator = ["qemu-aarch64-static", "-L", root, "-E", f"LD_LIBRARY_PATH={libraries}"]
    environment = {
        "PYTHONHOME": f"{root}/usr", "PYTHONPATH": f"{TESTS.parent}:{folder}/site", "PATH": os.environ["PATH"],
        "NUMBA_CACHE_DIR": f"{folder}/kernels", "GLOROT_CACHE": f"{folder}/glorot", "HOME": str(folder),
    }  # fmt: skip
    command = [*emulator, root / "usr" / "bin" / f"python{PYTHON}", *arguments]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(folder, *wanted):
    """How many digests differ."""
    if not (folder / "made").exists():
        make(folder)
    versions = "import platform, numpy, numba; print(platform.machine(), numpy.__version__, numba.__version__)"
    print(emulated(folder, "-c", versions), end="", flush=True)
    golden = json.loads((TESTS / "golden" / "bits.json").read_text())
    found = json.loads(emulated(folder, TESTS / "bits.py", "1", *wanted))
    for name, digest in found.items():
        print("same     " if golden[name] == digest else "different", name)
    return sum(golden[name] != digest for name, digest in found.items())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).resolve(), *sys.argv[2:]) > 0)
