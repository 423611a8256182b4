"""Whether a model's percentages can be trusted, and from which on its answers can."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpo.results.calibration import Reliability, answers, reliability, temperature, tempered
from hpo.results.judged import Judged
from hpo.results.sealed_test import wilson

TARGETS = (0.90, 0.95, 0.98, 0.99)
"""Shares of right answers that somebody may want."""
OF_A_CLASS = 0.95
"""The share that the threshold of a class is for."""
FEWEST = 20
"""Of fewer answers no threshold is taken: chance would decide."""
POINTS = 60
FOLDS = 5

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """What is left where a model may say that it does not know.

    Attributes:
        threshold: It answers from this confidence on.
        images: Images that could be answered.
        answered: Those that are.
        right: Those that are answered rightly.
        target: Share of right answers that the threshold was chosen for on validation images.
    """

    threshold: float
    images: int
    answered: int
    right: int
    target: float | None = None

    @property
    def coverage(self) -> float:
        """Share of the images that is answered, in [0, 1]."""
        return self.answered / self.images if self.images else 0.0

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, in [0, 1]; None where there are none."""
        return self.right / self.answered if self.answered else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval; from 0 to 1 where there are no answers."""
        return wilson(self.right, self.answered) if self.answered else (0.0, 1.0)


@dataclass(frozen=True)
class Trust:
    """How far a model can be trusted.

    Attributes:
        measured_on: The part of the data that all figures are of.
        images: Its images.
        temperature: Found on the validation images.
        before: Confidence and accuracy as the model gives them.
        after: The same with the temperature.
        curve: For falling thresholds what is answered, from the surest image to all.
        targets: For some of `TARGETS` what a threshold that reaches it on validation images gives.
        classes: Name of each class to what its own threshold gives, for `OF_A_CLASS`; None where
            none reaches it or there are too few answers.
    """

    measured_on: str
    images: int
    temperature: float
    before: Reliability
    after: Reliability
    curve: tuple[Answers, ...]
    targets: tuple[Answers, ...]
    classes: tuple[tuple[str, Answers | None], ...]


def trust(validation: Judged, test: Judged | None) -> Trust:
    """Returns how far a model can be trusted.

    The temperature and all thresholds are chosen on validation images and measured on the test
    images. Where nobody has looked at these, the temperature is found on four fifths of the
    validation images for the last fifth, and thresholds are measured where they were chosen.

    Args:
        validation: What the model says about the validation images.
        test: About the test images; None where they are sealed.
    """
    found = temperature(validation.probabilities, validation.labels)
    chosen = answers(tempered(validation.probabilities, found), validation.labels)
    measured = test or validation
    after = tempered(test.probabilities, found) if test else _crossed(validation)
    confidence, right = answers(after, measured.labels)
    return Trust(
        measured_on=measured.part,
        images=len(measured),
        temperature=found,
        before=reliability(measured.probabilities, measured.labels),
        after=reliability(after, measured.labels),
        curve=_curve(confidence, right),
        targets=tuple(
            _answers(confidence, right, threshold, target)
            for target in TARGETS
            if (threshold := threshold_for(*chosen, target)) is not None
        ),
        classes=tuple(
            (name, _of_class(chosen, validation.guesses == label, confidence, right, given))
            for label, name in enumerate(measured.classes)
            for given in [measured.guesses == label]
        ),
    )


def threshold_for(confidence: Floats, right: Flags, target: float) -> float | None:
    """Returns the lowest confidence from which on a share of answers is right; None without one.

    Args:
        confidence: Of each image, (n,).
        right: Whether its answer is right, (n,).
        target: The share, in (0, 1).
    """
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Images of one confidence are answered together or not at all.
    sorted_ = confidence[order]
    last = np.append(sorted_[1:] < sorted_[:-1], True) if len(order) else np.zeros(0, bool)
    reached = np.flatnonzero((shares >= target) & last & (np.arange(len(order)) + 1 >= FEWEST))
    if not len(reached):
        return None
    return 0.0 if reached[-1] == len(order) - 1 else float(sorted_[reached[-1]])


def _of_class(
    chosen: tuple[Floats, Flags],
    given_before: Flags,
    confidence: Floats,
    right: Flags,
    given: Flags,
) -> Answers | None:
    threshold = threshold_for(chosen[0][given_before], chosen[1][given_before], OF_A_CLASS)
    if threshold is None:
        return None
    return _answers(confidence[given], right[given], threshold, OF_A_CLASS)


def _answers(
    confidence: Floats, right: Flags, threshold: float, target: float | None = None
) -> Answers:
    above = confidence >= threshold
    return Answers(threshold, len(right), int(above.sum()), int(right[above].sum()), target)


def _curve(confidence: Floats, right: Flags) -> tuple[Answers, ...]:
    least = min(FEWEST, len(confidence))
    places = np.unique(np.linspace(least, len(confidence), POINTS).astype(int))
    falling = np.sort(confidence)[::-1]
    return tuple(_answers(confidence, right, float(falling[place - 1])) for place in places)


def _crossed(judged: Judged) -> Floats:
    """Returns probabilities with temperatures that were found on other images."""
    after = judged.probabilities.copy()
    folds = np.random.default_rng(0).permutation(len(judged)) % FOLDS
    for number in range(min(FOLDS, len(judged))):
        inside, outside = folds == number, folds != number
        if outside.any():
            found = temperature(judged.probabilities[outside], judged.labels[outside])
            after[inside] = tempered(judged.probabilities[inside], found)
    return after
