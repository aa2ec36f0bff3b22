"""Every field that a sweep file can set: its name, type, bounds and default, and all else that is known of it alone.

A new field is a line in ``Fields``; sweep files, --set and --only take it from there. ``settings.py`` says which fields
go together.
"""

import functools
from collections.abc import Mapping
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from glorot.datasets.augmentation import Augmentation
from glorot.datasets.augmentation import parsed as parsed_augmentation
from glorot.datasets.inputs import INPUTS
from glorot.datasets.local import FORMS, LocalData
from glorot.datasets.prepared import PREPROCESSING
from glorot.models.activations import ACTIVATIONS
from glorot.models.architectures import MODELS, ignored
from glorot.models.initializers import INITIALIZERS
from glorot.models.losses import LOSSES
from glorot.models.optimizers import OPTIMIZERS
from glorot.models.pretraining import PRETRAINING
from glorot.models.schedules import CONSTANT, canonical
from glorot.registry import parsed
from glorot.sweeps.about import About, Paper, Role, count, in_words, sizes_text
from glorot.sweeps.values import (
    DEFAULT_DEPTH,
    DEFAULT_WIDTH,
    Depth,
    Probes,
    Width,
    augmentation_text,
    checked_dataset,
    checked_layers,
    checked_minutes,
    checked_number,
    checked_positive,
    checked_probes,
    choice_of,
    dataset_text,
    first_text,
    inputs_text,
    model_text,
    number_text,
    one_of,
    one_of_or_none,
    preprocessing_text,
    whole,
    whole_or_none,
)


