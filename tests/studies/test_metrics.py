"""The metrics against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
)

from studies.metrics import METRICS, evaluate

Case = tuple[np.ndarray, np.ndarray]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Probabilities and labels; few different values, so that many are equal."""
    classes, images = draw(st.integers(2, 5)), draw(st.integers(1, 20))
    weights = draw(arrays(np.int8, (images, classes), elements=st.integers(1, 6)))
    labels = draw(arrays(np.int32, images, elements=st.integers(0, classes - 1)))
    return weights / weights.sum(axis=1, keepdims=True), labels


@given(cases())
def test_agrees_with_scikit_learn(case: Case) -> None:
    """Every metric, classes that no image has among them."""
    probabilities, labels = case
    guesses, names = probabilities.argmax(axis=1), list(range(probabilities.shape[1]))
    areas = [
        roc_auc_score(labels == name, probabilities[:, name].astype(np.float32))
        for name in names
        if 0 < (labels == name).sum() < len(labels)
    ]
    present = sorted(set(labels))
    assert evaluate(probabilities, labels) == pytest.approx(
        {
            "accuracy": accuracy_score(labels, guesses),
            "macro_f1": f1_score(labels, guesses, labels=names, average="macro", zero_division=0),
            "balanced_accuracy": recall_score(labels, guesses, labels=present, average="macro"),
            "auc": np.mean(areas) if areas else 0.5,
            "loss": log_loss(labels, probabilities, labels=names),
        },
        rel=1e-6,
        abs=1e-9,
    )


@given(cases(), st.data())
def test_one_image_stays_within_the_tolerance(case: Case, data: st.DataObject) -> None:
    """Whatever a single image is given, no figure but the loss changes by more."""
    probabilities, labels = case
    row = data.draw(st.integers(0, len(labels) - 1))
    weights = data.draw(st.lists(st.integers(1, 6), min_size=5, max_size=5))
    changed = probabilities.copy()
    changed[row] = np.array(weights[: probabilities.shape[1]]) / sum(
        weights[: probabilities.shape[1]]
    )
    images = np.bincount(labels)
    before, after = evaluate(probabilities, labels), evaluate(changed, labels)
    for name, metric in METRICS.items():
        if name != "loss":
            allowed = metric.tolerance(before[name], [int(n) for n in images if n])
            assert abs(after[name] - before[name]) <= allowed, name


@pytest.mark.parametrize("name", METRICS)
def test_tolerances_are_small(name: str) -> None:
    """An exported model of 3,000 validation images has the figure that was recorded."""
    assert 0 < METRICS[name].tolerance(0.5, [1500, 1500]) < 0.01


@pytest.mark.parametrize("name", METRICS)
def test_certain_and_right_is_perfect(name: str) -> None:
    """A trial ends early where its figure cannot become better."""
    labels = np.array([0, 1, 2, 0])
    assert evaluate(np.eye(3)[labels], labels)[name] == METRICS[name].perfect


def test_certain_and_wrong_is_finite() -> None:
    """A confident mistake costs much, not infinitely much."""
    figures = evaluate(np.array([[1.0, 0.0]]), np.array([1]))
    assert figures["loss"] == pytest.approx(-np.log(1e-12))


def test_rare_classes_count_as_much_as_frequent_ones() -> None:
    """Of ten images all are taken for the class that nine have."""
    labels = np.array([0] * 9 + [1])
    figures = evaluate(np.tile([0.9, 0.1], (10, 1)), labels)
    assert figures["accuracy"] == pytest.approx(0.9)
    assert figures["macro_f1"] == pytest.approx(0.5 * 18 / 19)
    assert figures["balanced_accuracy"] == pytest.approx(0.5)
    assert figures["auc"] == pytest.approx(0.5)
