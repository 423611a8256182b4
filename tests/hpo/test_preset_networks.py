"""The networks of the hand-tuned systems, built from the presets' own baselines."""

from __future__ import annotations

import pytest

from models.catalogue import BUILT_IN
from models.export import whole_model
from studies.suggest import suggest
from tests.studies.test_presets import placed

# Worked out by hand where no report says: 3x3 kernels hold 9 weights a pair of channels.
CATS_DOGS_64 = (27 + 1) * 32 + (9 * 32 + 1) * 64 + (14 * 14 * 64 + 1) * 64 + 65
CIFAR_CNN = (
    (27 + 1) * 16
    + (9 * 16 + 1) * 32
    + (9 * 32 + 1) * 32
    + (4 * 4 * 32 + 1) * 1024
    + (1024 + 1) * 10
)


@pytest.mark.parametrize(
    ("preset", "label", "size_px", "expected"),
    [
        ("cats-dogs", "batch 64, 25 epochs", 64, CATS_DOGS_64),
        ("cats-dogs-small", "plain, 30 epochs", 180, 991_041),
        ("weather", "model 1, 10 epochs", 256, 14_803_780),
        ("weather", "model 2, 50 epochs", 250, 10_648_772),
        ("weather", "model 3, 100 epochs", 250, 1_375_396),
        ("cifar-scratch", "3 Conv, plain, 40 epochs", 32, CIFAR_CNN),
    ],
)
def test_parameters_are_those_of_the_report(
    preset: str, label: str, size_px: int, expected: int
) -> None:
    """The whole model that is exported has exactly the reported number of weights."""
    import keras
    from optuna.trial import FixedTrial

    keras.utils.clear_session()
    space, facts, baselines = placed(preset, list(BUILT_IN), size_px)
    config = suggest(FixedTrial(dict(baselines.params[label])), space, facts)
    names = [f"class {number}" for number in range(facts.classes)]
    assert whole_model(config.model, class_names=names).count_params() == expected
