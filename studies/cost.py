"""What a trial costs: multiply-adds, which are the same on every machine.

A step through trained layers counts as four passes: one forward, and three for the gradients of
the layers' inputs and weights and for the update, since small kernels are slow backwards.
"""

from __future__ import annotations

from models.catalogue import Catalogue
from models.config import STAGES
from studies.trial_config import TrialConfig

TRAINED_PASSES = 4.0
SHARE_ABOVE = (0.0, 0.2, 0.55, 0.8, 0.95, 1.0)
"""Share of a backbone's work that its top stages do, by their number: about that of MobileNets and
ResNets, whose stages at a sixteenth of the size are the longest."""

UNKNOWN_MULTIPLY_ADDS_224 = 3e8
"""Of a backbone that nobody has counted."""


def epoch_passes(config: TrialConfig) -> float:
    """Returns what an epoch of a trial costs, in forward passes of all training images.

    What is done once, such as the pass through a frozen base, is spread over the epochs.
    """
    model = config.model
    above = SHARE_ABOVE[model.trainable_stages if model.pretrained else STAGES]
    # From a random head the layers above the cut are trained in some of the epochs only.
    head_epochs = min(config.training.head_epochs, config.epochs) if above > 0 else 0
    share = above * (1.0 - head_epochs / config.epochs)
    views = config.views / config.epochs if above < 1.0 else 0.0
    return (1.0 - above) * views + share * TRAINED_PASSES


def epoch_cost(config: TrialConfig, train_images: int, catalogue: Catalogue) -> float:
    """Returns the multiply-adds of an epoch of a trial, its head's left out.

    Args:
        config: The trial.
        train_images: Number of training images.
        catalogue: Where its backbone is looked up; one whose work is not known counts as one of
            average size.
    """
    row = catalogue.find(config.model.backbone)
    forward = row.multiply_adds_224 or UNKNOWN_MULTIPLY_ADDS_224
    pixels = (config.model.image_size_px / 224) ** 2
    return forward * pixels * train_images * epoch_passes(config)
