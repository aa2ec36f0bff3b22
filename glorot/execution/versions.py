"""Whether a worker of a cluster computes with the same versions as the driver: else its bits may be others."""

from collections.abc import Mapping
from typing import Any

PACKAGES = ("numpy", "numba", "llvmlite", "glorot", "distributed")


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """What differs between two answers of Dask's get_versions, with the remedy; empty where nothing does.

    Of Python, only the first two numbers have to be equal: a third one brings no other bits.
    """
    mine, other = _versions(ours), _versions(theirs)
    found = [f"{name} {other[name]}, expected {mine[name]}" for name in mine if mine[name] != other[name]]
    return f"it has {'; '.join(found)}; install the same versions on both sides" if found else ""


def _versions(answer: Mapping[str, Any]) -> dict[str, str]:
    python = ".".join(str(answer["host"]["python"]).split(".")[:2])
    return {"python": python} | {name: str(answer["packages"].get(name) or "none") for name in PACKAGES}
