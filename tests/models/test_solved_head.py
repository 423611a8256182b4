"""A linear head that is solved: the optimum, folded back to features as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from models.config import STRENGTHS
from models.solved_head import LinearHead, solve_path

RANDOM = np.random.default_rng(0)


def _features(classes: int, images: int = 240, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds, on scales that differ by unit, the last of them constant."""
    labels = np.arange(images) % classes
    centres = RANDOM.normal(size=(classes, width))
    features = (centres[labels] + RANDOM.normal(size=(images, width))) * 10.0 ** np.arange(
        -2, width - 2
    ).clip(-2, 3)
    features[:, -1] = 7.0
    return features.astype(np.float32), labels.astype(np.int32)


def _penalised_loss(
    head: LinearHead, features: np.ndarray, labels: np.ndarray, strength: float
) -> float:
    """What a strength asks to be least: cross-entropy, and the kernel on standardised features."""
    logits = features.astype(np.float64) @ head.kernel + head.bias
    loss = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
    kernel = head.kernel * features.astype(np.float64).std(axis=0)[:, None]
    return float(loss + strength * (kernel**2).sum() / 2)


def test_each_head_is_the_optimum_of_its_strength() -> None:
    """No other head of the path, and none beside it, has a lower penalised loss."""
    features, labels = _features(classes=3)
    path = list(solve_path(features, labels, sigmoid=False, class_weights=False))
    assert len(path) == len(STRENGTHS)
    for strength, head in zip(STRENGTHS, path, strict=True):
        least = _penalised_loss(head, features, labels, strength)
        for other in path:
            assert least <= _penalised_loss(other, features, labels, strength) + 1e-4
        for _ in range(5):
            noise = RANDOM.normal(size=head.kernel.shape) * 0.1 * np.abs(head.kernel)
            beside = LinearHead(head.kernel + noise.astype(np.float32), head.bias)
            assert least <= _penalised_loss(beside, features, labels, strength) + 1e-4


def test_a_unit_that_never_changes_is_left_alone() -> None:
    """Its weight is 0, where dividing by its spread would make it huge."""
    features, labels = _features(classes=3)
    for head in solve_path(features, labels, sigmoid=False, class_weights=False):
        assert np.abs(head.kernel[-1]).max() == 0.0
        assert np.isfinite(head.kernel).all()


def test_one_unit_says_the_same_as_two() -> None:
    """Of two classes, sigmoid of one unit and softmax of two give the same probabilities."""
    features, labels = _features(classes=2)
    one = solve_path(features, labels, sigmoid=True, class_weights=False)
    two = solve_path(features, labels, sigmoid=False, class_weights=False)
    for single, pair in zip(one, two, strict=True):
        assert (single.kernel.shape, pair.kernel.shape) == ((12, 1), (12, 2))
        second = expit(features @ single.kernel + single.bias)[:, 0]
        logits = features @ pair.kernel + pair.bias
        assert second == pytest.approx(expit(logits[:, 1] - logits[:, 0]), abs=1e-4)


def test_classes_can_count_alike() -> None:
    """With a tenth of the images, a class is found more often where all classes count alike."""
    features, labels = _features(classes=2, images=400)
    kept = (labels == 0) | (np.arange(400) % 20 == 1)
    found = []
    for weighted in (False, True):
        *_, head = solve_path(features[kept], labels[kept], sigmoid=True, class_weights=weighted)
        found.append(((features @ head.kernel + head.bias)[labels == 1] > 0).mean())
    assert found[1] > found[0]


def test_the_same_every_time() -> None:
    """A head that was solved before a kill is solved again, bit for bit."""
    features, labels = _features(classes=3)
    paths = [
        list(solve_path(features, labels, sigmoid=False, class_weights=False)) for _ in range(2)
    ]
    for first, second in zip(*paths, strict=True):
        np.testing.assert_array_equal(first.kernel, second.kernel)
        np.testing.assert_array_equal(first.bias, second.bias)
