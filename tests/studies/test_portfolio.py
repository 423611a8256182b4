"""What is trained first: a race of solved heads, then recipes."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FixedTrial

from studies.portfolio import FINE_TUNED, Step, opening, trial_of
from studies.space import DataFacts, Space, default_space
from studies.suggest import default_trial, suggest
from tests.studies.spaces import DIGITS, PHOTOS, space_of

LARGE = DataFacts(classes=5, native_size_px=240, train_images=2500)


def _space(changes: dict[str, Any] | None = None) -> Space:
    backbones = ("mobilenet_0.75", "mobilenet_v2_1.0", "cnn")
    return default_space(LARGE, backbones).with_changes(changes or {})


def _step(name: str) -> Step:
    return next(step for step in opening(_space(), LARGE) if step.name == name)


def test_the_race_comes_first_small_sizes_before_large_ones() -> None:
    """One backbone tries the sizes, the other joins later; then the recipes."""
    names = [step.name for step in opening(_space(), LARGE)]
    assert names == [
        "race mobilenet_0.75 96 px",
        "race mobilenet_0.75 160 px",
        "race mobilenet_0.75 224 px",
        "race mobilenet_v2_1.0",
        "top fine-tuned",
        "fine-tuned",
        "hidden layer",
        "wholly fine-tuned",
    ]


def test_every_step_lies_in_the_space() -> None:
    """Optuna's parameters of a step give exactly its configuration."""
    space = _space()
    for step in opening(space, LARGE):
        params, config = trial_of(step, space, LARGE, None)
        assert suggest(FixedTrial(params), space, LARGE) == config
        assert config.is_solved == step.races


def test_recipes_take_over_the_winner_of_the_race() -> None:
    """A recipe is as it is written, with the backbone and the size of the best head."""
    space = _space()
    winner = trial_of(_step("race mobilenet_0.75 160 px"), space, LARGE, None)[1]
    winner = winner.model_copy(
        update={"model": winner.model.model_copy(update={"backbone": "mobilenet_v2_1.0"})}
    )
    config = trial_of(_step("fine-tuned"), space, LARGE, winner)[1]
    assert (config.model.backbone, config.model.image_size_px) == ("mobilenet_v2_1.0", 160)
    assert config.training.solved_head
    assert config.training.epochs == FINE_TUNED["epochs"]
    assert config.optimizer.learning_rate == FINE_TUNED["learning_rate"]
    raced = trial_of(_step("race mobilenet_v2_1.0"), space, LARGE, winner)[1]
    assert raced.model.image_size_px == 160


@pytest.mark.parametrize("changes", [{"solved_head": False}, {"head_widths": 64}])
def test_without_solved_heads_the_usual_trial_comes_first(changes: dict[str, Any]) -> None:
    """Then the same with the top of the backbone fine-tuned."""
    space = _space(changes)
    first, second = opening(space, LARGE)
    assert (first.name, second.name) == ("default", "fine-tuned")
    params, config = trial_of(first, space, LARGE, None)
    assert params == default_trial(space, LARGE)
    tuned = trial_of(second, space, LARGE, None)[1]
    assert (config.model.trainable_stages, tuned.model.trainable_stages) == (0, 2)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"trainable_stages": 0}, ["hidden layer"]),
        ({"trainable_stages": 0, "head_widths": "none", "solved_head": True}, []),
        (
            {"trainable_stages": [0, 2], "learning_rate": 1e-3, "weight_decay": 1e-3}
            | {"augmentation": "none", "epochs": 10},
            ["fine-tuned", "hidden layer"],
        ),
    ],
)
def test_recipes_that_would_be_duplicates_are_left_out(
    changes: dict[str, Any], left: list[str]
) -> None:
    """A frozen backbone turns fine-tuning into one more solved head, which costs a trial."""
    names = [step.name for step in opening(_space(changes), LARGE)]
    assert [name for name in names if not name.startswith("race")] == left


def test_the_order_of_the_backbones_does_not_decide_about_the_race() -> None:
    """It is between the pretrained ones, wherever they stand in the list."""
    space = _space({"backbone": ["cnn", "mobilenet_0.75"]})
    steps = opening(space, LARGE)
    assert steps[0].name == "race mobilenet_0.75 96 px"
    assert all(trial_of(step, space, LARGE, None)[1].is_solved for step in steps if step.races)


@pytest.mark.parametrize(
    ("space", "facts"),
    [
        (space_of(facts=DIGITS), DIGITS),
        (space_of({"backbone": "cnn"}), PHOTOS),
        (space_of({"backbone": ["cnn", "cnn_deep"]}), PHOTOS),
        (space_of({"backbone": "mobilenet_0.75", "pretrained": False}), PHOTOS),
    ],
)
def test_networks_from_scratch_have_two_steps(space: Space, facts: DataFacts) -> None:
    """The usual settings, and the same along a cosine."""
    first, second = (trial_of(step, space, facts, None)[1] for step in opening(space, facts))
    assert (first.training.schedule, second.training.schedule) == ("plateau", "cosine")
    assert first.model.backbone == second.model.backbone
    assert not first.model.pretrained


def test_what_would_be_the_same_trial_comes_once() -> None:
    """A space that fixes everything the recipes differ in leaves one."""
    fixed = {
        "backbone": "cnn",
        "schedule": "plateau",
        "label_smoothing": 0.0,
        "weight_average": 0.0,
        "epochs": 20,
    }
    assert len(opening(space_of(fixed), PHOTOS)) == 1


def test_one_size_is_raced_once() -> None:
    """A size that the user fixed leaves one racer a backbone."""
    names = [step.name for step in opening(_space({"image_size_px": 160}), LARGE)]
    assert names[:2] == ["race mobilenet_0.75 160 px", "race mobilenet_v2_1.0"]
