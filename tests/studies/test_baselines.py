"""Tests of `studies.baselines`."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FixedTrial

from studies.baselines import place
from studies.errors import StudyError
from studies.settings import Baseline
from studies.suggest import suggest
from tests.studies.spaces import PHOTOS, space_of

GONE = {"vgg16": "no file of that name"}


def baseline(label: str, *, optional: bool = False, **settings: Any) -> Baseline:
    """Returns a baseline."""
    return Baseline(label=label, settings=settings, optional=optional)


def test_a_baseline_becomes_the_trial_it_describes() -> None:
    """Its parameters give its settings."""
    space = space_of({"output": "sigmoid"})
    placed = place([baseline("mine", backbone="cnn", epochs=12, dropout=0.5)], space, PHOTOS, {})
    config = suggest(FixedTrial(dict(placed.params["mine"])), space, PHOTOS)
    assert (config.model.backbone, config.model.dropout) == ("cnn", 0.5)
    assert (config.training.epochs, config.model.output) == (12, "sigmoid")


@pytest.mark.parametrize("missing", [GONE, {}])
def test_an_optional_one_is_left_out_where_its_backbone_is(missing: dict[str, str]) -> None:
    """Be it for want of weights, or because the user's space has another."""
    rows = [baseline("VGG", optional=True, backbone="vgg16"), baseline("mine", backbone="cnn")]
    placed = place(rows, space_of(), PHOTOS, missing)
    assert list(placed.params) == ["mine"]
    assert "vgg16" in placed.left_out["VGG"]


def test_an_optional_one_is_still_checked() -> None:
    """Only its backbone may be missing."""
    rows = [baseline("mine", optional=True, backbone="cnn", dropout=0.9)]
    with pytest.raises(StudyError, match=r"'mine'.*dropout lies outside"):
        place(rows, space_of(), PHOTOS, {})


def test_missing_weights_name_baseline_backbone_and_reason() -> None:
    """Both sides are in the message, and what to do."""
    with pytest.raises(StudyError) as error:
        place([baseline("VGG", backbone="vgg16")], space_of(), PHOTOS, GONE)
    for word in ("'VGG'", "backbone vgg16", "no file of that name", "optional = true"):
        assert word in str(error.value)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    """One line a baseline."""
    rows = [
        baseline("deep", backbone="cnn", dropout=0.9),
        baseline("VGG", backbone="vgg16"),
        baseline("fine", backbone="cnn"),
    ]
    with pytest.raises(StudyError) as error:
        place(rows, space_of(), PHOTOS, GONE)
    first, second = str(error.value).splitlines()
    assert "'deep'" in first
    assert "Received: 0.9. Allowed: 0 to 0.6" in first
    assert "'VGG'" in second
