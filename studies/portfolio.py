"""What is trained before the sampler proposes anything: a race of solved heads, then recipes.

A solved head on a frozen backbone takes seconds and tells which backbone and image size suit the
data; in measured literature that race beats scores made for the purpose (Renggli et al. 2022,
"Which Model to Transfer?"). The recipes then train on with the winner's backbone and size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.catalogue import Catalogue
from studies.domains import Fixed, Value
from studies.space import DataFacts, Space
from studies.suggest import nearest_trial
from studies.trial_config import TrialConfig

RACE = "race"
RECIPE = "recipe"

RECIPES: Sequence[Mapping[str, Value]] = (
    # Fine-tuning as it is done well: from the solved head, small steps, warmed up, averaged.
    MappingProxyType(
        {
            "trainable_stages": 2,
            "head_widths": "none",
            "solved_head": True,
            "dropout": 0.0,
            "optimizer": "adamw",
            "learning_rate": 2e-4,
            "weight_decay": 1e-4,
            "augmentation": "light",
            "mixup_alpha": 0.0,
            "batch_size": 32,
            "epochs": 8,
            "schedule": "cosine",
            "label_smoothing": 0.1,
            "weight_average": 0.98,
        }
    ),
    # A hidden layer on the frozen backbone, for features that no plane separates.
    MappingProxyType(
        {
            "trainable_stages": 0,
            "head_widths": "256",
            "solved_head": False,
            "dropout": 0.4,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "augmentation": "light",
            "mixup_alpha": 0.2,
            "batch_size": 64,
            "epochs": 20,
            "schedule": "cosine",
            "label_smoothing": 0.1,
            "weight_average": 0.98,
        }
    ),
    # The whole backbone, with stronger augmentation, for data unlike ImageNet.
    MappingProxyType(
        {
            "trainable_stages": 5,
            "head_widths": "none",
            "solved_head": True,
            "dropout": 0.0,
            "optimizer": "adamw",
            "learning_rate": 1e-4,
            "weight_decay": 1e-3,
            "augmentation": "medium",
            "mixup_alpha": 0.0,
            "batch_size": 32,
            "epochs": 12,
            "schedule": "cosine",
            "label_smoothing": 0.1,
            "weight_average": 0.98,
        }
    ),
)
"""Chosen by hand on seven of the measured data sets; the first for every set, the others where
there is time."""


def race(space: Space, facts: DataFacts) -> list[dict[str, Value]]:
    """Returns the Optuna parameters of the solved heads, the cheapest first.

    Every size is tried with the first of the pretrained backbones, and the middle and the largest
    one with the others: sizes differ more than backbones do. A space without solved heads, or
    without pretrained backbones, has no race.

    Args:
        space: The study's space.
        facts: The study's data.
    """
    catalogue = space.table.catalogue
    names = [
        str(name) for name in space.values("backbone") if catalogue.find(str(name)).has_weights
    ]
    sizes_px = _sizes_px(space)
    entrants = [(name, px) for name in names[:1] for px in sizes_px]
    entrants += [(name, px) for name in names[1:] for px in {*sizes_px[1::2], sizes_px[-1]}]
    entrants.sort(key=lambda entrant: (cost_of(catalogue, *entrant), entrant))
    found = []
    for name, size_px in entrants:
        wanted: dict[str, Value] = {
            "backbone": name,
            "pretrained": True,
            "image_size_px": size_px,
            "trainable_stages": 0,
            "head_widths": "none",
            "solved_head": True,
        }
        params, config = nearest_trial(space, facts, wanted)
        if config.is_solved and (config.model.backbone, config.model.image_size_px) == (
            name,
            size_px,
        ):
            found.append(params)
    return found


def recipe(
    number: int, space: Space, facts: DataFacts, like: TrialConfig | None
) -> dict[str, Value]:
    """Returns the Optuna parameters of a row of `RECIPES`.

    What the space does not hold is replaced by the nearest value that it does.

    Args:
        number: The row.
        space: The study's space.
        facts: The study's data.
        like: The winner of the race, whose backbone and image size are taken; None without a race.
    """
    wanted = dict(RECIPES[number])
    if like is not None:
        wanted |= {
            "backbone": like.model.backbone,
            "pretrained": like.model.pretrained,
            "image_size_px": like.model.image_size_px,
        }
    return nearest_trial(space, facts, wanted)[0]


def cost_of(catalogue: Catalogue, backbone: str, size_px: int) -> float:
    """Returns what one pass of one image costs, in multiply-adds; 1.0 where that is not known."""
    at_224 = catalogue.find(backbone).multiply_adds_224
    return 1.0 if at_224 is None else at_224 * (size_px / 224) ** 2


def _sizes_px(space: Space) -> list[int]:
    domain = space["image_size_px"]
    if isinstance(domain, Fixed):
        return [int(domain.value)]
    # Of a range, the sizes that the default space would hold.
    from studies.space import SIZES_PX

    return sorted({int(domain.nearest(px)) for px in SIZES_PX})
