"""Builds the model people take away from a trial's record and its kept weights."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from data_pipeline.manifest import Manifest
from hpo.quiet import load_tensorflow
from hpo.search.open_study import OpenStudy
from hpo.trust import require_trusted
from models.catalogue import BUILT_IN, Catalogue
from studies.errors import StudyError
from studies.network_files import catalogue_of
from studies.record import read_config
from studies.trial_config import TrialConfig

if TYPE_CHECKING:
    import keras
    import numpy as np
    from optuna.trial import FrozenTrial


def read_weights(opened: OpenStudy, number: int) -> tuple[Mapping[str, np.ndarray], int]:
    """Returns the best epoch's weights of a trial by name, and their `trainable_stages`.

    Raises:
        StudyError: They were not kept, their file is gone or damaged, or an earlier version of
            this program wrote it.
    """
    from hpo.training.checkpoint import OldFormatError, load_weights

    kept = opened.files.weights()
    try:
        return load_weights(kept[number])
    except OldFormatError as error:
        raise StudyError(
            "Weights must be kept by name. "
            f"Received: those of trial {number}, which an earlier version of hpo kept by position. "
            "Use that version, or run the study again."
        ) from error
    except (KeyError, OSError, ValueError) as error:
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
        StudyError: The trial's weights are not there, or its network is code from elsewhere.
        ModelError: The pretrained weights below them are not on this machine, or the network of
            these settings does not fit the weights.
    """
    weights, stages = read_weights(opened, trial.number)
    catalogue = trusted_catalogue(opened, [read_config(trial)])
    load_tensorflow()
    return assemble(read_config(trial), weights, stages, manifest, catalogue)


def trusted_catalogue(opened: OpenStudy, trials: Iterable[TrialConfig]) -> Catalogue:
    """Returns where the networks of some trials are looked up.

    Raises:
        StudyError: One of them is code from elsewhere.
    """
    networks = opened.record.networks
    if any(trial.model.own for trial in trials):
        require_trusted(opened.study.study_name, networks)
    return catalogue_of(networks)


def assemble(
    trial: TrialConfig,
    weights: Mapping[str, np.ndarray],
    stages: int,
    manifest: Manifest,
    catalogue: Catalogue = BUILT_IN,
) -> keras.Model:
    """Returns the whole model of settings and weights, as `read_weights` returns them.

    Raises:
        ModelError: The pretrained weights below them are not on this machine, or the network of
            these settings does not fit the weights.
    """
    from models.export import whole_model
    from models.network import build_network, copy_weights, set_head_weights

    config = trial.model.model_copy(update={"trainable_stages": stages})
    reading = manifest.reading
    with redirect_stdout(sys.stderr):  # a user's network may print, beside our JSON
        network = build_network(config, seed=0, catalogue=catalogue)
        model = whole_model(
            config,
            class_names=manifest.classes,
            reading=reading.text(),
            resize=reading.resize,
            catalogue=catalogue,
        )
    set_head_weights(network, weights)
    copy_weights(network, model)
    return model
