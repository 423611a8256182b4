"""Our trial of a hand-tuned baseline against plain Keras, written the way a notebook would be."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.cache import Cache
from data_pipeline.manifest import create_manifest
from data_pipeline.store import open_store
from hpo.training.device import Device
from hpo.training.inputs import TrialData
from hpo.training.programs import Programs
from hpo.training.protocol import Train
from hpo.training.trial import run_trial
from models.config import ModelConfig, OptimizerConfig
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.training.data import FakeLink

pytestmark = pytest.mark.slow

SIZE_PX, EPOCHS, BATCH, SEEDS = 16, 8, 32, (0, 1, 2)
CONFIG = TrialConfig(
    model=ModelConfig(
        backbone="cats_dogs_cnn",
        image_size_px=SIZE_PX,
        classes=10,
        pooling="flatten",
        head_widths=(64,),
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    augment=AUGMENTATIONS["cats-dogs"].config,
    training=TrainingConfig(
        batch_size=BATCH, epochs=EPOCHS, schedule="constant", early_stopping_patience=0
    ),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """The digits, enlarged."""
    manifest, _ = create_manifest("digits", seed=0)
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return TrialData(manifest, open_store(manifest, SIZE_PX, cache), cache)


def _arrays(data: TrialData, name: str) -> tuple[np.ndarray, np.ndarray]:
    split = data.split(name)
    return split.images_bhwc[split.rows].astype(np.float32), split.labels


def _plain_keras(data: TrialData, seed: int) -> float:
    """Best validation accuracy of system A's network as its authors would train it."""
    keras.utils.set_random_seed(seed)
    augment = CONFIG.augment
    model = keras.Sequential(
        [
            keras.Input((SIZE_PX, SIZE_PX, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(augment.rotation_deg / 360, fill_mode="nearest"),
            layers.RandomTranslation(
                augment.height_shift, augment.width_shift, fill_mode="nearest"
            ),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(
        *_arrays(data, "train"),
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=_arrays(data, "validation"),
        verbose=0,
    )
    return float(max(history.history["val_accuracy"]))


def _ours(data: TrialData, folder: Path, seed: int) -> float:
    job = Train(
        number=0,
        config=CONFIG,
        seed=seed,
        metric="accuracy",
        folder=str(folder / str(seed)),
        precision="float32",
    )
    programs = Programs(Device("CPU", False, "float32", False))
    finished = run_trial(job, data, programs, FakeLink())
    assert finished.outcome is not None
    assert finished.outcome.reason == "complete"
    assert finished.outcome.value is not None
    return finished.outcome.value


def test_a_baseline_scores_what_plain_keras_scores(
    data: TrialData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The means of three seeds agree within three standard errors of their difference.

    The error is estimated from the seeds' own spread, but not below one image in the validation
    split: three seeds can agree by chance.
    """
    theirs = [_plain_keras(data, seed) for seed in SEEDS]
    ours = [_ours(data, tmp_path, seed) for seed in SEEDS]
    with capsys.disabled():
        print(f"\nplain Keras {theirs}, ours {ours}")
    spread = (np.var(theirs, ddof=1) + np.var(ours, ddof=1)) / len(SEEDS)
    error = max(math.sqrt(spread), 1 / len(data.split("validation")))
    assert abs(np.mean(theirs) - np.mean(ours)) < 3 * error
    assert min(*theirs, *ours) > 0.5  # ten classes: both have learnt
