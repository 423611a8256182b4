"""Labels that are probably wrong, found by networks that were not trained on them.

A linear head on a frozen backbone is solved in a fold for the images outside of it. Where it is
sure that an image is of another class than its label says, the label is suspect: confident learning
(Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70). The package of its authors, cleanlab, does the same in more general ways; it would bring
pandas along for what takes a page here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from data_pipeline.thumbnails import connected
from models.config import STRENGTHS
from models.solved_head import LinearHead, solve_path

FOLDS = 5
STRENGTH = STRENGTHS.index(0.3)
"""A strong penalty: weaker ones learn the wrong labels by heart. On eight sets with 5 % of wrong
labels it found the most of them (`pytest -m bench tests/benchmarks/test_label_errors.py`)."""
MOST_SOLVED = 10_000
"""Images that a head is solved on at most; with more it would say much the same, minutes later."""
FEWEST = FOLDS
"""Of a class with fewer images too little is known to doubt one of them."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Doubts:
    """What speaks against the labels of n images.

    Attributes:
        suggested: The class that is likeliest without the label, (n,).
        given: Probability of the label's class, (n,).
        likeliest: Probability of the likeliest other class, (n,).
        probable: Whether the label is probably wrong by confident learning, bool (n,).
        order: The images whose likeliest class is not their label's, the most suspect first.
        agreement: Share of the images whose likeliest class is their label's. The lower it is,
            the less these doubts say.
    """

    suggested: Ints
    given: Floats
    likeliest: Floats
    probable: npt.NDArray[np.bool_]
    order: npt.NDArray[np.int64]
    agreement: float


def out_of_sample(
    features: Sequence[npt.NDArray[np.float32]],
    labels: Ints,
    classes: int,
    together: Sequence[Sequence[int]] = (),
) -> Floats:
    """Returns probabilities (n, classes) by heads that were solved without the image itself.

    Args:
        features: Of each image, (n, features); of several backbones the mean is returned.
        labels: Class of each image, (n,).
        classes: How many there are.
        together: Groups of rows that must not be told by one another, such as near-duplicates.
    """
    from hpo.training.metrics import probabilities

    found = np.zeros((len(labels), classes))
    folds = _folds(labels, together)
    rng = np.random.default_rng(0)
    for number in range(FOLDS):
        inside = folds == number
        outside = rng.permutation(np.flatnonzero(~inside))[:MOST_SOLVED]
        known, renumbered = np.unique(labels[outside], return_inverse=True)
        if not inside.any() or len(known) < 2:
            continue
        for seen in features:
            head = _solve(seen[outside], renumbered.astype(np.int32))
            shares = probabilities(seen[inside] @ head.kernel + head.bias)
            found[np.ix_(inside, known)] += shares / len(features)
    return found


def doubts(probabilities: Floats, labels: Ints) -> Doubts:
    """Compares labels with what is likely without them.

    Images are ordered by the probability of the label's class over the root of the likeliest other
    one. With many classes the first of them alone tells most, with two both tell the same; on the
    sets of the benchmark their quotient was about as good as the better of either.

    A label is probably wrong where the probability of another class is at least the mean that
    images of that class have for it: so classes that a network is seldom sure of are measured by
    their own rule.

    Args:
        probabilities: Out of sample, (n, classes).
        labels: (n,), class numbers.
    """
    images, classes = probabilities.shape
    rows = np.arange(images)
    given = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1.0
    suggested = others.argmax(axis=1).astype(np.int32)
    likeliest = others[rows, suggested]
    counts = np.bincount(labels, minlength=classes)
    usual = np.bincount(labels, given, classes) / np.maximum(counts, 1)
    doubted = (likeliest > given) & (counts[labels] >= FEWEST)
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.argsort(np.log(given) - np.log(likeliest) / 2, kind="stable")
    return Doubts(
        suggested=suggested,
        given=given,
        likeliest=likeliest,
        probable=doubted & (likeliest >= usual[suggested]),
        order=order[doubted[order]],
        agreement=float((likeliest <= given).mean()) if images else 1.0,
    )


def _solve(features: npt.NDArray[np.float32], labels: Ints) -> LinearHead:
    path = solve_path(features, labels, sigmoid=False, class_weights=False)
    return next(islice(path, STRENGTH, None))


def _folds(labels: Ints, together: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Returns the fold of each row: classes are spread evenly, groups stay whole."""
    folds = np.full(len(labels), -1)
    rng = np.random.default_rng(0)  # the same suspects each time
    grouped = connected(group for group in together if len(group) > 1)
    joined = {row for group in grouped for row in group}
    alone = [[int(row)] for row in rng.permutation(len(labels)) if int(row) not in joined]
    filled = np.zeros((FOLDS, int(labels.max(initial=0)) + 1), int)
    for group in [*sorted(grouped, key=len, reverse=True), *alone]:
        of_class = labels[group[0]]
        emptiest = np.lexsort((filled.sum(axis=1), filled[:, of_class]))[0]
        folds[group] = emptiest
        np.add.at(filled[emptiest], labels[group], 1)
    return folds
