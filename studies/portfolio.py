"""What is trained before the sampler proposes anything: a race of solved heads, then recipes.

A solved head on a frozen backbone takes seconds and tells which backbone and image size suit the
data; measured literature has that race ahead of scores made for the purpose (Renggli et al. 2022,
"Which Model to Transfer?"). The recipes then train on with the winner's backbone and size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from studies.cost import epoch_cost, epoch_passes
from studies.domains import Value
from studies.scheduler import Planned
from studies.space import SIZES_PX, DataFacts, Space
from studies.suggest import default_trial, nearest_trial
from studies.trial_config import TrialConfig

SOLVED: Mapping[str, Value] = {
    "pretrained": True,
    "trainable_stages": 0,
    "head_widths": "none",
    "solved_head": True,
}
"""A logistic regression on a frozen backbone."""

_MODERN: Mapping[str, Value] = {
    "dropout": 0.0,
    "mixup_alpha": 0.0,
    "schedule": "cosine",
    "label_smoothing": 0.1,
    "weight_average": 0.98,
}
FINE_TUNED: Mapping[str, Value] = {
    **_MODERN,
    "pretrained": True,
    "trainable_stages": 2,
    "head_widths": "none",
    "solved_head": True,
    "optimizer": "adamw",
    "learning_rate": 2e-4,
    "weight_decay": 1e-4,
    "augmentation": "none",
    "batch_size": 32,
    "epochs": 5,
}
"""Small steps from the solved head through the top of the backbone. Light augmentation and eight
epochs cost half as much again and were no better on recorded sets, see docs/laboratory.md."""
TOP: Mapping[str, Value] = {
    **FINE_TUNED,
    "trainable_stages": 1,
    "augmentation": "light",
    "epochs": 6,
}
"""The last stage alone: much of what fine-tuning gains, for a part of the work."""
HIDDEN: Mapping[str, Value] = {
    **_MODERN,
    "pretrained": True,
    "trainable_stages": 0,
    "head_widths": "256",
    "solved_head": False,
    "dropout": 0.4,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "augmentation": "light",
    "batch_size": 64,
    "epochs": 20,
}
"""A hidden layer on the frozen backbone, for classes that no plane separates."""
WHOLE: Mapping[str, Value] = {
    **FINE_TUNED,
    "trainable_stages": 5,
    "batch_size": 16,
    "weight_decay": 1e-3,
    "augmentation": "medium",
    "epochs": 12,
}
"""All of the backbone, for images unlike ImageNet's."""
RECIPES: Mapping[str, Mapping[str, Value]] = {
    "top fine-tuned": TOP,
    "fine-tuned": FINE_TUNED,
    "hidden layer": HIDDEN,
    "wholly fine-tuned": WHOLE,
}
"""What follows the race, in this order, by the name of its step."""
FROM_SCRATCH: Mapping[str, Value] = {
    "schedule": "cosine",
    "label_smoothing": 0.1,
    "weight_average": 0.98,
    "epochs": 40,
}
"""The hand-chosen settings with a modern schedule, for networks from random weights."""


@dataclass(frozen=True)
class Step:
    """One of the trials that come first.

    Attributes:
        name: What it is called in listings.
        wanted: Its settings; of the others each has its hand-chosen value.
        like: Settings that it takes over from the best solved head so far.
        races: Whether it is one of the solved heads, rather than a recipe for the best of them.
    """

    name: str
    wanted: Mapping[str, Value]
    like: tuple[str, ...] = ()
    races: bool = False


def opening(
    space: Space, facts: DataFacts, recipes: Mapping[str, Mapping[str, Value]] = RECIPES
) -> tuple[Step, ...]:
    """Returns what is trained first, in this order.

    What a space does not hold is left out, and so is what would come to the same trial.

    Args:
        space: The study's space.
        facts: The study's data.
        recipes: What follows the race.
    """
    found: list[Step] = []
    seen: list[tuple[dict[str, Value], tuple[str, ...]]] = []
    for step in _steps(space, facts, recipes):
        params, config = trial_of(step, space, facts, None)
        # A recipe that this space turns into a solved head would be the winner of the race again.
        if config.is_solved != step.races:
            continue
        # A step that follows the winner of the race is another one then.
        if (params, step.like) not in seen:
            found.append(step)
            seen.append((params, step.like))
    return tuple(found)


