"""Tests of `hpo.results.calibration`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from hpo.results.calibration import (
    MOST_TEMPERATURE,
    answers,
    calibration_error,
    reliability,
    temperature,
    tempered,
)
from studies.metrics import cross_entropy


def _calibrated(seed: int, images: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities and labels that they are exactly right about."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.4), images)
    labels = (probabilities.cumsum(axis=1) > rng.random((images, 1))).argmax(axis=1)
    return probabilities, labels


def test_temperature_is_found_again() -> None:
    """Probabilities that were sharpened by 2.5 need a temperature of 2.5."""
    probabilities, labels = _calibrated(0, 4000)
    assert temperature(probabilities, labels) == pytest.approx(1.0, rel=0.05)
    assert temperature(tempered(probabilities, 1 / 2.5), labels) == pytest.approx(2.5, rel=0.05)


@given(st.integers(0, 100), st.floats(0.3, 4.0))
def test_temperature_lowers_the_loss(seed: int, sharpened: float) -> None:
    """It is never much worse than no temperature, on the images that it was fitted on."""
    probabilities, labels = _calibrated(seed, 40)
    given = tempered(probabilities, sharpened)
    after = tempered(given, temperature(given, labels))
    # The added image of no class may cost a little.
    assert cross_entropy(after, labels) <= cross_entropy(given, labels) + 0.05


def test_nothing_becomes_certain() -> None:
    """Where every image is right, the confidence stays that of one error more than there were."""
    probabilities = np.tile([[0.9, 0.1]], (50, 1))
    labels = np.zeros(50, int)
    after = tempered(probabilities, temperature(probabilities, labels))
    assert after[0, 0] == pytest.approx(50.5 / 51, abs=1e-4)


def test_certain_and_wrong_is_finite() -> None:
    """A probability of 0 for the right class gives the largest temperature, and no infinity."""
    probabilities, labels = np.tile([[1.0, 0.0]], (20, 1)), np.array([0, 1] * 10)
    assert temperature(probabilities, labels) == pytest.approx(MOST_TEMPERATURE, rel=1e-3)


@given(st.integers(0, 100), st.floats(0.1, 10))
def test_tempered_keeps_the_class(seed: int, given: float) -> None:
    """A temperature changes no answer, and probabilities still add up to one."""
    probabilities, _ = _calibrated(seed, 30, classes=4)
    after = tempered(probabilities, given)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert (after.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_bins_are_those_of_scikit_learn() -> None:
    """Confidence and accuracy of each bin agree with scikit-learn's quantile bins."""
    probabilities, labels = _calibrated(1, 1500)
    found = reliability(probabilities, labels)
    confidence, right = answers(probabilities, labels)
    accuracy, mean = calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([b.confidence for b in found.bins], mean, atol=2e-3)
    np.testing.assert_allclose([b.accuracy for b in found.bins], accuracy, atol=0.02)
    assert sum(b.images for b in found.bins) == 1500
    assert all(b.low <= b.accuracy <= b.high for b in found.bins)


@pytest.mark.parametrize("images", [150, 600])
def test_error_is_the_true_one(images: int) -> None:
    """On average it is near the true error, where the usual figure is far above for few images."""
    plain, corrected, true = [], [], []
    for seed in range(40):
        probabilities, labels = _calibrated(seed, images)
        sharp = tempered(probabilities, 0.5)
        expected = probabilities[np.arange(images), sharp.argmax(axis=1)]
        true.append(float((sharp.max(axis=1) - expected).mean()))
        found = reliability(sharp, labels)
        plain.append(found.plain)
        corrected.append(found.error)
    # The standard error of the mean of 40 is about a twelfth of these distances.
    assert abs(np.mean(corrected) - np.mean(true)) < 0.015
    assert np.mean(corrected) < np.mean(plain)


def test_calibrated_is_told_from_overconfident() -> None:
    """Percentages that are right stay within chance's limit; exaggerated ones are beyond it."""
    probabilities, labels = _calibrated(3, 1000)
    good, bad = (
        reliability(probabilities, labels),
        reliability(tempered(probabilities, 0.4), labels),
    )
    assert good.plain < good.chance_limit
    assert good.error < bad.error / 3
    assert bad.plain > bad.chance_limit
    assert bad.error > 0.08


def test_one_image_is_enough() -> None:
    """It is one bin, and the error is its distance but for chance."""
    found = reliability(np.array([[0.8, 0.2]]), np.array([0]))
    assert [b.images for b in found.bins] == [1]
    assert found.plain == pytest.approx(0.2)
    assert calibration_error(np.array([[0.8, 0.2]]), np.array([0])) == found.error
