"""Builds the model people take away from a trial's record and its kept weights."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from data_pipeline.manifest import Manifest
from hpo.results.quiet import load_tensorflow
from hpo.search.open_study import OpenStudy
from studies.errors import StudyError
from studies.record import read_config

if TYPE_CHECKING:
    import keras
    import numpy as np
    from optuna.trial import FrozenTrial


def read_weights(opened: OpenStudy, number: int) -> tuple[list[np.ndarray], int]:
    """Returns the best epoch's weights of a trial, and `trainable_stages` of their network.

    Raises:
        StudyError: They were not kept, or their file is gone or damaged.
    """
    from hpo.training.checkpoint import load_weights

    kept = opened.artifacts.weights()
    try:
        return load_weights(opened.artifacts.path(kept[number].artifact_id))
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        how = "they were not kept" if number not in kept else "their file is gone or damaged"
        others = [str(other) for other in sorted(kept) if other != number]
        raise StudyError(
            f"The weights of trial {number} are needed. Received: {how}. "
            + (
                f"Trials with weights: {', '.join(others)}; choose one with --trial. "
                if others
                else "No other trial's weights are kept. "
            )
            + "A study keeps those of its `keep_top` best trials and of its baselines, "
            "in the folder where `hpo run` was typed."
        ) from error


def rebuild(opened: OpenStudy, trial: FrozenTrial, manifest: Manifest) -> keras.Model:
    """Returns the whole model of a trial, from raw pixels to probabilities.

    Raises:
        StudyError: The trial's weights are not there.
        ModelError: The pretrained weights below them are not on this machine.
    """
    weights, stages = read_weights(opened, trial.number)
    load_tensorflow()

    from models.export import whole_model
    from models.network import build_network, get_weights

    config = read_config(trial).model.model_copy(update={"trainable_stages": stages})
    network = build_network(config, seed=0)
    network.head.set_weights(weights)
    reading = manifest.reading
    model = whole_model(
        config,
        class_names=manifest.classes,
        reading=reading.text(),
        resize=reading.resize,
    )
    model.set_weights(get_weights(network))
    return model
