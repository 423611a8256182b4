"""Fixed views whose activations are kept, against fresh augmentation in every epoch."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.cache import Cache
from data_pipeline.manifest import create_manifest
from data_pipeline.store import open_store
from hpo.training import features
from hpo.training.inputs import TrialData
from models.config import ModelConfig, OptimizerConfig
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.training.data import make_data
from tests.hpo.training.three_seeds import SEEDS, accuracy
from tests.models.random_weights import write_weights

pytestmark = pytest.mark.slow

BACKBONE, SIZE_PX = "mobilenet_0.75", 96


@pytest.mark.timeout(900)
@pytest.mark.parametrize("level", ["light", "strong"])
def test_kept_activations_score_what_fresh_ones_score(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On noise and random weights, or on the photos in the folder HPO_TEST_PHOTOS with real ones.

    All seeds share the kept views, so their spread says too little of how well views were drawn:
    the means must agree within three standard errors of an accuracy on these validation images.
    """
    if folder := os.environ.get("HPO_TEST_PHOTOS"):
        manifest, _ = create_manifest(folder, seed=0, validation=0.3)
        cache = Cache(tmp_path / "cache")
        data = TrialData(manifest, lambda size_px: open_store(manifest, size_px, cache), cache)
    else:
        data = make_data(tmp_path, SIZE_PX, classes=3, scale=8)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        write_weights(BACKBONE, SIZE_PX)
    config = TrialConfig(
        model=ModelConfig(
            backbone=BACKBONE, image_size_px=SIZE_PX, classes=data.classes, pretrained=True
        ),
        optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
        augment=AUGMENTATIONS[level].config,
        training=TrainingConfig(batch_size=32, epochs=10, early_stopping_patience=0),
    )
    kept = [accuracy(config, data, tmp_path / "kept", seed) for seed in SEEDS]
    monkeypatch.setattr(features, "LIMIT_BYTES", 0)
    fresh = [accuracy(config, data, tmp_path / "fresh", seed) for seed in SEEDS]
    with capsys.disabled():
        print(f"\n{level}: kept {kept}, fresh {fresh}")
    assert min(kept + fresh) > 1.5 / data.classes  # all have learnt
    mean = float(np.mean(kept + fresh))
    error = math.sqrt(mean * (1 - mean) / len(data.split("validation", SIZE_PX)))
    assert abs(np.mean(kept) - np.mean(fresh)) < 3 * error
