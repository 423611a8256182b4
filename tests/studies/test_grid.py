"""Tests of `studies.grid`."""

from __future__ import annotations

from typing import Any

import pytest

from studies.errors import StudyError
from studies.grid import at_most, combinations
from studies.parameters import PARAMETERS
from tests.studies.spaces import space_of

FIXED: dict[str, Any] = {
    "backbone": "cnn",
    "optimizer": "adam",
    "learning_rate": 0.001,
    "dropout": 0.5,
    "head_widths": "none",
    "l2": 0.0,
    "augmentation": "none",
    "mixup_alpha": 0.0,
    "batch_size": 32,
    "epochs": 5,
    "image_size_px": 96,
    "solved_head": False,
    "schedule": "constant",
    "label_smoothing": 0.0,
    "weight_average": 0.0,
    "stage_decay": 1.0,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"batch_size": [16, 32, 64]}, 3),
        ({"epochs": {"low": 5, "high": 15, "step": 5}, "dropout": [0.1, 0.2]}, 6),
        ({"dropout": {"low": 0.1, "high": 0.5, "step": 0.1}}, 5),
        ({"mixup_alpha": {"low": 0.1, "high": 0.2, "step": 0.1, "zero": True}}, 3),
        # only the pretrained one has stages to train: 1 + 3
        ({"backbone": ["cnn", "mobilenet_0.75"], "trainable_stages": [0, 1, 2]}, 4),
        # a scope of the penalty is chosen only where there is one: 1 + 2
        ({"l2": [0.0, 0.01], "l2_scope": ["all", "output"]}, 3),
    ],
)
def test_counts_what_is_different(changes: dict[str, Any], expected: int) -> None:
    """A setting that means nothing beside the others multiplies nothing."""
    assert combinations(space_of(FIXED | changes)) == expected


def test_ranges_that_nothing_reaches_do_not_matter() -> None:
    """With adam fixed, the range of a decay that only others have has no say."""
    assert space_of(FIXED)["weight_decay"].searched
    assert combinations(space_of(FIXED)) == 1


def test_an_endless_space_is_refused() -> None:
    """The message names the range and what to do."""
    endless = FIXED | {"dropout": {"low": 0.1, "high": 0.5}}
    with pytest.raises(StudyError, match=r"dropout = 0\.1 to 0\.5\. Fix it, or give it a step"):
        combinations(space_of(endless))


def test_large_spaces_are_counted_quickly() -> None:
    """Ten choices of every number at once are counted, not listed."""
    wide: dict[str, Any] = FIXED | {
        name: [0.1 * i for i in range(1, 10)]
        for name, row in PARAMETERS.items()
        if row.type is float and name in ("dropout", "width_shift", "height_shift", "zoom")
    }
    assert combinations(space_of(wide)) == 9**4


def test_a_space_that_is_smaller_than_the_study_is_told() -> None:
    """An endless one, or a larger one, is not."""
    two = space_of(FIXED | {"batch_size": [16, 32]})
    assert at_most(two, 30) == 2
    assert at_most(two, 2) == 2
    assert at_most(two, 1) is None
    assert at_most(space_of(), 30) is None
