"""Tests of the batches: order, determinism, specification."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline.augment import warp
from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.batches import (
    augmented_view,
    drawn_batches,
    eval_batches,
    generator,
    train_batches,
)
from data_pipeline.config import AugmentConfig
from data_pipeline.store import Examples

SIZE_PX, COUNT = 8, 10
NONE, STRONG = AugmentConfig(), AUGMENTATIONS["strong"].config
MIXUP = AUGMENTATIONS["mixup"].config


@pytest.fixture
def split() -> Examples:
    """Ten of twelve stored images, in an order of their own; each label is the stored row."""
    shape = (COUNT + 2, SIZE_PX, SIZE_PX, 3)
    images_bhwc = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rows = np.array([11, 3, 0, 7, 5, 2, 9, 8, 1, 6])
    return Examples(images_bhwc, rows, rows.astype(np.int32), tuple(map(str, rows)))


def epochs_of(split: Examples, **changes: Any) -> tf.data.Dataset:
    """Training batches with some settings changed."""
    settings: dict[str, Any] = {
        "batch_size": 4,
        "augment": STRONG,
        "seed": 1,
        "trial": 2,
        "epochs": [3],
    }
    return train_batches(split, **settings | changes)


def joined(batches: Iterable[Any]) -> list[np.ndarray]:
    """Each component of batches as one array."""
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def test_random_numbers_are_the_same_everywhere() -> None:
    """The numbers are pinned: another platform or version must draw the same."""
    numbers = generator(0, 1, 2, "order").integers(0, 1000, 5).tolist()
    assert numbers == [533, 931, 473, 884, 200]


@pytest.mark.parametrize("other", [(9, 1, 2, "a"), (0, 9, 2, "a"), (0, 1, 9, "a"), (0, 1, 2, "b")])
def test_random_numbers_depend_on_all_four(other: tuple[int, int, int, str]) -> None:
    """Another seed, trial, epoch or purpose gives other numbers."""
    assert generator(0, 1, 2, "a").random() == generator(0, 1, 2, "a").random()
    assert generator(0, 1, 2, "a").random() != generator(*other).random()


def test_the_same_epoch_is_bit_identical(split: Examples) -> None:
    """Any epoch can be produced again, images, labels and mixup weights alike."""
    for first, second in zip(
        joined(epochs_of(split, augment=MIXUP)),
        joined(epochs_of(split, augment=MIXUP)),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("change", [{"epochs": [4]}, {"trial": 3}, {"seed": 2}])
def test_another_epoch_trial_or_seed_differs(split: Examples, change: dict[str, Any]) -> None:
    """Both the order and what is done to an image are drawn anew."""
    images, labels, _mix = joined(epochs_of(split))
    others, other_labels, _mix = joined(epochs_of(split, **change))
    assert labels.tolist() != other_labels.tolist()
    for label in labels:
        changed = np.abs(images[labels == label] - others[other_labels == label])
        assert changed.mean() > 1


def test_epochs_in_a_row_are_the_single_ones(split: Examples) -> None:
    """One data set of three epochs, or of the last two, repeats them exactly."""
    singles = [joined(epochs_of(split, epochs=[epoch])) for epoch in (5, 6, 7)]
    for start, epochs in ((0, range(5, 8)), (1, range(6, 8))):
        row = joined(epochs_of(split, epochs=epochs))
        for component, parts in zip(row, zip(*singles[start:], strict=True), strict=True):
            np.testing.assert_array_equal(component, np.concatenate(parts))


def test_an_epoch_holds_every_example_once_with_its_label(split: Examples) -> None:
    """Shuffled, without repetition; unaugmented pixels are the stored ones."""
    images, labels, mix = joined(epochs_of(split, augment=NONE))
    assert sorted(labels) == sorted(split.labels)
    assert labels.tolist() != split.labels.tolist()
    np.testing.assert_array_equal(images, split.images_bhwc[labels])
    np.testing.assert_array_equal(mix, 1)


def test_the_last_smaller_batch_of_each_epoch_is_kept(split: Examples) -> None:
    """Ten examples in batches of four are 4, 4, 2 in every epoch."""
    sizes = [len(labels) for _, labels, _ in epochs_of(split, epochs=range(2))]
    assert sizes == [4, 4, 2, 4, 4, 2]


def test_changes_do_not_hang_on_the_batch_size(split: Examples) -> None:
    """Trials that differ in batch size see the same images in the same order."""
    images, labels, _mix = joined(epochs_of(split))
    others, other_labels, _mix = joined(epochs_of(split, batch_size=7))
    np.testing.assert_array_equal(labels, other_labels)
    np.testing.assert_allclose(images, others, atol=1e-3)


def test_one_traced_function_serves_every_trial(split: Examples) -> None:
    """Whatever is augmented, in whatever batches, a step is traced once."""
    traces = []

    @tf.function
    def step(iterator: Any) -> Any:
        traces.append(1)
        return [tf.shape(component) for component in next(iterator)]

    for change in (
        {},
        {"epochs": range(3)},
        {"batch_size": 3},
        {"augment": NONE},
        {"augment": MIXUP},
        {"augment": AUGMENTATIONS["weather"].config},
    ):
        step(iter(epochs_of(split, **change)))
    assert len(traces) == 1
    spec = epochs_of(split).element_spec
    assert [(s.dtype, s.shape.as_list()) for s in spec] == [
        (tf.float32, [None, SIZE_PX, SIZE_PX, 3]),
        (tf.int32, [None]),
        (tf.float32, [None]),
    ]


def test_mixup_weights_come_with_their_images(split: Examples) -> None:
    """They are drawn where the augmentation mixes, one per example."""
    *_, mix = joined(epochs_of(split, augment=MIXUP))
    assert mix.shape == (COUNT,)
    assert (mix < 1).all()


def test_a_step_that_warps_itself_sees_the_same(split: Examples) -> None:
    """Drawn batches followed by the warp are the training batches."""
    drawn = drawn_batches(split, batch_size=4, augment=STRONG, seed=1, trial=2, epochs=[3])
    for (images, transforms, light, labels, mix), expected in zip(
        drawn, epochs_of(split), strict=True
    ):
        assert images.dtype == tf.uint8
        found = (warp(images, transforms, light, STRONG.fill), labels, mix)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_evaluation_is_in_order_and_never_augmented(split: Examples) -> None:
    """Stored pixels and labels in the split's order, each time the same."""
    for _ in range(2):
        images, labels = joined(eval_batches(split, 4))
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, split.images_bhwc[split.rows])
        np.testing.assert_array_equal(labels, split.labels)


