"""glorot from Python: what ``glorot.load``, ``run``, ``inspect`` and ``weights`` do. Everything else is private."""

from glorot.api.networks import NetworkView, inspect, weights, weights_file
from glorot.api.results import Results, load
from glorot.api.running import run

__all__ = ["NetworkView", "Results", "inspect", "load", "run", "weights", "weights_file"]
