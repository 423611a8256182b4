"""A network that is no row of ours: searched, trained and exported like one."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
from keras import layers

from hpo.training.checkpoint import best_path, load_weights
from hpo.training.device import Device
from hpo.training.programs import Programs
from hpo.training.trial import run_trial
from models.backbone import Backbone
from models.catalogue import BUILT_IN
from models.config import ModelConfig, OptimizerConfig
from models.errors import ModelError
from models.export import whole_model
from models.network import build_network, copy_weights, set_head_weights
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.training.data import FakeLink, make_data, make_job


def to_map(images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
    """Three layers, without names of their own, to a feature map."""
    x = layers.Conv2D(16, 3, use_bias=False)(images_bhwc)
    return layers.ReLU()(layers.BatchNormalization()(x))


def to_vector(images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
    """Three layers to a vector, of which two normalise."""
    x = layers.BatchNormalization()(layers.Flatten()(images_bhwc))
    return layers.BatchNormalization()(layers.Dense(16, activation="relu")(x))


@pytest.mark.parametrize("construct", [to_map, to_vector])
def test_a_row_of_ones_own_is_trained_and_exported(construct, tmp_path: Path) -> None:
    """The exported file is plain Keras and classifies as the trial did."""
    catalogue = BUILT_IN.with_rows(Backbone("mine", construct))
    data = make_data(tmp_path)
    config = TrialConfig(
        model=ModelConfig(backbone="mine", image_size_px=8, classes=3),
        optimizer=OptimizerConfig(learning_rate=0.01),
        training=TrainingConfig(batch_size=4, epochs=1),
    )
    programs = Programs(Device("CPU", False, "float32", False), catalogue=catalogue)
    outcome = run_trial(make_job(config, tmp_path), data, programs, FakeLink()).outcome
    assert outcome is not None
    assert outcome.reason == "complete", outcome.message
    assert outcome.value is not None
    assert outcome.value > 0.5

    layers.Conv2D(1, 1)  # Keras counts layers without a name; what is built meanwhile is no matter
    network = build_network(config.model, seed=7, catalogue=catalogue)
    set_head_weights(network, load_weights(best_path(tmp_path, 1))[0])
    model = whole_model(config.model, class_names=["a", "b", "c"], catalogue=catalogue)
    copy_weights(network, model)
    model.save(tmp_path / "mine.keras")
    split = data.split("validation", 8)
    shares = keras.saving.load_model(tmp_path / "mine.keras").predict(
        split.images_bhwc[split.rows], verbose=0
    )
    assert (shares.argmax(axis=1) == split.labels).mean() == outcome.value


def test_its_name_is_unknown_elsewhere() -> None:
    """Without the catalogue that has it a row does not exist."""
    with pytest.raises(ModelError, match="Received: 'mine'"):
        build_network(ModelConfig(backbone="mine", image_size_px=8, classes=3), seed=0)