def test_mapped_images_give_the_same_batches(split: Examples, tmp_path: Path) -> None:
    """A store that is larger than memory trains and evaluates alike."""
    split.images_bhwc.tofile(tmp_path / "pixels")
    shape = split.images_bhwc.shape
    mapped_bhwc = np.memmap(tmp_path / "pixels", np.uint8, mode="r", shape=shape)
    mapped = Examples(mapped_bhwc, split.rows, split.labels, split.paths)
    for make in (epochs_of, lambda s: eval_batches(s, 3)):
        for found, expected in zip(joined(make(mapped)), joined(make(split)), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_view_0_is_the_images_as_they_are(split: Examples) -> None:
    """The first view of any augmentation is unaugmented, in the split's order."""
    images, labels = joined(augmented_view(split, STRONG, 0, 4))
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, split.images_bhwc[split.rows])
    np.testing.assert_array_equal(labels, split.labels)


def test_a_view_is_the_same_for_every_trial(split: Examples) -> None:
    """It depends on its number and on what is done to single images, which mixup is not."""
    images, labels = joined(augmented_view(split, AUGMENTATIONS["medium"].config, 1, 4))
    again, _labels = joined(augmented_view(split, MIXUP, 1, 4))
    np.testing.assert_array_equal(labels, split.labels)
    np.testing.assert_array_equal(images, again)
    for augment, view in ((MIXUP, 2), (STRONG, 1)):
        others, _labels = joined(augmented_view(split, augment, view, 4))
        assert np.abs(images - others).mean(axis=(1, 2, 3)).min() > 1


def test_views_have_one_specification(split: Examples) -> None:
    """A backbone's traced forward pass serves every view."""
    specs = [
        augmented_view(split, STRONG, view, size).element_spec for view, size in ((0, 4), (1, 5))
    ]
    assert specs[0] == specs[1]
