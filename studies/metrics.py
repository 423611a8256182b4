"""What a study can be tuned for: one row a metric.

The figures are computed with NumPy alone. scikit-learn has them too, but its import takes a second
(measured once), which every worker would pay; the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Probabilities = npt.NDArray[np.float64]
    """Of each image and class, (images, classes); the rows add up to 1."""
    Labels = npt.NDArray[np.integer]
    """Class of each image, (images,)."""

ROUNDING = 1e-6
"""How much a figure may change because sums are added up in another order."""


@dataclass(frozen=True)
class Metric:
    """One figure of a set of images.

    Attributes:
        name: What settings and histories call it.
        direction: Whether more or less of it is better, in Optuna's words.
        label: What people read.
        perfect: The best value it can have.
        compute: Returns it for the probabilities (images, classes) and labels (images,) of at
            least one image.
        tolerance: Returns by how much it may differ where a model is evaluated again in another
            process, for the recorded figure and the number of images of each class. The floats are
            added up in another order there, and one image that stands on a boundary may be given
            another class; more than one has not been seen.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    label: str
    perfect: float
    compute: Callable[[Probabilities, Labels], float] = field(repr=False)
    tolerance: Callable[[float, Sequence[int]], float] = field(repr=False)

    @property
    def maximize(self) -> bool:
        """Whether more of it is better."""
        return self.direction == "maximize"

    def order(self, value: float | None) -> float:
        """Returns a key by which complete trials are sorted, the best first."""
        return (-1.0 if self.maximize else 1.0) * (value or 0.0)

    def best(self, values: Mapping[int, float]) -> int | None:
        """Returns the key of the best value, the lowest of equal ones; None for no values."""
        return min(values, key=lambda number: (self.order(values[number]), number), default=None)


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the share of images that are given their class, in [0, 1]."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def macro_f1(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean F1 of all classes, in [0, 1]; that of a class never seen is 0."""
    return f1_of_guesses(probabilities.argmax(axis=1), labels, probabilities.shape[1])


def f1_of_guesses(guesses: Labels, labels: Labels, classes: int) -> float:
    """Returns the mean over the classes of `2 TP / (2 TP + FP + FN)`, in [0, 1].

    Args:
        guesses: Classes given, (images,).
        labels: Classes, (images,).
        classes: How many there are.
    """
    import numpy as np

    right = np.bincount(labels[guesses == labels], minlength=classes)
    either = np.bincount(labels, minlength=classes) + np.bincount(guesses, minlength=classes)
    return float(np.divide(2 * right, either, out=np.zeros(classes), where=either > 0).mean())


def confusions(guesses: Labels, labels: Labels, classes: int) -> npt.NDArray[np.int64]:
    """Returns for each true class how many images are given each class, (classes, classes).

    Args:
        guesses: Classes given, (images,).
        labels: Classes, (images,).
        classes: How many there are.
    """
    import numpy as np

    cells = labels.astype(np.int64) * classes + guesses
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def balanced_accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean over the classes that occur of the share that is found, in [0, 1]."""
    import numpy as np

    images = np.bincount(labels)
    found = np.bincount(labels[probabilities.argmax(axis=1) == labels], minlength=len(images))
    return float((found[images > 0] / images[images > 0]).mean())


def auc(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean area under the ROC curve of each class against all others, in [0, 1].

    Fawcett 2006 (An introduction to ROC analysis, Pattern Recognition Letters 27:861-874): the
    chance that an image of a class gets a higher probability of it than an image of another class,
    where equal probabilities count half. A class that no image or every image has is left out; if
    none remains, the figure is that of chance, 0.5.
    """
    import numpy as np

    areas = []
    for number in range(probabilities.shape[1]):
        of_class = labels == number
        here, others = int(of_class.sum()), int((~of_class).sum())
        if not here or not others:
            continue
        # float32, as an exported model has no more: values that it cannot tell apart are equal.
        _, place, count = np.unique(
            probabilities[:, number].astype(np.float32), return_inverse=True, return_counts=True
        )
        mean_ranks = np.cumsum(count) - (count - 1) / 2  # from 1; equal values share theirs
        surplus = mean_ranks[place][of_class].sum() - here * (here + 1) / 2
        areas.append(surplus / (here * others))
    return float(np.mean(areas)) if areas else 0.5


def cross_entropy(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the mean negative logarithm of the probability of the right class, at least 0."""
    import numpy as np

    of_label = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_label, 1e-12)).mean())  # finite where sure and wrong


def evaluate(probabilities: Probabilities, labels: Labels) -> dict[str, float]:
    """Returns every metric, by name.

    Args:
        probabilities: Of each image and class, float64 (images, classes).
        labels: Class of each image, int (images,).
    """
    return {name: metric.compute(probabilities, labels) for name, metric in METRICS.items()}


def _one_image(_: float, images: Sequence[int]) -> float:
    return 1 / sum(images) + ROUNDING


def _one_image_of_a_class(_: float, images: Sequence[int]) -> float:
    """The mean over the classes changes most by an image of the smallest class."""
    return 1 / min(images) / len(images) + ROUNDING


def _one_image_in_f1(_: float, images: Sequence[int]) -> float:
    """It changes the F1 of two classes, each by at most 2 over the class's number of images."""
    return 4 / min(images) / len(images) + ROUNDING


def _one_image_in_ranks(_: float, images: Sequence[int]) -> float:
    """It may pass all others in every class: in its own as one of them, else as one of the rest."""
    others = sum(images) - max(images)
    return 1 / min(images) / len(images) + 1 / max(1, others) + ROUNDING


def _thousandth(recorded: float, _: Sequence[int]) -> float:
    return 1e-3 * max(1.0, abs(recorded))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("accuracy", "maximize", "accuracy", 1.0, accuracy, _one_image),
            Metric("macro_f1", "maximize", "macro F1", 1.0, macro_f1, _one_image_in_f1),
            Metric(
                "balanced_accuracy",
                "maximize",
                "balanced accuracy",
                1.0,
                balanced_accuracy,
                _one_image_of_a_class,
            ),
            Metric("auc", "maximize", "AUC", 1.0, auc, _one_image_in_ranks),
            Metric("loss", "minimize", "cross-entropy", 0.0, cross_entropy, _thousandth),
        )
    }
)


@dataclass(frozen=True)
class Cost:
    """What a model costs its users, whatever its images; less is better.

    Attributes:
        name: What settings and figures call it.
        label: What people read, with its unit.
    """

    name: str
    label: str
    direction: Literal["minimize"] = "minimize"


COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        cost.name: cost
        for cost in (Cost("latency", "ms an image"), Cost("size", "MB of the exported file"))
    }
)
"""What a metric can be weighed against; measured on the exported network."""
