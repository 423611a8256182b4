"""The settings that curves are recorded for: the same ones on every set.

A candidate names what it wants. On each set it is the trial of the set's space that comes nearest,
as a step of the opening is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.domains import Value
from studies.portfolio import SOLVED
from studies.space import PRETRAINED_FROM_PX, DataFacts, Space, default_space
from studies.suggest import nearest_trial
from studies.trial_config import TrialConfig

BACKBONES = ("mobilenet_0.75", "mobilenet_v2_1.0", "mobilenet_v2_0.35")
"""The pretrained ones whose weights were at hand."""
SCRATCH = ("cnn_deep", "resnet_small", "cnn")
PHOTOS = DataFacts(classes=5, native_size_px=240, train_images=700)
"""What recipes are written for."""
EPOCHS = {"low": 4, "high": 30, "log": True}
"""Longer runs are left to longer nights."""
_MODERN: Mapping[str, Value] = {
    "pretrained": True,
    "dropout": 0.0,
    "mixup_alpha": 0.0,
    "schedule": "cosine",
    "label_smoothing": 0.1,
    "weight_average": 0.98,
}
FINE_TUNED: Mapping[str, Value] = {
    **_MODERN,
    "trainable_stages": 2,
    "head_widths": "none",
    "solved_head": True,
    "optimizer": "adamw",
    "learning_rate": 2e-4,
    "weight_decay": 1e-4,
    "augmentation": "light",
    "batch_size": 32,
    "epochs": 8,
}
HIDDEN: Mapping[str, Value] = {
    **_MODERN,
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
WHOLE: Mapping[str, Value] = {
    **FINE_TUNED,
    "trainable_stages": 5,
    "learning_rate": 1e-4,
    "weight_decay": 1e-3,
    "augmentation": "medium",
    "epochs": 12,
}
"""Recipes by hand. They are written out here, as what a name stands for in the table never changes,
whatever the product's own recipes become."""
DRAWN: Mapping[str, Sequence[Mapping[str, Value]]] = json.loads(
    (Path(__file__).parent / "drawn.json").read_text()
)
"""Settings spread evenly over the space of the time (Sobol 1967): heads trained by gradient steps
at 96 and 160 px, fine-tuned backbones at 96 px, and networks from random weights. They were drawn
once and stay: with another space a name would stand for other settings."""


@dataclass(frozen=True)
class Candidate:
    """Settings to record.

    Attributes:
        name: Its name in the table.
        wanted: Parameter name to value.
    """

    name: str
    wanted: Mapping[str, Value]

    def config(self, facts: DataFacts) -> TrialConfig:
        """Returns what it comes to on a set."""
        return nearest_trial(whole_space(facts), facts, self.wanted)[1]


def whole_space(facts: DataFacts) -> Space:
    """Returns the space of a set, with all that is recorded."""
    return default_space(facts, [*BACKBONES, *SCRATCH]).with_changes({"epochs": EPOCHS})


def candidates(facts: DataFacts, night: int) -> list[Candidate]:
    """Returns what is to be recorded on a set, most telling first.

    Args:
        facts: The set's.
        night: How much: 1 takes some forty minutes of one core for eight sets; each further one
            draws more settings and recipes at larger sizes.
    """
    if facts.native_size_px < PRETRAINED_FROM_PX:
        return list(_drawn("drawn", range(12 * night)))
    best, other, small = BACKBONES
    found = [*_solved((96,), BACKBONES), *_variants(best, 96), *_recipes(best, 96)]
    found += [*_drawn("head", range(6)), *_solved((160,), BACKBONES), *_whole(best, 96)]
    found += [*_drawn("head", range(6, 16)), *_drawn("tuned", range(4))]
    found += [*_solved((224,), (best, other))]
    if night > 1:
        found += [*_recipes(other, 96), *_recipes(best, 160), *_solved((224,), (small,))]
        found += [*_drawn("head", range(16, 32 * night))]
        found += [*_drawn("tuned", range(4, 8 * night))]
    if night > 2:
        found += [*_recipes(other, 160), *_recipes(best, 224), *_variants(best, 160)]
        found += [*_whole(other, 96), *_whole(best, 160)]
    return found


def _solved(sizes_px: Sequence[int], backbones: Sequence[str]) -> Iterator[Candidate]:
    for size_px in sizes_px:
        for name in backbones:
            wanted = {**SOLVED, "backbone": name, "image_size_px": size_px}
            yield Candidate(f"solved {name} {size_px}", wanted)


def _recipes(backbone: str, size_px: int) -> Iterator[Candidate]:
    for label, recipe in (("hidden", HIDDEN), ("fine-tuned", FINE_TUNED)):
        wanted = {**recipe, "backbone": backbone, "image_size_px": size_px}
        yield Candidate(f"{label} {backbone} {size_px}", wanted)


def _whole(backbone: str, size_px: int) -> Iterator[Candidate]:
    wanted = {**WHOLE, "backbone": backbone, "image_size_px": size_px}
    yield Candidate(f"whole {backbone} {size_px}", wanted)


def _variants(backbone: str, size_px: int) -> Iterator[Candidate]:
    """Cheaper ways to fine-tune, each of which differs from the recipe in few things."""
    where: dict[str, Value] = {"backbone": backbone, "image_size_px": size_px}
    quick = {**FINE_TUNED, **where, "augmentation": "none", "epochs": 5}
    yield Candidate(f"top {backbone} {size_px}", {**quick, "trainable_stages": 1})
    yield Candidate(f"quick {backbone} {size_px}", quick)
    yield Candidate(f"bold {backbone} {size_px}", {**quick, "learning_rate": 1e-3})
    hidden = {**HIDDEN, **where, "augmentation": "none"}
    yield Candidate(f"plain hidden {backbone} {size_px}", hidden)


def _drawn(label: str, numbers: range) -> Iterator[Candidate]:
    for number in numbers[: len(DRAWN[label]) - numbers.start]:
        yield Candidate(f"{label} {number}", DRAWN[label][number])
