"""Curves of a made-up set, for tests of the laboratory itself."""

from __future__ import annotations

import math

from tests.lab.candidates import PHOTOS, candidates
from tests.lab.curves import Curves, Run

TRAIN_STEP_S = 0.5


def made_up(name: str = "made-up", shift: float = 0.0) -> Curves:
    """Returns curves that rise to a height that size, stages and learning rate decide.

    Args:
        name: The set's.
        shift: Moves the best learning rate, by powers of ten.
    """
    runs, passes = {}, {}
    for candidate in candidates(PHOTOS, night=1):
        config = candidate.config(PHOTOS)
        model, size = config.model, config.model.image_size_px / 224
        rate = math.log10(config.optimizer.learning_rate) + 3 - shift
        height = 0.6 + 0.2 * size + 0.03 * model.trainable_stages - 0.02 * abs(rate)
        epochs = config.epochs
        accuracy = tuple(height * (1 - 0.5 ** (epoch + 1)) for epoch in range(epochs))
        base = int(1e6 * size**2) if model.trainable_stages < 5 else 0
        runs[candidate.name] = Run(
            name=candidate.name,
            settings=config.model_dump(mode="json", exclude_defaults=True),
            reason="complete",
            accuracy=accuracy,
            loss=tuple(1 - value for value in accuracy),
            seconds=(TRAIN_STEP_S,) * epochs,
            ready_s=1.0,
            base=base,
            head=1000,
        )
        if base:
            key = model.backbone, model.image_size_px, model.trainable_stages
            passes[key] = 10 * size**2
    return Curves(name, PHOTOS, 240, runs, passes)
