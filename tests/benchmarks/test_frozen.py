"""Benchmark of trials on a frozen backbone; run with `make bench`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.training import features
from hpo.training.device import Device, cpu_precision
from hpo.training.programs import Programs
from hpo.training.protocol import Train
from hpo.training.trial import run_trial
from models.config import ModelConfig
from studies.trial_config import TrainingConfig, TrialConfig
from tests.benchmarks.measure import SIX, compare
from tests.hpo.training.data import FakeLink, make_data
from tests.models.random_weights import write_weights

pytestmark = pytest.mark.bench

SIZE_PX, EPOCHS = 96, 10
CONFIG = TrialConfig(
    model=ModelConfig(backbone="mobilenet_0.75", image_size_px=SIZE_PX, classes=3, pretrained=True),
    augment=SIX,
    training=TrainingConfig(batch_size=32, epochs=EPOCHS, early_stopping_patience=0),
)


@pytest.fixture(autouse=True)
def _weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights where Keras would put MobileNet's, as fast as learnt ones."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    write_weights("mobilenet_0.75", SIZE_PX)


def test_a_second_frozen_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten epochs whose activations are there already, against computing them in every epoch."""
    data = make_data(tmp_path, size_px=SIZE_PX, scale=8)
    programs, number = Programs(Device("CPU", False, cpu_precision(), False)), 0

    def trial(limit_bytes: int) -> int:
        nonlocal number
        number += 1
        monkeypatch.setattr(features, "LIMIT_BYTES", limit_bytes)
        folder = str(tmp_path / str(number))
        job = Train(number=number, config=CONFIG, seed=0, metric="accuracy", folder=folder)
        outcome = run_trial(job, data, programs, FakeLink()).outcome
        assert outcome is not None
        assert len(outcome.history["val_accuracy"]) == EPOCHS
        return EPOCHS * len(data.split("train"))

    kept = features.LIMIT_BYTES
    comparison = compare(
        "second frozen trial of 10 epochs", lambda: trial(0), lambda: trial(kept), at_least=20
    )
    with capsys.disabled():
        comparison.show()
    assert comparison.ratio >= comparison.at_least
