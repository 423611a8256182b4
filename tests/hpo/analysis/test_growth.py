"""Tests of `hpo.analysis.growth`."""

from __future__ import annotations

import numpy as np

from hpo.analysis.growth import SHARES, grow
from tests.hpo.analysis.planted import TEST, TRAIN, VALIDATION, embedded


def test_more_images_help_where_the_classes_are_hard_to_tell() -> None:
    """With many noisy features heads grow better with every share, and are expected to go on."""
    rng = np.random.default_rng(0)
    labels = (np.arange(TRAIN + VALIDATION + TEST) % 3).astype(np.int32)
    features = rng.normal(size=(len(labels), 60)) + 0.9 * np.eye(60)[labels]
    pixels = np.zeros((len(labels), 4, 4, 3), np.uint8)
    found = grow(embedded(pixels, labels, features))
    assert found is not None
    assert [row.share for row in found.points] == list(SHARES)
    assert [row.images for row in found.points] == [60, 120, 180, 240]
    assert found.points[0].accuracy < found.points[-1].accuracy < found.expected < 1
    assert all(row.low <= row.accuracy <= row.high for row in found.points)
    assert found.gain_interval[0] <= found.gain <= found.gain_interval[1]
    assert found.interval[0] <= found.expected <= found.interval[1]


def test_nothing_grows_where_all_is_right() -> None:
    """Classes that a few images tell apart need no more."""
    labels = (np.arange(TRAIN + VALIDATION + TEST) % 3).astype(np.int32)
    features = np.random.default_rng(0).normal(size=(len(labels), 5)) + 20 * np.eye(5)[labels]
    found = grow(embedded(np.zeros((len(labels), 4, 4, 3), np.uint8), labels, features))
    assert found is not None
    assert (found.gain, found.expected, found.interval) == (0.0, 1.0, (1.0, 1.0))


def test_too_few_images_say_nothing() -> None:
    """A class of which a quarter is no image has no curve."""
    labels = (np.arange(TRAIN + VALIDATION + TEST) % 2).astype(np.int32)
    labels[:3] = 2
    features = np.random.default_rng(0).normal(size=(len(labels), 5))
    assert grow(embedded(np.zeros((len(labels), 4, 4, 3), np.uint8), labels, features)) is None
