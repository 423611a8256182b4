"""The named augmentations: each is the same for every trial that picks it, so views are shared."""

from __future__ import annotations

from dataclasses import dataclass

from data_pipeline.config import AugmentConfig


@dataclass(frozen=True)
class Augmentation:
    """One named augmentation.

    Attributes:
        name: What a search space, a preset or the command line calls it.
        config: Its ranges.
        description: What it is meant for, in a line.
    """

    name: str
    config: AugmentConfig
    description: str


AUGMENTATIONS = {
    row.name: row
    for row in (
        Augmentation("none", AugmentConfig(), "Images as they are."),
        Augmentation(
            "flip",
            AugmentConfig(flip_horizontal=True),
            "Mirrored left to right; for photos.",
        ),
        Augmentation(
            "shift",
            AugmentConfig(
                rotation_deg=10, width_shift=0.1, height_shift=0.1, zoom=0.1, fill="nearest"
            ),
            "Moved, turned and scaled a little, never mirrored; for digits, letters and signs.",
        ),
        Augmentation(
            "light",
            AugmentConfig(
                rotation_deg=8, width_shift=0.06, height_shift=0.06, zoom=0.08, flip_horizontal=True
            ),
            "Small changes; for photos, where there are many.",
        ),
        Augmentation(
            "medium",
            AugmentConfig(
                rotation_deg=15,
                width_shift=0.12,
                height_shift=0.12,
                zoom=0.15,
                brightness=(0.85, 1.15),
                flip_horizontal=True,
            ),
            "Moderate changes and brightness; for photos.",
        ),
        Augmentation(
            "strong",
            AugmentConfig(
                rotation_deg=25,
                width_shift=0.2,
                height_shift=0.2,
                zoom=0.3,
                shear_deg=8,
                brightness=(0.7, 1.3),
                flip_horizontal=True,
            ),
            "Large changes; for photos, where there are few or training is long.",
        ),
        Augmentation(
            "varied",
            AugmentConfig(
                rotation_deg=30,
                width_shift=0.25,
                height_shift=0.25,
                zoom=0.4,
                shear_deg=15,
                brightness=(0.5, 1.5),
                contrast=(0.4, 1.6),
                saturation=(0.0, 1.8),
                most_changes=2,
                flip_horizontal=True,
            ),
            "Two large changes an image, others for each (as RandAugment); for photos.",
        ),
        Augmentation(
            "mixup",
            AugmentConfig(
                rotation_deg=15,
                width_shift=0.12,
                height_shift=0.12,
                zoom=0.15,
                brightness=(0.85, 1.15),
                flip_horizontal=True,
                mixup_alpha=0.2,
            ),
            "Medium, and images mixed in pairs; for photos and long training.",
        ),
        Augmentation(
            "cats-dogs",
            AugmentConfig(
                rotation_deg=20,
                width_shift=0.2,
                height_shift=0.2,
                flip_horizontal=True,
                fill="nearest",
            ),
            "Hand-tuned for 8,005 cats and dogs at 64 px.",
        ),
        Augmentation(
            "cats-dogs-small",
            AugmentConfig(rotation_deg=36, zoom=0.2, flip_horizontal=True),
            "Hand-tuned for 2,000 cats and dogs at 180 px.",
        ),
        Augmentation(
            "weather",
            AugmentConfig(
                rotation_deg=20,
                width_shift=0.2,
                height_shift=0.2,
                zoom=0.2,
                # As run: `ImageDataGenerator(shear_range=0.2)` is a fifth of a degree.
                shear_deg=0.2,
                brightness=(0.5, 1.5),
                flip_horizontal=True,
                fill="nearest",
            ),
            "Hand-tuned for 1,125 photos of the weather at 256 px.",
        ),
        Augmentation(
            "cifar",
            AugmentConfig(
                rotation_deg=30,
                width_shift=0.2,
                height_shift=0.2,
                zoom=0.3,
                brightness=(0.8, 1.0),
                flip_horizontal=True,
                fill="nearest",
            ),
            "Hand-tuned for the CIFAR-10 images.",
        ),
        Augmentation(
            "cifar-mixup",
            AugmentConfig(
                rotation_deg=30,
                width_shift=0.2,
                height_shift=0.2,
                zoom=0.3,
                brightness=(0.8, 1.0),
                flip_horizontal=True,
                fill="nearest",
                mixup_alpha=0.2,
            ),
            "The same with mixup, as in its best runs.",
        ),
    )
}
"""The levels first, from weak to strong; then what the hand-tuned systems used. Those ran Keras's
`ImageDataGenerator`, which fills with the nearest pixel, except `cats-dogs-small`."""
