"""Tests of the table of augmentations."""

from __future__ import annotations

import pytest

from data_pipeline.augmentations import AUGMENTATIONS, Augmentation
from data_pipeline.config import AugmentConfig

LEVELS = ("none", "flip", "light", "medium", "strong")
EVERYDAY = (*LEVELS, "shift", "mixup")


@pytest.mark.parametrize("row", AUGMENTATIONS.values(), ids=AUGMENTATIONS)
def test_rows_are_named_and_described(row: Augmentation) -> None:
    """A row is found under its own name and says in one sentence what it is for."""
    assert AUGMENTATIONS[row.name] is row
    assert row.description.endswith(".")
    assert "\n" not in row.description
    assert (row.config == AugmentConfig()) == (row.name == "none")


@pytest.mark.parametrize("field", ["rotation_deg", "width_shift", "zoom", "shear_deg"])
def test_levels_grow(field: str) -> None:
    """From none to strong no range shrinks, and the last is the widest."""
    ranges = [getattr(AUGMENTATIONS[name].config, field) for name in LEVELS]
    assert ranges == sorted(ranges)
    assert ranges[-1] > ranges[0]


def test_digits_are_never_mirrored() -> None:
    """The level for digits and letters keeps left, right, top and bottom apart."""
    config = AUGMENTATIONS["shift"].config
    assert not config.flip_horizontal
    assert not config.flip_vertical
    assert config.rotation_deg <= 15


@pytest.mark.parametrize("name", EVERYDAY)
def test_photos_are_never_turned_upside_down(name: str) -> None:
    """No general level mirrors top to bottom."""
    assert not AUGMENTATIONS[name].config.flip_vertical


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("cats-dogs", {"rotation_deg": 20, "width_shift": 0.2, "height_shift": 0.2}),
        ("cats-dogs-small", {"rotation_deg": 36, "zoom": 0.2}),
        (
            "weather",
            {
                "rotation_deg": 20,
                "width_shift": 0.2,
                "height_shift": 0.2,
                "zoom": 0.2,
                "shear_deg": 0.2,
                "brightness": (0.5, 1.5),
            },
        ),
        (
            "cifar",
            {
                "rotation_deg": 30,
                "width_shift": 0.2,
                "height_shift": 0.2,
                "zoom": 0.3,
                "brightness": (0.8, 1.0),
            },
        ),
    ],
)
def test_hand_tuned_ranges_are_the_published_ones(name: str, published: dict[str, object]) -> None:
    """What the hand-tuned systems changed, all of it mirrored too, and nothing else."""
    expected = AugmentConfig.model_validate(published | {"flip_horizontal": True})
    assert AUGMENTATIONS[name].config.model_copy(update={"fill": "reflect"}) == expected


def test_mixup_rows_mix_what_their_base_does() -> None:
    """`cifar-mixup` and `mixup` add a Beta(0.2) mixture and change nothing else."""
    for name, base in (("cifar-mixup", "cifar"), ("mixup", "medium")):
        mixed = AUGMENTATIONS[base].config.model_copy(update={"mixup_alpha": 0.2})
        assert AUGMENTATIONS[name].config == mixed
