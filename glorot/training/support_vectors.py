"""Support vector machines, one against one, by libsvm through scikit-learn's SVC (the extra `svm`).

With g = gamma / (n_inputs * variance of all inputs of the training set), so that gamma: 1 suits any data set:

    rbf      K(x, y) = exp(-g |x - y|^2)
    poly     K(x, y) = (g x.y + 1)^degree
    linear   K(x, y) = x.y

The paper compares with the rbf kernel on Shapeset (section 2); LeCun et al. (1998) with rbf and polynomial ones on
MNIST. libsvm takes its examples in their order and draws nothing at random: no seed takes part.

libsvm computes one kernel value at a time, which takes most of its time where inputs are many. So each pair of classes
is fitted here to a matrix of kernel values, made by one product of matrices. But for rounding, this gives what libsvm
gives by itself. A pair whose matrix is too large for this machine is left to libsvm.
"""

import math
from importlib import metadata
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from glorot.datasets import Dataset, Examples, FiniteDataset
from glorot.datasets.inputs import levels_of, seen
from glorot.errors import GlorotError
from glorot.machine import memory
from glorot.models.architectures import MODELS, SupportVectors
from glorot.sweeps.settings import Settings
from glorot.training.loop import PREDICTION, HistoryRow, Trained

if TYPE_CHECKING:
    from sklearn.svm import SVC

CACHE_MEGABYTES = 1000  # of kernel values, where libsvm computes them
CHUNK = 1000  # examples classified together
SHARE = 3 / 8  # of this machine's memory that one matrix of kernel values may take


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
        chosen, examples = self.chosen, self.dataset.examples
        classes = np.unique(examples.labels)
        if len(classes) < 2:
            raise GlorotError(f"expected examples of two classes or more, found {len(classes)} in {len(examples)}")
        x = self._inputs(examples)
        variance = float(x.var())
        g = chosen.gamma / (x.shape[1] * variance) if variance else chosen.gamma
        machine = OneAgainstOne(chosen, g, x, examples.labels)
        valid, _ = self._evaluated(machine, self.dataset.valid.first(self.settings.valid_examples))
        test, predicted = self._evaluated(machine, self.dataset.test.first(self.settings.test_examples))
        row = HistoryRow(1, len(examples), math.nan, math.nan, valid, math.nan, test)
        correct = predicted["label"] == predicted["prediction"]
        return Trained("done", 1, [row], correct=correct, predictions=predicted)

    def _inputs(self, examples: Examples) -> np.ndarray:
        """(n, n_inputs) float64, as libsvm takes them."""
        return seen(self.levels.astype(np.float64), examples.pixels)

    def _evaluated(self, machine: "OneAgainstOne", examples: Examples) -> tuple[float, np.ndarray]:
        """Error in percent, and what was predicted, (n,) of type PREDICTION; a loss there is none."""
        predicted = np.empty(len(examples), PREDICTION)
        predicted["label"], predicted["loss"] = examples.labels, math.nan
        for i in range(0, len(examples), CHUNK):
            part = Examples(examples.pixels[i : i + CHUNK], examples.labels[i : i + CHUNK])
            predicted["prediction"][i : i + CHUNK] = machine.predict(self._inputs(part))
        wrong = predicted["label"] != predicted["prediction"]
        return 100 * int(wrong.sum()) / len(examples), predicted


class OneAgainstOne:
    """A machine for each pair of classes. What most of them say is the class of an example; of equals, the first."""

    def __init__(self, chosen: SupportVectors, g: float, x: np.ndarray, labels: np.ndarray):
        """x: (n, n_inputs) float64. labels: (n,)."""
        self.chosen, self.g, self.x = chosen, g, x
        self.classes = np.unique(labels)
        self.pairs = list(combinations(range(len(self.classes)), 2))
        self.coefficients, self.intercepts = np.zeros((len(x), len(self.pairs))), np.zeros(len(self.pairs))
        for p, pair in enumerate(self.pairs):
            of_pair = np.flatnonzero(np.isin(labels, self.classes[list(pair)]))
            machine = self._fitted(x[of_pair], labels[of_pair])
            self.coefficients[of_pair[machine.support_], p] = machine.dual_coef_[0]
            self.intercepts[p] = machine.intercept_[0]

    def _fitted(self, x: np.ndarray, labels: np.ndarray) -> "SVC":
        """libsvm's machine for two classes."""
        from sklearn.svm import SVC

        if 8 * len(x) ** 2 <= SHARE * memory():
            return SVC(C=self.chosen.C, kernel="precomputed", cache_size=CACHE_MEGABYTES).fit(self.kernel(x, x), labels)
        return SVC(
            C=self.chosen.C, kernel=self.chosen.kernel, gamma=self.g, degree=self.chosen.degree, coef0=1.0,
            cache_size=CACHE_MEGABYTES,
        ).fit(x, labels)  # fmt: skip

    def kernel(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """K of each row of x, (n, n_inputs), with each of y, (m, n_inputs): (n, m)."""
        k = x @ y.T
        if self.chosen.kernel == "rbf":
            k *= -2
            k += np.einsum("ij,ij->i", x, x)[:, None]
            k += np.einsum("ij,ij->i", y, y)
            k *= -self.g
            np.exp(k, out=k)
        elif self.chosen.kernel == "poly":
            k *= self.g
            k += 1
            k **= self.chosen.degree
        return k

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The classes of examples, (m,). x: (m, n_inputs) float64."""
        above = self.kernel(x, self.x) @ self.coefficients + self.intercepts > 0
        votes = np.zeros((len(x), len(self.classes)), int)
        for p, (first, second) in enumerate(self.pairs):
            votes[:, second] += above[:, p]
            votes[:, first] += ~above[:, p]
        return self.classes[votes.argmax(axis=1)]
