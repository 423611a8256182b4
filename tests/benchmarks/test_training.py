"""Benchmarks of training; run with `make bench`."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest
import tensorflow as tf
from PIL import Image

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.cache import Cache
from data_pipeline.config import AugmentConfig
from data_pipeline.manifest import create_manifest
from data_pipeline.store import open_store
from hpo.training.device import Device, cpu_precision
from hpo.training.inputs import ImageInputs, TrialData
from hpo.training.program import Program
from hpo.training.programs import Programs
from hpo.training.protocol import Train
from hpo.training.trial import run_trial
from models.config import ModelConfig, OptimizerConfig
from studies.storage import default_url, open_storage
from studies.trial_config import TrainingConfig, TrialConfig
from tests.benchmarks.measure import SIX, compare
from tests.hpo.training.data import FakeLink
from tests.hpo.training.plain_keras import system_a

pytestmark = pytest.mark.bench

SIZE_PX, BATCH, PHOTOS = 64, 64, 4_000
CONFIG = TrialConfig(
    model=ModelConfig(
        backbone="cats_dogs_cnn",
        image_size_px=SIZE_PX,
        classes=2,
        pooling="flatten",
        head_widths=(64,),
    ),
    augment=AUGMENTATIONS["cats-dogs"].config,
    training=TrainingConfig(batch_size=BATCH, epochs=10, early_stopping_patience=0),
)


DEVICE = Device("CPU", False, cpu_precision(), False)
"""Not `set_up`, which must come before anything else of TensorFlow in a process."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two class folders of small JPEGs."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        coarse = Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8))
        file = root / "ab"[number % 2] / f"{number}.jpg"
        file.parent.mkdir(exist_ok=True)
        coarse.resize((112, 96), Image.Resampling.BICUBIC).save(file, quality=90)
    return root


@pytest.fixture(scope="module")
def data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """The same, decoded."""
    manifest, _ = create_manifest(str(folder), seed=0, validation=0.2, test=0.05)
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return TrialData(manifest, lambda size_px: open_store(manifest, size_px, cache), cache)


def _train_job(folder: Path) -> Train:
    return Train(number=0, config=CONFIG, seed=0, metric="accuracy", folder=str(folder))


@pytest.mark.parametrize(
    ("augment", "at_least"),
    # Three of Keras's layers cost it little beside its float32 convolutions, and ours are bound by
    # their convolutions too: 5 x cannot be had there, see docs/performance.md.
    [pytest.param(SIX, 5, id="six"), pytest.param(CONFIG.augment, 2.5, id="three")],
)
def test_an_epoch_against_idiomatic_keras(
    augment: AugmentConfig,
    at_least: float,
    folder: Path,
    data: TrialData,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """The baseline CNN, augmented, against Keras's own guide: everything in the model, float32."""
    dataset = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIZE_PX, SIZE_PX), batch_size=BATCH, verbose=False
    )
    dataset = dataset.cache().prefetch(tf.data.AUTOTUNE)
    model = system_a(SIZE_PX, 2, augment)

    def theirs() -> int:
        model.fit(dataset, shuffle=False, verbose=0)
        return PHOTOS

    what = f"epoch of the baseline CNN, {request.node.callspec.id} augmentations"
    config = CONFIG.model_copy(update={"augment": augment})
    comparison = compare(what, theirs, _epochs(config, data), at_least)
    with capsys.disabled():
        comparison.show()
    assert comparison.ratio >= comparison.at_least


def _epochs(config: TrialConfig, data: TrialData) -> Callable[[], int]:
    """Returns what trains one epoch at each call, as `hpo run` does."""
    inputs = ImageInputs(data, config, warp_on_device=DEVICE.is_gpu)
    program = _program()
    batches, steps = inputs.train(_train_job(Path()), range(1, 1_000))

    def epoch() -> int:
        program.train(batches, steps, lambda done: True)
        return len(inputs)

    return epoch


def _program() -> Program:
    return Program(
        CONFIG.model,
        OptimizerConfig(),
        precision=cpu_precision(),
        on_features=False,
        mixup=False,
        jit_compile=DEVICE.jit_compile,
    )


def test_an_epoch_in_a_trial_against_a_bare_loop(
    data: TrialData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that a trial does around its steps costs little beside the steps themselves."""
    programs, number = Programs(DEVICE), 0

    def ours() -> int:
        nonlocal number
        number += 1
        run_trial(_train_job(tmp_path / str(number)), data, programs, FakeLink())
        return len(data.split("train")) * CONFIG.training.epochs

    inputs = ImageInputs(data, CONFIG, warp_on_device=DEVICE.is_gpu)
    program = _program()

    def bare() -> int:
        batches, steps = inputs.train(_train_job(tmp_path), range(1, CONFIG.training.epochs + 1))
        for _ in range(CONFIG.training.epochs):
            for _ in range(steps):
                sums = program._step(*next(batches))
            np.asarray(sums)
            program.logits(inputs.validation())
        return len(inputs) * CONFIG.training.epochs

    comparison = compare("epochs in a trial, against bare steps", bare, ours, at_least=0.95)
    with capsys.disabled():
        comparison.show()
    assert comparison.ratio >= comparison.at_least


def test_fifty_trials_on_the_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command, import of TensorFlow included, against its trials' own steps."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "hpo", "run", "--trials", "50"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    wall_s = time.perf_counter() - began
    storage = open_storage(default_url(tmp_path / "hpo_runs"))
    trials = optuna.load_study(study_name="digits", storage=storage).get_trials(deepcopy=False)
    timings = [trial.user_attrs["timing"] for trial in trials]
    steps_s = math.fsum(t.get("training", 0.0) + t.get("evaluation", 0.0) for t in timings)
    with capsys.disabled():
        figures = {"wall_s": round(wall_s, 1), "steps_s": round(steps_s, 1)}
        print("\n" + json.dumps({"what": "50 trials on digits", **figures}))
        print(f"50 trials on digits: {wall_s:.0f} s, {wall_s / steps_s:.2f} x their steps")
    assert wall_s <= 1.5 * steps_s