def planned(steps: Sequence[Step], space: Space, facts: DataFacts) -> tuple[Planned, ...]:
    """Returns what the scheduler needs to know of the steps."""
    catalogue = space.table.catalogue
    configs = [trial_of(step, space, facts, None)[1] for step in steps]
    forward = [catalogue.find(config.model.backbone).multiply_adds_224 for config in configs]
    return tuple(
        Planned(
            step.name,
            step.races,
            epoch_passes(config),
            relative=(adds or 1.0) / (forward[0] or 1.0),
            work=None
            if step.like
            else config.epochs * epoch_cost(config, facts.train_images, catalogue),
        )
        for step, config, adds in zip(steps, configs, forward, strict=True)
    )


def trial_of(
    step: Step, space: Space, facts: DataFacts, like: TrialConfig | None
) -> tuple[dict[str, Value], TrialConfig]:
    """Returns the Optuna parameters and the configuration of a step.

    What the space does not hold is replaced by the nearest value that it does.

    Args:
        step: The step.
        space: The study's space.
        facts: The study's data.
        like: The best solved head so far; None if there is none.
    """
    wanted = dict(step.wanted)
    if like is not None:
        of_winner: dict[str, Value] = {
            "backbone": like.model.backbone,
            "image_size_px": like.model.image_size_px,
        }
        wanted |= {name: of_winner[name] for name in step.like}
    return nearest_trial(space, facts, wanted)


def _steps(
    space: Space, facts: DataFacts, recipes: Mapping[str, Mapping[str, Value]]
) -> Iterator[Step]:
    catalogue = space.table.catalogue
    loads = "pretrained" in space and True in space.values("pretrained")
    names = [
        str(name)
        for name in space.values("backbone")
        if loads and catalogue.find(str(name)).has_weights
    ]
    first = {**SOLVED, "backbone": names[0] if names else ""}
    if not nearest_trial(space, facts, first)[1].is_solved:
        yield Step("default", default_settings(space, facts))
        if names:
            yield Step("fine-tuned", {**default_settings(space, facts), "trainable_stages": 2})
        else:
            yield Step("cosine", {**default_settings(space, facts), **FROM_SCRATCH})
        yield from _own_networks(space)
        return
    # Sizes differ more than backbones do, so one backbone tries them, small ones first: that is a
    # usable model within seconds. The other backbones then join at the size that was best.
    sizes_px = sorted({int(space["image_size_px"].nearest(size_px)) for size_px in SIZES_PX})
    for size_px in [*sizes_px[::2], *([] if len(sizes_px) % 2 else sizes_px[-1:])]:
        wanted = {**SOLVED, "backbone": names[0], "image_size_px": size_px}
        yield Step(f"race {names[0]} {size_px} px", wanted, races=True)
    for name in names[1:]:
        wanted = {**SOLVED, "backbone": name}
        yield Step(f"race {name}", wanted, like=("image_size_px",), races=True)
    winner = ("backbone", "image_size_px")
    own = 2  # what gains most for its cost comes before the user's own networks
    steps = [Step(label, recipe, like=winner) for label, recipe in recipes.items()]
    yield from [*steps[:own], *_own_networks(space), *steps[own:]]


def _own_networks(space: Space) -> Iterator[Step]:
    """Yields one step for each network of the user's own, which the race cannot tell about."""
    for name in map(str, space.values("backbone")):
        if space.table.catalogue.find(name).code:
            yield Step(f"network {name}", {**FROM_SCRATCH, "backbone": name})


def default_settings(space: Space, facts: DataFacts) -> dict[str, Value]:
    """Returns the backbone of the hand-chosen trial, which decides about its other settings."""
    params = default_trial(space, facts)
    backbone = params.get("backbone", space.values("backbone")[0])
    return {"backbone": backbone}
