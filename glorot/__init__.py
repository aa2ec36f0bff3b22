"""glorot: why does this deep network not train?

Reproduces the tables and figures of Glorot & Bengio (2010), "Understanding the difficulty of
training deep feedforward neural networks", and runs such studies of your own.

The walk through the code::

    experiments/*.yaml -> sweeps -> execution -> training -> datasets, kernels -> results -> reporting
"""

__version__ = "0.1.0"
