"""The metrics against scikit-learn's."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, f1_score, log_loss

from hpo.training.metrics import evaluate, macro_f1, probabilities
from studies.metrics import METRICS
from studies.settings import StudySettings


def test_every_metric_is_computed_and_can_be_asked_for() -> None:
    """The table, the settings and what is computed name the same."""
    figures = evaluate(np.zeros((2, 2), np.float32), np.array([0, 1]), 2)
    allowed = get_args(StudySettings.model_fields["metric"].annotation)
    assert {*METRICS} == {*figures} == {*allowed}


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Logits, labels and the number of classes; one unit for two classes is sometimes drawn."""
    units, count = draw(st.integers(1, 5)), draw(st.integers(1, 20))
    logits = draw(arrays(np.float32, (count, units), elements=st.floats(-12, 12, width=32)))
    classes = max(2, units)
    labels = draw(arrays(np.int32, count, elements=st.integers(0, classes - 1)))
    return logits, labels, classes


@given(cases())
def test_agrees_with_scikit_learn(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    """Accuracy, macro F1 and cross-entropy, with absent classes, for softmax and sigmoid."""
    logits, labels, classes = case
    shares, names = probabilities(logits), list(range(classes))
    guesses = shares.argmax(axis=1)
    assert evaluate(logits, labels, classes) == pytest.approx(
        {
            "accuracy": accuracy_score(labels, guesses),
            "macro_f1": f1_score(labels, guesses, labels=names, average="macro", zero_division=0),
            "loss": log_loss(labels, shares, labels=names),
        },
        rel=1e-6,
        abs=1e-9,
    )


@given(cases())
def test_probabilities_add_up(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    """They are float64, at least 0, one a class, and sum to one."""
    logits, _, classes = case
    shares = probabilities(logits)
    assert shares.shape == (len(logits), classes)
    assert shares.dtype == np.float64
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_one_unit_is_the_second_class() -> None:
    """A sigmoid's logit is the log-odds of class 1."""
    shares = probabilities(np.array([[0.0], [np.log(3.0)], [-50.0]], np.float32))
    np.testing.assert_allclose(shares, [[0.5, 0.5], [0.25, 0.75], [1, 0]], rtol=1e-6, atol=1e-12)


def test_sure_and_wrong_is_finite() -> None:
    """A confident mistake costs much, not infinitely much."""
    loss = evaluate(np.array([[1e4, -1e4]], np.float32), np.array([1]), 2)["loss"]
    assert loss == pytest.approx(-np.log(1e-12))


def test_macro_f1_counts_classes_alike() -> None:
    """A rare class that is never found costs as much as a frequent one."""
    labels = np.array([0] * 9 + [1])
    assert macro_f1(np.zeros(10, int), labels, 2) == pytest.approx(0.5 * 18 / 19)
