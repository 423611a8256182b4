"""Tests of `hpo.training.metrics`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hpo.training.metrics import MOST_CLASSES, confusion, evaluate, probabilities
from studies.metrics import METRICS

LOGITS = st.tuples(st.integers(1, 20), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-12, 12, width=32))
)


@given(LOGITS)
def test_probabilities_add_up(logits: np.ndarray) -> None:
    """They are float64, at least 0, one a class, and sum to one."""
    found = probabilities(logits)
    assert found.shape == (len(logits), max(2, logits.shape[1]))
    assert found.dtype == np.float64
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_one_unit_is_the_second_class() -> None:
    """A sigmoid's logit is the log-odds of class 1."""
    found = probabilities(np.array([[0.0], [np.log(3.0)], [-50.0]], np.float32))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.25, 0.75], [1, 0]], rtol=1e-6, atol=1e-12)


def test_every_metric_is_computed() -> None:
    """Of logits that are large enough to overflow an exponential, too."""
    figures = evaluate(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), np.array([0, 1]))
    assert figures == {name: pytest.approx(row.perfect) for name, row in METRICS.items()}


def test_a_confusion_matrix_is_recorded_where_it_can_be_read() -> None:
    """Rows are true classes."""
    found = confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), ("a", "b"))
    assert found is not None
    assert found.counts == ((1, 1), (0, 1))
    names = tuple(map(str, range(MOST_CLASSES + 1)))
    assert confusion(np.array([0]), np.array([0]), names) is None