class Fields(BaseModel):
    """The fields of a run, each checked alone, and all that is known of each.

    A new field is a line here; where glorot's results are older than it, with the value that runs had before (older).
    hidden: units of each hidden layer; ``Settings(depth=5, width=1000, ...)`` means the same.
    dataset: a name of DATASETS, or a LocalData: what is built here, from images the user has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dataset: Annotated[
        str | LocalData,
        BeforeValidator(checked_dataset),
        About(
            "Data set",
            "a name of `glorot list`, `{boolean: {function: parity, bits: 8}}`, or your own: "
            + ", ".join(f"`{text}`" for text, _ in FORMS.values()),
            text=dataset_text,
            example=("shapeset", "[shapeset, mnist]"),
        ),
    ]
    model: Annotated[
        str,
        choice_of(MODELS),
        About(
            "Model",
            "what is trained: `mlp`, fully connected layers, or another of `glorot list`",
            text=model_text,
            paper="mlp",
            older="mlp",
            choices=MODELS,
        ),
    ] = "mlp"
    activation: Annotated[
        str,
        choice_of(ACTIVATIONS),
        About(
            "Activation",
            "activation function of the hidden units; names: `glorot list`",
            idle="linear",
            choices=ACTIVATIONS,
            text=in_words,
            example=("tanh", "[tanh, sigmoid]"),
        ),
    ]
    initializer: Annotated[
        str,
        choice_of(INITIALIZERS),
        About(
            "Initializer",
            "how the initial weights are drawn; names: `glorot list`",
            choices=INITIALIZERS,
            text=in_words,
        ),
    ] = "standard"
    bias: Annotated[
        float,
        BeforeValidator(checked_number),
        About(
            "Initial biases",
            "biases of all hidden units before training; those of the output are 0",
            float,
            number_text,
            paper=0.0,
            older=0.0,
        ),
    ] = 0.0
    hidden: Annotated[
        tuple[int, ...],
        BeforeValidator(checked_layers),
        About(
            "Hidden layers",
            "units of each hidden layer, from the input on; or `depth` and `width`. `depth: 0` is logistic regression",
            text=sizes_text,
            paper=(1000,) * 5,
            scaled=True,
            idle=(),
        ),
    ] = (DEFAULT_WIDTH,) * DEFAULT_DEPTH
    loss: Annotated[
        str,
        choice_of(LOSSES),
        About(
            "Loss",
            "the cost that is minimized; names: `glorot list`",
            paper="cross_entropy",
            choices=LOSSES,
            text=in_words,
        ),
    ] = "cross_entropy"
    batch_size: Annotated[
        int, whole(1, 10**6), About("Minibatch", "examples per update", int, count, paper=10, scaled=True)
    ] = 10
    learning_rate: Annotated[
        float,
        BeforeValidator(checked_positive),
        About(
            "Learning rate",
            "step size of gradient descent",
            float,
            idle=1.0,
            example=("0.03", "[0.1, 0.03, 0.01]"),
        ),
    ]
    optimizer: Annotated[
        str,
        choice_of(OPTIMIZERS),
        About(
            "Optimizer",
            "how the gradient changes the weights; names: `glorot list`",
            paper="sgd",
            older="sgd",
            choices=OPTIMIZERS,
            text=in_words,
        ),
    ] = "sgd"
    schedule: Annotated[
        str,
        BeforeValidator(canonical),
        About(
            "Schedule",
            "of the learning rate: `constant`, or steps; with `{100_000: 2e-4}` it is 2e-4 from update 100,000 on",
            paper=CONSTANT,
            older=CONSTANT,
        ),
    ] = CONSTANT
    pretraining: Annotated[
        str,
        choice_of(PRETRAINING),
        About(
            "Pre-training",
            "of the hidden layers, without labels, before gradient descent: `none`, or `denoising` with parameters",
            paper="none",
            older="none",
            choices=PRETRAINING,
            text=in_words,
        ),
    ] = "none"
    seed: Annotated[
        int, whole(0, 2**63 - 1), About("Seed", "decides the initial weights and the order of the examples", int)
    ] = 0
    updates: Annotated[
        int,
        whole(0, 10**12),
        About(
            "Updates",
            "steps of gradient descent; with 0 the initial weights stay as they are",
            int,
            count,
            paper=5_000_000,
            scaled=True,
            idle=1,
            example=("60_000", "[20_000, 60_000]"),
        ),
    ]
    inputs: Annotated[
        str | None,
        one_of_or_none(INPUTS),
        About(
            "Inputs",
            "scale of the pixels: `unit` [0, 1], `symmetric` [-1, 1], `ink` [-0.1, 1.175], or `standardized` to mean 0 "
            "and standard deviation 1 (in rows of numbers: each column); numbers that are not bytes: `raw` or "
            "`standardized`; default: `ink` for `lenet5`, `symmetric` for Shapeset, `raw` for such numbers, else "
            "`unit`",
            text=inputs_text,
            paper=Paper.SILENT,
            older="unit",
        ),
    ] = None
    preprocessing: Annotated[
        str,
        one_of(PREPROCESSING),
        About(
            "Preprocessing",
            "a change of every image before training: `none`, or `deskew`, which shears its ink upright",
            text=preprocessing_text,
            paper="none",
            older="none",
        ),
    ] = "none"
    augmentation: Annotated[
        Augmentation | None,
        BeforeValidator(parsed_augmentation),
        About(
            "Augmentation",
            "random distortions of the training images, different each time: `{shift: 2, rotation: 15, scaling: 0.15, "
            "shear: 0.15, elastic: {sigma: 4, alpha: 34}, flip: true}`, or some of these; default: none",
            text=augmentation_text,
            paper=None,
            older=None,
        ),
    ] = None
    train_examples: Annotated[
        int | None,
        whole_or_none(1, 10**9),
        About(
            "Training examples",
            "train only on the first examples, as many as this; default: all (Shapeset has no end)",
            int,
            first_text,
            paper=None,
            older=None,
        ),
    ] = None
    evaluate_every: Annotated[
        int,
        whole(1, 10**12),
        About(
            "Updates between evaluations",
            'updates from one evaluation to the next; the paper calls 20,000 updates an "epoch"',
            int,
            count,
            Role.WATCHES,
        ),
    ] = 20_000
    valid_examples: Annotated[
        int,
        whole(1, 10**9),
        About("Examples validated", "how many examples of the validation set are used", int, count, Role.MEASURES),
    ] = 10_000
    test_examples: Annotated[
        int,
        whole(1, 10**9),
        About("Examples tested", "how many examples of the test set are used", int, count, Role.MEASURES),
    ] = 10_000
    probes: Annotated[
        Probes | None,
        BeforeValidator(checked_probes),
        About(
            "Probes",
            "when to look inside the network: `{every: 20_000}` or `{at: [0, 1000], examples: 300}`; default: never",
            role=Role.WATCHES,
            older=None,
        ),
    ] = None
    checkpoint_minutes: Annotated[
        float,
        BeforeValidator(checked_minutes),
        About("Minutes between saved states", "how often the state of a run is saved", float, role=Role.SERVES),
    ] = 5.0


ABOUT: dict[str, About] = {
    name: next(one for one in info.metadata if isinstance(one, About)) for name, info in Fields.model_fields.items()
}


LAYERS = ("hidden", "depth", "width")
FIELDS = tuple(
    name for field in Fields.model_fields for name in (LAYERS if field == "hidden" else (field,))
)  # as they are written: with depth and width
DEFAULTS: dict[str, Any] = {
    name: info.default for name, info in Fields.model_fields.items() if not info.is_required()
} | {"depth": DEFAULT_DEPTH, "width": DEFAULT_WIDTH}
BESIDE_HIDDEN = "depth and width cannot stand beside hidden, which gives all layer sizes; keep one or the other"


def idle_value(name: str) -> Any:
    """What a run has in a field that its model ignores."""
    return DEFAULTS.get(name) if ABOUT[name].idle is None else ABOUT[name].idle


def ignored_fields(fields: Mapping[str, Any]) -> frozenset[str]:
    """The fields that a run with these fields (of a sweep, as far as they are known) has no use for."""
    try:
        model = MODELS.canonical(fields.get("model", "mlp"))
    except ValueError:
        return frozenset()
    return ignored(model, () if fields.get("depth") == 0 else fields.get("hidden"))


def no_use(model: Any, name: str) -> str:
    """Why a field cannot stand beside a model, and what to do."""
    return (
        f"the model {parsed(MODELS.canonical(model))[0]} has no use for {name}; remove {name}, or choose another model"
    )


@functools.cache
def _adapter(name: str) -> TypeAdapter:
    if name in ("depth", "width"):
        return TypeAdapter(Depth if name == "depth" else Width)
    return TypeAdapter(get_type_hints(Fields, include_extras=True)[name])


def check_field(name: str, value: Any) -> Any:
    """The value in its canonical form. Raises ValueError: expected, found. name: one of FIELDS."""
    try:
        return _adapter(name).validate_python(value)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0].get("ctx", {}).get("error") or error)) from None


def combined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of base and of a choice of every axis; later parts win, hidden replaces depth and width."""
    fields: dict[str, Any] = {}
    for part in parts:
        if "hidden" in part:
            fields = {name: value for name, value in fields.items() if name not in LAYERS}
        fields |= part
    return fields
