"""What pyproject.toml cannot say: every package there is, and the experiments, which lie beside them, as one."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["glorot", "glorot.*"]), "glorot.experiments"])
