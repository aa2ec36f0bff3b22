"""What `model` names: which function of an image is fitted, by which learner, and which fields of a run it needs.

To add one: a line in MODELS at the bottom and, where it is fitted in a way of its own, a learner in
``training/learners.py``. Fields that a model ignores are no part of its runs' ids and have empty columns; a sweep that
sets one beside the model is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from glorot.models import lenet5
from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import INITIALIZERS
from glorot.models.layers import Description
from glorot.registry import Family, Number, OneOf, Parameter, Registry, Switch


@dataclass(frozen=True)
class Model:
    """A line of the registry.

    method: how tables call its runs; empty for activation and initializer, as in "Tanh N".
    formula: for `glorot list`. learner: a key of ``training.learners.LEARNERS``. ignores: fields of Settings that it
    has no use for. devices: where it can be fitted.
    """

    method: str
    formula: str
    learner: str = "gradient_descent"
    ignores: frozenset[str] = frozenset()
    devices: tuple[str, ...] = ("cpu", "cuda")


@dataclass(frozen=True)
class SupportVectors(Model):
    """A support vector machine. kernel, C, gamma, degree: as in SVM_PARAMETERS."""

    kernel: str = "rbf"
    C: float = 1.0
    gamma: float = 1.0
    degree: int = 3


@dataclass(frozen=True)
class Convolutional(Model):
    """A network of convolutions. layers: (number of classes, whether its output are RBF units) -> its layers. side: of
    the largest image it takes. inputs: what it sees of a pixel where a sweep does not say."""

    layers: Callable[[int, bool], tuple[Description, ...]] = lenet5.layers
    side: int = lenet5.SIDE
    inputs: str = "ink"


@dataclass(frozen=True)
class ByHand(Model):
    """A network of ``constructions.py``. kind: a key of BUILDERS there. parameters: of it, by name."""

    kind: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


# What gradient descent needs and a model that is fitted in one go does not.
OF_GRADIENT_DESCENT = frozenset({
    "activation", "initializer", "bias", "hidden", "loss", "batch_size", "learning_rate", "seed", "updates",
    "evaluate_every", "optimizer", "schedule", "pretraining", "augmentation", "probes", "checkpoint_minutes",
})  # fmt: skip
SVM_PARAMETERS: dict[str, Parameter] = {
    "kernel": OneOf("rbf", ("rbf", "poly", "linear")),
    "C": Number(1, 0, 1e9, low_open=True),
    "gamma": Number(1, 0, 1e6, low_open=True),
    "degree": Number(3, 1, 20, whole=True),
}
SVM_KERNELS = {"rbf": "RBF", "poly": "polynomial", "linear": "linear"}


def _svm(kernel: str, C: float, gamma: float, degree: int) -> SupportVectors:
    named = f"{SVM_KERNELS[kernel]} {degree}" if kernel == "poly" else SVM_KERNELS[kernel]
    formula = (
        "support vector machine, one against one; with g = gamma / (inputs * variance of the inputs): "
        "rbf exp(-g |x - y|^2), poly (g x.y + 1)^degree, linear x.y; C: the cost of an error"
    )
    return SupportVectors(f"SVM ({named})", formula, "svm", OF_GRADIENT_DESCENT, ("cpu",), kernel, C, gamma, degree)


# What the wiring gives, or only networks of layers have.
OF_LAYERS = frozenset({"hidden", "bias", "loss", "optimizer", "schedule", "probes", "checkpoint_minutes"})
GAIN: dict[str, Parameter] = {"gain": Number(10, 0, 1000, low_open=True)}
TIMES: dict[str, Parameter] = {"times": Number(1, 1, 1000, whole=True)}


def _by_hand(kind: str, label: str, formula: str, **parameters: Any) -> ByHand:
    return ByHand(label, formula, "by_hand", OF_LAYERS, ("cpu",), kind, parameters)


def _or_of_ands(gain: float, times: int) -> ByHand:
    formula = (
        "for a Boolean function: one hidden unit for each row with a 1, and an OR of them; times: multiplies the units"
    )
    return _by_hand("or_of_ands", _times("OR of ANDs", times), formula, gain=gain, times=times)


def _counting(gain: float, times: int) -> ByHand:
    formula = "for a Boolean function of N inputs: N hidden units that count the ones; times: multiplies the units"
    return _by_hand("counting", _times("Counting", times), formula, gain=gain, times=times)


def _times(label: str, times: int) -> str:
    return label if times == 1 else f"{label} x {times}"


def _xor_tree(tied: bool, gain: float) -> ByHand:
    formula = "for parity: a binary tree of XORs, each made of three units; tied: all XORs have the same weights"
    return _by_hand("xor_tree", f"XOR tree, {'tied' if tied else 'untied'}", formula, tied=tied, gain=gain)


MODELS: Registry[Model] = Registry(
    "model",
    {
        "mlp": Model("", "fully connected layers; with depth: 0 logistic regression"),
        "svm": Family(_svm, SVM_PARAMETERS),
        "lenet5": Convolutional(
            "LeNet-5",
            "convolutional network of LeCun et al. 1998; output: RBF units with loss rbf_map or rbf, else softmax",
            ignores=frozenset({"hidden", "pretraining"}),
            devices=("cpu",),
        ),
        "or_of_ands": Family(_or_of_ands, GAIN | TIMES),
        "counting": Family(_counting, GAIN | TIMES),
        "xor_tree": Family(_xor_tree, {"tied": Switch(True)} | GAIN),
    },
)


def ignored(model: str, hidden: tuple[int, ...] | None) -> frozenset[str]:
    """The fields of Settings that such a run has no use for. model: a key of MODELS. hidden: None: not known."""
    chosen = MODELS[model]
    without_units = chosen.learner == "gradient_descent" and hidden == () and "hidden" not in chosen.ignores
    return chosen.ignores | ({"activation", "bias"} if without_units else frozenset())


def method_of(model: str, hidden: tuple[int, ...], activation: str, initializer: str) -> str:
    """How tables call such a run: "Tanh", "Tanh N", "Logistic regression", "SVM (RBF)", "LeNet-5 (Tanh N)"."""
    chosen, suffix = MODELS[model], "" if not initializer else INITIALIZERS[initializer].suffix
    if isinstance(chosen, Convolutional):
        return f"{chosen.method} ({' '.join(filter(None, (ACTIVATIONS[activation].label, suffix)))})"
    label = chosen.method or (ACTIVATIONS[activation].label if hidden else "Logistic regression")
    return f"{label} {suffix}" if suffix and "initializer" not in chosen.ignores else label
