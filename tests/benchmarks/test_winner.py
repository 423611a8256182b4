"""Whether the corrected figure of a search's winner holds on images that nobody has seen.

A search is imitated on real images, a hundred times over with other images in each part: trials
that differ in backbone, image size and the features they use each have several strengths of a
penalty, of which validation chooses one, as it chooses an epoch; then it chooses the best trial.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.cache import Cache
from data_pipeline.config import AugmentConfig
from data_pipeline.manifest import Manifest, create_manifest
from data_pipeline.store import open_store
from models.catalogue import BUILT_IN
from models.config import ModelConfig
from studies.hits import Hits
from studies.winners import Worth, share_interval, worth

STUDIES, TRIALS = 100, 20
STRENGTHS = np.logspace(-3, 2, 8)
SIZES_PX = (96, 160)
pytestmark = pytest.mark.bench


def test_on_digits() -> None:
    """1,797 handwritten digits: 200 for training, 200 for validation, the others are fresh."""
    from sklearn.datasets import load_digits

    features, labels = load_digits(return_X_y=True)
    check("digits", [features, np.sqrt(features), features[:, ::2]], labels, train=200, val=200)


@pytest.mark.timeout(1800)
def test_on_photos() -> None:
    """Frozen backbones on the photos of a folder: a tenth for validation, most are fresh."""
    folder = os.environ.get("HPO_TEST_PHOTOS")
    if not folder:
        pytest.skip("HPO_TEST_PHOTOS names no folder of photos")
    manifest, _ = create_manifest(folder, seed=0)
    items = tuple(item.model_copy(update={"split": "train"}) for item in manifest.items)
    manifest = Manifest(**{**dict(manifest), "items": items})
    labels = np.array([item.label for item in items])
    size = min(240, len(items) // 5)
    check(Path(folder).name, photo_features(manifest), labels, train=size, val=size)


def photo_features(manifest: Manifest) -> list[np.ndarray]:
    """Activations of every pretrained backbone here, at two sizes."""
    from hpo.training.features import Features
    from hpo.training.inputs import TrialData

    cache = Cache()
    data = TrialData(manifest, lambda size_px: open_store(manifest, size_px, cache), cache)
    names = [
        name
        for name, row in BUILT_IN.rows.items()
        if row.weights and row.weights.here() is not None
    ]
    assert names, "needs pretrained weights"
    found = []
    for name in names:
        for size_px in SIZES_PX:
            model = ModelConfig(
                backbone=name, pretrained=True, image_size_px=size_px, classes=data.classes
            )
            features = Features(model, data, "float32", lambda: None)
            found.append(features.train_view(AugmentConfig(), 0).astype(np.float64))
    return found


def check(name: str, features: list[np.ndarray], labels: np.ndarray, train: int, val: int) -> None:
    """Imitates the studies, prints what came of them, and holds them to the goal."""
    rng = np.random.default_rng(0)
    found = [study(rng, features, labels, train, val) for _ in range(STUDIES)]
    raw = np.array([worth.raw - fresh for worth, fresh in found])
    corrected = np.array([worth.corrected - fresh for worth, fresh in found])
    plain = [share_interval(worth.raw, val) for worth, _ in found]
    held = np.mean([worth.low <= fresh <= worth.high for worth, fresh in found])
    held_raw = np.mean([a <= fresh <= b for (a, b), (_, fresh) in zip(plain, found, strict=True)])
    print(
        f"\n{name}: {STUDIES} studies of {TRIALS} trials, {val} validation images, "
        f"{len(labels) - train - val} fresh ones\n"
        f"  raw figure of the winner:       {raw.mean():+.4f} off, interval holds {held_raw:.1%}\n"
        f"  corrected figure of the winner: {corrected.mean():+.4f} off, interval holds {held:.1%}"
    )
    assert abs(corrected.mean()) < raw.mean()
    assert held >= 0.93


def study(
    rng: np.random.Generator, features: list[np.ndarray], labels: np.ndarray, train: int, val: int
) -> tuple[Worth, float]:
    """Returns what the winner of a study is said to be worth, and its accuracy on fresh images."""
    order = rng.permutation(len(labels))
    parts = np.split(order, [train, train + val])
    trials = []
    for number in range(TRIALS):
        chosen = features[number % len(features)]
        columns = rng.random(chosen.shape[1]) < rng.uniform(0.3, 1.0)
        trials.append(trial(chosen[:, columns], labels, *parts))
    right, fresh = zip(*sorted(trials, key=lambda each: -each[0].mean()), strict=True)
    return worth([Hits.of(each) for each in right]), float(fresh[0])


def trial(
    features: np.ndarray, labels: np.ndarray, train: np.ndarray, val: np.ndarray, fresh: np.ndarray
) -> tuple[np.ndarray, float]:
    """Returns the hits of a ridge classifier of the best strength, and its fresh accuracy."""
    mean, scale = features[train].mean(axis=0), features[train].std(axis=0) + 1e-6
    standard = (features - mean) / scale
    inner = standard @ standard[train].T / standard.shape[1]
    values, vectors = np.linalg.eigh(inner[train])
    targets = vectors.T @ (np.eye(labels.max() + 1)[labels[train]] - 1 / (labels.max() + 1))
    best: tuple[np.ndarray, np.ndarray] | None = None
    for strength in STRENGTHS:
        weights = vectors @ (targets / (np.maximum(values, 0) + strength)[:, None])
        right = (inner[val] @ weights).argmax(axis=1) == labels[val]
        if best is None or right.mean() > best[0].mean():
            best = right, weights
    assert best is not None
    return best[0], float(((inner[fresh] @ best[1]).argmax(axis=1) == labels[fresh]).mean())
