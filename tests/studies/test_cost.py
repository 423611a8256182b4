"""What trials cost, in forward passes and multiply-adds."""

from __future__ import annotations

from typing import Any

import pytest

from data_pipeline.config import AugmentConfig
from models.catalogue import BUILT_IN
from models.config import STRENGTHS, ModelConfig
from studies.cost import epoch_cost, epoch_passes
from studies.trial_config import TrainingConfig, TrialConfig


def tuned(stages: int, *, size_px: int = 224, **training: Any) -> TrialConfig:
    """A pretrained network of so many trained stages, not augmented."""
    model = ModelConfig(
        backbone="mobilenet_0.75",
        pretrained=True,
        image_size_px=size_px,
        classes=2,
        trainable_stages=stages,
    )
    return TrialConfig(model=model, training=TrainingConfig(**training))


def test_a_solved_head_is_one_pass() -> None:
    """However many strengths it tries."""
    config = tuned(0, solved_head=True)
    assert epoch_passes(config) * len(STRENGTHS) == 1.0


def test_a_frozen_base_is_passed_once_a_view() -> None:
    """Its head costs next to nothing."""
    config = tuned(0, epochs=10)
    assert epoch_passes(config) * 10 == config.views == 1
    flipped = config.model_copy(update={"augment": AugmentConfig(flip_horizontal=True)})
    assert epoch_passes(flipped) * 10 == flipped.views == 4


def test_more_trained_stages_cost_more() -> None:
    """Up to the whole backbone, which costs the same as one from random weights."""
    passes = [epoch_passes(tuned(stages, epochs=10)) for stages in range(6)]
    assert passes == sorted(passes)
    scratch = tuned(0, epochs=10).model_copy(
        update={"model": ModelConfig(backbone="cnn", image_size_px=64, classes=2)}
    )
    assert passes[-1] == epoch_passes(scratch)


def test_epochs_of_the_head_alone_are_cheap() -> None:
    """Half of the epochs cost half."""
    whole, half = tuned(5, epochs=10), tuned(5, epochs=10, head_epochs=5)
    assert epoch_passes(half) == pytest.approx(epoch_passes(whole) / 2)


def test_multiply_adds_grow_with_pixels_and_images() -> None:
    """Half the size is a quarter of the work."""
    whole, half = (epoch_cost(tuned(5, size_px=px), 100, BUILT_IN) for px in (224, 112))
    assert whole == pytest.approx(4 * half)
    row = BUILT_IN.find("mobilenet_0.75")
    assert row.multiply_adds_224 is not None
    assert whole == pytest.approx(100 * row.multiply_adds_224 * epoch_passes(tuned(5)))
