"""Tests of `hpo.analysis.trust`."""

from __future__ import annotations

import numpy as np
import pytest

from data_pipeline.parts import Split
from hpo.analysis.trust import FEWEST, OF_A_CLASS, threshold_for, trust
from hpo.results.calibration import tempered
from hpo.results.judged import Judged


def judged(part: Split, images: int, seed: int, sharpened: float = 2.5) -> Judged:
    """Returns answers of a model that exaggerates: its logits are multiplied."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(3, 0.2), images)
    labels = (true.cumsum(axis=1) > rng.random((images, 1))).argmax(axis=1)
    paths = tuple(f"{part}{row}" for row in range(images))
    probabilities = tempered(true, 1 / sharpened)
    return Judged(part, ("cat", "dog", "owl"), paths, labels.astype(np.int32), probabilities)


def test_exaggeration_is_taken_back() -> None:
    """The temperature of the validation images makes the test images' percentages right."""
    found = trust(judged("validation", 800, 0), judged("test", 800, 1))
    assert (found.measured_on, found.images) == ("test", 800)
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert found.before.error > 0.08
    assert found.after.error < 0.03


def test_sealed_test_images_are_not_needed() -> None:
    """Without them the temperature is judged on validation images that it was not found on."""
    found = trust(judged("validation", 800, 0), None)
    assert (found.measured_on, found.images) == ("validation", 800)
    assert found.after.error < found.before.error / 2


def test_coverage_falls_as_the_target_rises() -> None:
    """Higher demands leave more images unanswered, and answers are about as right as wanted."""
    found = trust(judged("validation", 2000, 0), judged("test", 2000, 1))
    shares = [row.coverage for row in found.targets]
    assert shares == sorted(shares, reverse=True)
    assert found.curve[-1].coverage == 1
    assert found.curve[0].answered == FEWEST
    for row in found.targets:
        assert row.accuracy is not None
        assert row.target is not None
        assert row.accuracy == pytest.approx(row.target, abs=0.03)
        assert row.interval[0] <= row.accuracy <= row.interval[1]


def test_each_class_has_its_threshold() -> None:
    """Answers of a class are counted among themselves."""
    found = trust(judged("validation", 2000, 0), judged("test", 2000, 1))
    assert [name for name, _ in found.classes] == ["cat", "dog", "owl"]
    rows = [row for _, row in found.classes if row]
    assert sum(row.images for row in rows) == 2000
    assert {row.target for row in rows} == {OF_A_CLASS}
    assert all(row.accuracy and row.accuracy > 0.9 for row in rows)


def test_a_threshold_answers_equal_confidences_together() -> None:
    """Half of the images of one confidence are never answered alone."""
    confidence = np.repeat([0.9, 0.6], 30)
    right = np.array([True] * 30 + [True, False] * 15)
    assert threshold_for(confidence, right, 0.95) == 0.9
    assert threshold_for(confidence, right, 0.75) == 0.0
    assert threshold_for(confidence, ~right, 0.95) is None
    assert threshold_for(confidence[:10], right[:10], 0.95) is None
