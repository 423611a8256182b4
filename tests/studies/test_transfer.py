"""Tests of `studies.transfer`."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from studies.objectives import objectives_of
from studies.record import CONFIG_KEY, LABEL_KEY, STEP_KEY, TAKEN_KEY, Outcome, Reason
from studies.space import Space
from studies.suggest import configure, params_of, suggest
from studies.transfer import take_over
from tests.studies.spaces import PHOTOS, space_of

NARROW = space_of({"backbone": "cnn", "dropout": [0.1, 0.3], "batch_size": [16, 32]})
WIDE = space_of({"backbone": ["cnn", "cnn_deep"], "dropout": {"low": 0.2, "high": 0.5}})
ACCURACY = objectives_of({"metric": "accuracy"})


def trial_of(
    number: int,
    settings: dict[str, Any],
    reason: Reason = "complete",
    space: Space = NARROW,
    label: str | None = None,
) -> FrozenTrial:
    """A trial of the narrow study, of two epochs."""
    config = configure({"backbone": "cnn", "batch_size": 32, **settings}, space, PHOTOS)
    params = params_of(config, space)
    fixed = FixedTrial(dict(params))
    suggest(fixed, space, PHOTOS)
    done = reason in ("complete", "duplicate")
    figures = {"accuracy": 0.8, "loss": 0.5, "auc": 0.9} if done else {}
    outcome = Outcome(
        reason=reason,
        value=0.8 if done else None,
        figures=figures,
        best_epoch=2,
        history={"val_accuracy": [0.7, 0.8], "val_loss": [0.6, 0.5]},
    )
    trial = create_trial(
        state={"failed": TrialState.FAIL, "pruned": TrialState.PRUNED}.get(
            reason, TrialState.COMPLETE
        ),
        value=0.8 if done else None,
        params=params,
        distributions=fixed.distributions,
        intermediate_values={1: 0.7, 2: 0.8},
        user_attrs={
            CONFIG_KEY: config.model_dump(mode="json"),
            **({LABEL_KEY: label} if label else {}),
            **outcome.attributes(),
        },
    )
    trial.number = number
    return trial


def test_what_lies_in_the_new_space_is_taken() -> None:
    """With its settings, its value, its curve and a word of where it is from."""
    trials = [trial_of(0, {"dropout": 0.1}), trial_of(1, {"dropout": 0.3})]
    (taken,) = take_over(trials, "narrow", WIDE, PHOTOS, ACCURACY, {})
    assert taken.number == 1
    trial = taken.trial
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.8)
    assert trial.intermediate_values == {1: 0.7, 2: 0.8}
    assert trial.user_attrs[TAKEN_KEY] == "narrow 1"
    assert trial.params["backbone"] == "cnn"  # which the narrow study did not search
    config = trials[1].user_attrs[CONFIG_KEY]
    assert suggest(FixedTrial(trial.params), WIDE, PHOTOS).model_dump(mode="json") == config


@pytest.mark.parametrize(
    ("metric", "value", "curve"), [("loss", 0.5, [0.6, 0.5]), ("auc", 0.9, [])]
)
def test_another_metric_is_that_of_the_weights_that_were_kept(
    metric: str, value: float, curve: list[float]
) -> None:
    """The epoch stays the one that was best by the first metric."""
    trials = [trial_of(1, {"dropout": 0.3})]
    ((taken),) = take_over(trials, "n", WIDE, PHOTOS, objectives_of({"metric": metric}), {})
    assert taken.trial.value == value
    assert list(taken.trial.intermediate_values.values()) == curve
    assert taken.trial.user_attrs["best_epoch"] == 2


def test_what_says_nothing_stays_behind() -> None:
    """Failures, repetitions, and a figure that nobody measured; a pruned trial says something."""
    settings = {"dropout": 0.3}
    trials = [
        trial_of(0, settings, "failed"),
        trial_of(1, settings, "duplicate"),
        trial_of(2, settings, "pruned"),
        trial_of(3, settings),
    ]
    taken = take_over(trials, "n", WIDE, PHOTOS, ACCURACY, {})
    assert [row.number for row in taken] == [2, 3]
    assert taken[0].trial.state is TrialState.PRUNED
    unknown = objectives_of({"metric": "macro_f1"})
    assert [row.number for row in take_over(trials, "n", WIDE, PHOTOS, unknown, {})] == [2]


def test_images_of_another_size_are_another_network() -> None:
    """The trials of a study at 96 px lie in no space of 64 px."""
    small = WIDE.with_changes({"image_size_px": 64})
    assert take_over([trial_of(0, {"dropout": 0.3})], "n", small, PHOTOS, ACCURACY, {}) == []


def test_a_step_of_the_opening_stays_one() -> None:
    """The new study does not begin with it again, which would be a duplicate."""
    trial = trial_of(0, {"dropout": 0.3})
    trial.set_user_attr(STEP_KEY, "default")
    (taken,) = take_over([trial], "n", WIDE, PHOTOS, ACCURACY, {})
    assert taken.trial.user_attrs[STEP_KEY] == "default"


def test_labels_are_those_of_the_new_study() -> None:
    """A baseline that was trained already takes its place, and is not trained again."""
    trial = trial_of(0, {"dropout": 0.3}, label="old name")
    (taken,) = take_over([trial], "n", WIDE, PHOTOS, ACCURACY, {})
    assert LABEL_KEY not in taken.trial.user_attrs
    first = {"by hand": taken.trial.params}
    (taken,) = take_over([trial], "n", WIDE, PHOTOS, ACCURACY, first)
    assert taken.trial.user_attrs[LABEL_KEY] == "by hand"
