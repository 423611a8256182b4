"""What trials cost, beside what the product does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from data_pipeline.config import AugmentConfig
from hpo.training.device import Device
from hpo.training.programs import Programs
from hpo.training.trial import run_trial
from models.config import ModelConfig
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.training.data import FakeLink, make_data, make_job
from tests.lab.cost import multiply_adds, passes
from tests.models.random_weights import write_weights

MODEL = ModelConfig(backbone="mobilenet_0.25", image_size_px=32, classes=3, pretrained=True)


def config(stages: int, **training: Any) -> TrialConfig:
    """A trial on the features of a frozen base, with augmentation."""
    return TrialConfig(
        model=MODEL.model_copy(update={"trainable_stages": stages}),
        augment=AugmentConfig(rotation_deg=10),
        training=TrainingConfig(early_stopping_patience=0, **training),
    )


@pytest.mark.parametrize(
    "trial",
    [
        pytest.param(config(0, epochs=5), id="head"),
        pytest.param(config(0, solved_head=True), id="solved head"),
        pytest.param(
            config(1, epochs=3, solved_head=True), id="fine-tuned", marks=pytest.mark.slow
        ),
    ],
)
def test_passes_are_those_that_the_product_makes(
    trial: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many views are kept in the cache after a trial as it was said to read."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    write_weights("mobilenet_0.25", 32)
    data = make_data(tmp_path, size_px=32)
    programs = Programs(Device("CPU", False, "float32", False))
    outcome = run_trial(make_job(trial, tmp_path / "trial"), data, programs, FakeLink()).outcome
    assert outcome is not None
    made = {each for epoch in range(1, outcome.epochs + 1) for each in passes(trial, epoch)}
    kept = list((tmp_path / "cache" / "features").glob("*/features"))
    assert len(made) == len(kept)


def test_multiply_adds() -> None:
    """Kernels of convolutions count for every place, those of dense layers once."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(images)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Dense(5)(x))
    assert multiply_adds(model) == 64 * 9 * 3 * 4 + 16 * 9 * 4 + 4 * 5
