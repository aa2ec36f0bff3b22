"""A small run and a small data set, for the tests of training."""

from glorot.sweeps.settings import Settings


def settings(**fields):
    return Settings(
        **{
            "dataset": "shapeset", "activation": "tanh", "learning_rate": 0.1, "hidden": (4,), "batch_size": 2,
            "updates": 10, "evaluate_every": 4, "seed": 5,
        }
        | fields
    )  # fmt: skip
