"""glorot: why does this deep network not train?

Reproduces the tables and figures of Glorot & Bengio (2010), "Understanding the difficulty of
training deep feedforward neural networks", and runs such studies of your own.

From Python there are four functions: `load`, `run`, `inspect` and `weights`. Everything else is private and may change.

The walk through the code::

    experiments/*.yaml -> sweeps -> execution -> training -> datasets, kernels -> results -> reporting
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "inspect", "load", "run", "weights"]

if TYPE_CHECKING:
    from glorot.api import inspect, load, run, weights
else:

    def __getattr__(name: str) -> Any:
        """The four functions, when one is first asked for: `import glorot` alone loads nothing."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from glorot import api

        return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
