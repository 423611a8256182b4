"""Tests of what a model says about images, and where it is worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import fisher_exact
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from hpo.results.judged import Judged, by_class
from hpo.results.slices import worse_slices

CLASSES = ("a", "b", "c", "d")
PAIRS = hnp.arrays(np.int64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 3))


def judged(labels: np.ndarray, guesses: np.ndarray, folders: int = 1) -> Judged:
    """What a model says that is the surer the later the image comes."""
    sure = np.linspace(0.5, 0.9, len(labels))[:, None]
    shares = np.where(np.eye(len(CLASSES))[guesses] > 0, sure, (1 - sure) / (len(CLASSES) - 1))
    paths = tuple(f"{number % folders}/{number}.png" for number in range(len(labels)))
    return Judged("validation", CLASSES, paths, labels.astype(np.int32), shares)


@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pairs: np.ndarray) -> None:
    """Confusion matrix, precision, recall and F1; what it calls 0 of 0 is not known here."""
    labels, guesses = pairs.T
    found = judged(labels, guesses)
    assert (found.confusion() == confusion_matrix(labels, guesses, labels=range(4))).all()
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, guesses, labels=range(4), zero_division=0
    )
    for row, *theirs in zip(by_class(found), precision, recall, f1, support, strict=True):
        ours = (row.precision or 0.0, row.recall or 0.0, row.f1, row.images)
        assert ours == pytest.approx(tuple(theirs))
        assert (row.precision is None) == (row.given == 0)


def test_the_surest_errors_come_first() -> None:
    """Right answers are not among them."""
    found = judged(np.array([0, 1, 2, 3]), np.array([1, 1, 0, 0]))
    assert found.surest_errors() == [3, 2, 0]


def test_a_slice_that_is_worse_is_found() -> None:
    """Dark images are wrong here; the other slices are not."""
    numbers = np.arange(200)
    labels, brightness = numbers % 4, numbers * 7 % 200 / 200
    guesses = np.where(brightness < 0.25, (labels + 1) % 4, labels)
    found, tried = worse_slices(judged(labels, guesses), {"brightness": brightness})
    assert [(row.trait, row.kind) for row in found] == [("brightness", "low")]
    assert (found[0].errors, found[0].images, found[0].elsewhere) == (50, 50, 0.0)
    assert tried == 2
    one = fisher_exact([[50, 0], [0, 150]], "greater").pvalue
    assert found[0].p == pytest.approx(min(1, 2 * one))


def test_a_folder_that_is_worse_is_found() -> None:
    """It says which; folders that are the classes are no slices."""
    numbers = np.arange(120)
    labels = numbers // 3 % 4
    guesses = np.where(numbers % 3 == 2, (labels + 1) % 4, labels)
    found, _ = worse_slices(judged(labels, guesses, folders=3), {})
    assert [(row.trait, row.folder) for row in found] == [("folder", "2")]
    by_folder = judged(numbers % 4, (numbers + 1) % 4, folders=4)
    assert worse_slices(by_folder, {}) == ([], 0)


def test_chance_finds_few_slices() -> None:
    """Where errors fall at random, about one set in twenty has a slice that is called worse."""
    random = np.random.default_rng(0)
    sets = 0
    for _ in range(100):
        labels = random.integers(0, 4, 200)
        guesses = np.where(random.random(200) < 0.2, (labels + 1) % 4, labels)
        traits = {name: random.random(200) for name in ("brightness", "sharpness")}
        sets += bool(worse_slices(judged(labels, guesses), traits)[0])
    assert sets <= 10  # 5 are expected at most; more than 10 has a chance of 1 %
