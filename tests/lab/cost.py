"""What a trial costs: the passes of its frozen base that were not made before, and its epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.config import STAGES
from studies.trial_config import EPOCHS_A_VIEW, TrialConfig

if TYPE_CHECKING:
    import keras

VALIDATION = "validation"
TRAINING_PASSES = 3
"""A training step is a pass forward, and one backward for images and one for weights."""


@dataclass(frozen=True)
class BasePass:
    """One pass of a frozen base, which is made once in a study.

    Attributes:
        backbone: The backbone.
        image_size_px: The image size.
        stages: Stages that the base leaves out.
        view: Which view of the training images; `VALIDATION` for the validation images.
        augment: Its augmentation as JSON; empty where the images are as they are.
    """

    backbone: str
    image_size_px: int
    stages: int
    view: str
    augment: str = ""


def passes(config: TrialConfig, epoch: int) -> Iterator[BasePass]:
    """Yields the passes that an epoch (from 1) of a trial reads, made before or not.

    It follows `hpo.training.features`: views are shared by all trials of one augmentation, and the
    first view is that of the unchanged images, which all share.
    """
    model = config.model
    if not model.pretrained:
        return
    base = model.backbone, model.image_size_px
    if config.training.solved_head:
        yield BasePass(*base, 0, "0")
        yield BasePass(*base, 0, VALIDATION)
    if config.is_solved or model.trainable_stages >= STAGES:
        return
    view = (epoch - 1) // EPOCHS_A_VIEW % config.views
    level = config.augment.alone.model_dump_json() if view else ""
    yield BasePass(*base, model.trainable_stages, str(view), level)
    yield BasePass(*base, model.trainable_stages, VALIDATION)


def multiply_adds(model: keras.Model) -> int:
    """Returns what one image costs in a forward pass of a network or a part of one."""
    return sum(_of_layer(layer) for layer in _layers(model))


def _layers(model: Any) -> Iterator[Any]:
    from models.heads import Head

    for part in [model.trunk, model.top] if isinstance(model, Head) else [model]:
        yield from part.layers


def _of_layer(layer: Any) -> int:
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    places = int(math.prod(layer.output.shape[1:-1]))  # 1 of a dense layer
    return int(math.prod(kernel.shape)) * places
