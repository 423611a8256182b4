"""Our trials of hand-tuned baselines against plain Keras, written the way a notebook would be."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from optuna.trial import FixedTrial

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.cache import Cache
from data_pipeline.manifest import create_manifest
from data_pipeline.store import open_store
from hpo.search.plan import make_plan
from hpo.training.inputs import TrialData
from models.config import ModelConfig, OptimizerConfig
from studies.settings import merge
from studies.suggest import suggest
from studies.toml_files import load_settings, make_settings, preset_path
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.training.gratings import draw_gratings
from tests.hpo.training.plain_keras import system_a
from tests.hpo.training.three_seeds import SEEDS, accuracy, assert_agree

pytestmark = pytest.mark.slow

ON_DIGITS = TrialConfig(
    model=ModelConfig(
        backbone="cats_dogs_cnn",
        image_size_px=16,
        classes=10,
        pooling="flatten",
        head_widths=(64,),
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    augment=AUGMENTATIONS["cats-dogs"].config,
    training=TrainingConfig(
        batch_size=32, epochs=8, schedule="constant", early_stopping_patience=0
    ),
)


def _arrays(data: TrialData, name: str) -> tuple[np.ndarray, np.ndarray]:
    split = data.split(name)
    return split.images_bhwc[split.rows].astype(np.float32), split.labels


def _plain_keras(config: TrialConfig, data: TrialData, seed: int) -> float:
    """Best validation accuracy of system A's network as its authors would train it."""
    keras.utils.set_random_seed(seed)
    model = system_a(
        config.model.image_size_px,
        config.model.classes,
        config.augment,
        sigmoid=config.model.output == "sigmoid",
    )
    history = model.fit(
        *_arrays(data, "train"),
        batch_size=config.training.batch_size,
        epochs=config.training.epochs,
        validation_data=_arrays(data, "validation"),
        verbose=0,
    )
    return float(max(history.history["val_accuracy"]))


def _agree(
    config: TrialConfig, data: TrialData, folder: Path, capsys: pytest.CaptureFixture[str]
) -> list[float]:
    """Checks that three seeds of each agree, and returns all six accuracies."""
    theirs = [_plain_keras(config, data, seed) for seed in SEEDS]
    ours = [accuracy(config, data, folder, seed) for seed in SEEDS]
    with capsys.disabled():
        print(f"\nplain Keras {theirs}, ours {ours}")
    assert_agree(theirs, ours, images=len(data.split("validation", 8)))
    return theirs + ours


def test_a_baseline_scores_what_plain_keras_scores_on_the_digits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten classes, softmax, enlarged to 16 px."""
    manifest, _ = create_manifest("digits", seed=0)
    cache = Cache(tmp_path / "cache")
    data = TrialData(
        manifest, partial(open_store, manifest, ON_DIGITS.model.image_size_px, cache), cache
    )
    assert min(_agree(ON_DIGITS, data, tmp_path, capsys)) > 0.5  # both have learnt


@pytest.mark.timeout(900)
def test_a_presets_baseline_scores_what_plain_keras_scores_on_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of system A's, read from its preset, on 1,000 JPEGs of which a fifth is ambiguous.

    More images than the preset asks for are for validation: 100 would tell too little.
    """
    draw_gratings(tmp_path / "images", 1_000, size_px=64)
    changes = {"space": {"backbone": "cats_dogs_cnn"}, "validation_fraction": 0.3}
    asked = merge(load_settings(preset_path("cats-dogs")), changes)
    plan = make_plan(make_settings(asked | {"data": str(tmp_path / "images")}), lambda _: None)
    params = dict(plan.first["batch 64, 25 epochs"])
    config = suggest(FixedTrial(params), plan.space, plan.facts)
    cache = Cache(tmp_path / "cache")
    data = TrialData(
        plan.manifest, lambda size_px: open_store(plan.manifest, size_px, cache), cache
    )
    found = _agree(config, data, tmp_path, capsys)
    assert 0.65 < min(found) <= max(found) < 0.95  # learnt, and not so easy that all would agree
