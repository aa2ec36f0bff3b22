"""Support vector machines, through scikit-learn's SVC (one against one; the extra `svm`).

With g = gamma / (n_inputs * variance of all inputs of the training set), so that gamma: 1 suits any data set:

    rbf      K(x, y) = exp(-g |x - y|^2)
    poly     K(x, y) = (g x.y + 1)^degree
    linear   K(x, y) = x.y

The paper compares with the rbf kernel on Shapeset (section 2); LeCun et al. (1998) with rbf and polynomial ones on
MNIST. libsvm takes its examples in their order and draws nothing at random: no seed takes part.
"""

import math
from importlib import metadata
from typing import Any

import numpy as np

from glorot.datasets import Dataset, Examples, FiniteDataset
from glorot.datasets.inputs import levels_of, seen
from glorot.errors import GlorotError
from glorot.models.architectures import MODELS, SupportVectors
from glorot.sweeps.settings import Settings
from glorot.training.loop import PREDICTION, HistoryRow, Trained

CACHE_MEGABYTES = 1000  # of kernel values
CHUNK = 1000  # examples classified together


class SupportVectorMachine:
    """One machine to be fitted to all training examples. Raises GlorotError where that cannot be."""

    def __init__(self, settings: Settings, dataset: Dataset):
        if not isinstance(dataset, FiniteDataset):
            raise GlorotError(
                f"an SVM is fitted to a set of examples, but {dataset.name} has no end; "
                "add how many to take, e.g. train_examples: 10_000"
            )
        try:
            import sklearn.svm  # noqa: F401
        except ImportError:
            raise GlorotError(
                "an SVM needs scikit-learn, which is not installed; install it with: pip install 'glorot[svm]'"
            ) from None
        chosen = MODELS[settings.model]
        assert isinstance(chosen, SupportVectors)
        assert settings.inputs
        self.chosen, self.settings, self.dataset = chosen, settings, dataset
        self.levels = levels_of(settings.inputs, dataset)
        self.libraries = f"scikit-learn {metadata.version('scikit-learn')}"

    def fit(self) -> Trained:
        """Fit and evaluate; one row of history, whose losses are NaN."""
        from sklearn.svm import SVC

        chosen, examples = self.chosen, self.dataset.examples
        classes = np.unique(examples.labels)
        if len(classes) < 2:
            raise GlorotError(f"expected examples of two classes or more, found {len(classes)} in {len(examples)}")
        x = self._inputs(examples)
        variance = float(x.var())
        g = chosen.gamma / (x.shape[1] * variance) if variance else chosen.gamma
        machine = SVC(
            C=chosen.C, kernel=chosen.kernel, gamma=g, degree=chosen.degree, coef0=1.0, cache_size=CACHE_MEGABYTES
        )
        machine.fit(x, examples.labels)
        valid, _ = self._evaluated(machine, self.dataset.valid.first(self.settings.valid_examples))
        test, predicted = self._evaluated(machine, self.dataset.test.first(self.settings.test_examples))
        row = HistoryRow(1, len(examples), math.nan, math.nan, valid, math.nan, test)
        correct = predicted["label"] == predicted["prediction"]
        return Trained("done", 1, [row], correct=correct, predictions=predicted)

    def _inputs(self, examples: Examples) -> np.ndarray:
        """(n, n_inputs) float64, as libsvm takes them."""
        return seen(self.levels.astype(np.float64), examples.pixels)

    def _evaluated(self, machine: Any, examples: Examples) -> tuple[float, np.ndarray]:
        """Error in percent, and what was predicted, (n,) of type PREDICTION; a loss there is none."""
        predicted = np.empty(len(examples), PREDICTION)
        predicted["label"], predicted["loss"] = examples.labels, math.nan
        for i in range(0, len(examples), CHUNK):
            part = Examples(examples.pixels[i : i + CHUNK], examples.labels[i : i + CHUNK])
            predicted["prediction"][i : i + CHUNK] = machine.predict(self._inputs(part))
        wrong = predicted["label"] != predicted["prediction"]
        return 100 * int(wrong.sum()) / len(examples), predicted
