"""The settings of one run: what `fields.py` describes one by one, checked together."""

import functools
from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from glorot.datasets.inputs import inputs_misfit
from glorot.datasets.local import AnyData, info
from glorot.datasets.prepared import has_images
from glorot.datasets.truth_tables import values_of
from glorot.models.architectures import MODELS, ByHand, Convolutional, ignored
from glorot.models.constructions import EXACT, misfit
from glorot.models.initializers import INITIALIZERS
from glorot.models.layers import trainable
from glorot.models.losses import LOSSES
from glorot.models.optimizers import OPTIMIZERS
from glorot.models.pretraining import PRETRAINING
from glorot.models.schedules import schedule
from glorot.registry import parsed
from glorot.sweeps.fields import ABOUT, BESIDE_HIDDEN, DEFAULTS, Fields, check_field, idle_value, ignored_fields, no_use
from glorot.sweeps.values import DEFAULT_DEPTH, DEFAULT_WIDTH, dataset_text


class Settings(Fields):
    """Everything that decides one run; its fields are those of ``Fields``. Raises pydantic's ValidationError (a
    ValueError)."""

    @model_validator(mode="before")
    @classmethod
    def _whole_settings(cls, data: Any) -> Any:
        """hidden in place of depth and width; idle values in place of what the model ignores."""
        if not isinstance(data, Mapping):
            return data
        fields = dict(data)
        if {"depth", "width"} & fields.keys():
            if "hidden" in fields:
                raise ValueError(BESIDE_HIDDEN)
            depth = check_field("depth", fields.pop("depth", DEFAULT_DEPTH))
            fields["hidden"] = (check_field("width", fields.pop("width", DEFAULT_WIDTH)),) * depth
        for name in ignored_fields(fields):
            if fields.get(name) is not None and DEFAULTS.get(name, ...) is None:
                raise ValueError(no_use(fields["model"], name))
            fields[name] = idle_value(name)
        return fields

    @model_validator(mode="after")
    def _own_inputs(self) -> "Settings":
        if self.inputs is None:
            chosen = MODELS[self.model]
            own = chosen.inputs if isinstance(chosen, Convolutional) else info(self.dataset).inputs
            object.__setattr__(self, "inputs", own)
        if problem := inputs_misfit(str(self.inputs), self.dataset):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _pretraining_fits(self) -> "Settings":
        chosen, n = PRETRAINING[self.pretraining], self.batch_size
        problem = chosen.problem(self.activation, str(self.inputs), len(self.hidden))
        if problem is None and chosen.updates and (self.train_examples or n) < n:
            problem = f"expected as many train_examples as a minibatch has, {n}, found {self.train_examples}"
        if problem:
            raise ValueError(f"pretraining: {problem}")
        return self

    @model_validator(mode="after")
    def _initializer_fits(self) -> "Settings":
        chosen, layers = MODELS[self.model], None
        if isinstance(chosen, Convolutional):
            layers = sum(trainable(one) > 0 for one in chosen.layers(10, LOSSES[self.loss].rbf))
        elif self.model == "mlp":
            layers = len(self.hidden) + 1
        if problem := INITIALIZERS[self.initializer].problem(self.model, layers):
            raise ValueError(f"initializer: {problem}")
        return self

    @model_validator(mode="after")
    def _one_first_rate(self) -> "Settings":
        first = schedule(self.schedule).rate(0, self.learning_rate)
        if first != self.learning_rate:
            raise ValueError(
                f"schedule: expected the rate from update 0 on to be learning_rate, {self.learning_rate:g}; found "
                f"{first:g}; change one of them, or leave 0 out of the schedule"
            )
        return self

    @model_validator(mode="after")
    def _images_to_change(self) -> "Settings":
        for name in ("preprocessing", "augmentation"):
            if getattr(self, name) != ABOUT[name].older and not has_images(info(self.dataset), of_bytes=True):
                raise ValueError(
                    f"{name} changes images of bytes, but the examples of {self.dataset} are none; remove {name}, or "
                    "choose another data set"
                )
        return self

    @model_validator(mode="after")
    def _fits(self) -> "Settings":
        if why := unfit(self.model, self.dataset, self.activation, self.initializer, self.inputs):
            raise ValueError(why)
        if why := unfit_network(self.model, self.dataset, self.loss, self.optimizer):
            raise ValueError(why)
        return self

    @property
    def ignored(self) -> frozenset[str]:
        """The fields that this run's model has no use for."""
        return ignored(self.model, self.hidden)

    @property
    def float_inputs(self) -> bool:
        """Whether kernels take its examples as float32."""
        data = info(self.dataset)
        return data.floats or (data.columns and self.inputs == "standardized")

    @property
    def all_updates(self) -> int:
        """Of all phases: the pre-training of each hidden layer, then gradient descent on the whole network."""
        return len(self.hidden) * PRETRAINING[self.pretraining].updates + self.updates

    @property
    def depth(self) -> int:
        return len(self.hidden)

    @property
    def width(self) -> int | None:
        """Units of every hidden layer; None where the layers differ."""
        return self.hidden[0] if len(set(self.hidden)) == 1 else None


@functools.cache
def unfit(model: str, dataset: AnyData, activation: str, initializer: str, inputs: str | None) -> str:
    """Why a model cannot be for a data set, with these fields as Settings has them; empty where it can."""
    chosen = MODELS[model]
    if not isinstance(chosen, ByHand):
        needs = "expected a drawn initializer, as only models by hand have exact weights; found exact"
        return needs if initializer == EXACT and "initializer" not in chosen.ignores else ""
    if not (isinstance(dataset, str) and parsed(dataset)[0] == "boolean"):
        return f"expected a Boolean data set for the model {chosen.kind}, found {dataset_text(dataset)}"
    values, found = values_of(**info(dataset).parameters), inputs or info(dataset).inputs
    why = misfit(chosen.kind, values, activation, initializer, found)
    return f"the model {chosen.kind} on {dataset_text(dataset)}: {why}" if why else ""


def unfit_network(model: str, dataset: AnyData, loss: str, optimizer: str) -> str:
    """Why a loss, an optimizer or images cannot be for a model; empty where they can."""
    chosen, shape = MODELS[model], info(dataset).image_shape
    if not isinstance(chosen, Convolutional):
        if not LOSSES[loss].rbf:
            return ""
        return f"the loss {loss} is of RBF units, which only the model lenet5 has; use model: lenet5, or another loss"
    if len(shape) != 2 or max(shape) > chosen.side or info(dataset).floats:
        size = " x ".join(map(str, shape[-2:])) + (" in colour" if len(shape) == 3 else "")
        found = size if has_images(info(dataset), of_bytes=True) else "no images of bytes"
        return (
            f"the model {model}: expected grey images of up to {chosen.side} x {chosen.side} pixels, found {found} "
            f"({dataset_text(dataset)}); choose another data set, or make one with "
            f"{{folder: PATH, size: [{chosen.side}, {chosen.side}], color: grey}}"
        )
    if OPTIMIZERS[optimizer].statistic:
        return f"the model {model} has no optimizer {parsed(optimizer)[0]} yet; use another optimizer"
    return ""
