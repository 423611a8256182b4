"""Tests of `studies.suggest`."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.config import AugmentConfig
from models.backbone import Backbone
from models.catalogue import BUILT_IN
from models.optimizers import OPTIMIZERS
from studies.errors import StudyError
from studies.parameters import parameter_table
from studies.space import SCRATCH_SIZES_PX, SIZES_PX, DataFacts, Space, default_space, fit
from studies.suggest import configure, default_trial, nearest_trial, params_of, suggest
from studies.toml_files import make_settings
from studies.trial_config import TrainingConfig, TrialConfig
from tests.studies.spaces import CHANGES, DIGITS, PHOTOS, space_of

CNN = {"backbone": "cnn", "optimizer": "adam"}


def draw(space: Space, seed: int) -> tuple[TrialConfig, dict[str, Any]]:
    """Returns a random trial of a space and the parameters Optuna keeps of it."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    return suggest(trial, space, PHOTOS), trial.params


@given(CHANGES, st.integers(0, 2**32 - 1))
def test_params_of_inverts_suggest(changes: dict[str, Any], seed: int) -> None:
    """Whatever a space proposes, its parameters give the same trial again."""
    space = space_of(changes)
    config, params = draw(space, seed)
    again = params_of(config, space)
    assert suggest(FixedTrial(again), space, PHOTOS) == config
    assert again.keys() <= params.keys() | {"augmentation"}


@pytest.mark.parametrize("seed", range(20))
def test_params_of_gives_what_optuna_kept(seed: int) -> None:
    """In the default space, where no two levels are alike, the parameters are the very same."""
    config, params = draw(space_of(), seed)
    assert params_of(config, space_of()) == params


@given(st.integers(0, 2**32 - 1))
def test_proposals_make_sense(seed: int) -> None:
    """What means nothing beside the other settings stays at its default."""
    config, _ = draw(space_of(), seed)
    pretrained = BUILT_IN.find(config.model.backbone).has_weights
    assert config.model.pretrained == pretrained
    assert pretrained or config.model.trainable_stages == 0
    tuned = config.model.trainable_stages > 0 and not config.training.solved_head
    assert config.training.head_epochs == (3 if tuned else 0)
    if OPTIMIZERS[config.optimizer.name].decoupled_decay:
        assert config.model.l2 == 0
    else:
        assert config.optimizer.weight_decay == 0
    if config.is_solved:
        untouched = TrainingConfig(solved_head=True, warmup=config.training.warmup)
        assert (config.training, config.augment) == (untouched, AugmentConfig())
        return
    low, high = (1e-3, 0.3) if config.optimizer.name == "sgd" else (1e-4, 1e-2)
    assert low <= config.optimizer.learning_rate <= high
    assert config.model.image_size_px in (SIZES_PX if pretrained else SCRATCH_SIZES_PX)


def test_optuna_is_asked_only_for_what_is_searched() -> None:
    """A fixed setting is no parameter of the trial, its value is still in the configuration."""
    space = space_of({"dropout": 0.25, "backbone": "cnn"})
    config, params = draw(space, 0)
    assert config.model.dropout == 0.25
    assert not {"dropout", "backbone", "pretrained", "trainable_stages"} & params.keys()


def test_parts_override_the_level() -> None:
    """A part of the augmentation in the space wins; the level decides about the others."""
    space = space_of({"augmentation": "mixup", "rotation_deg": 40, "mixup_alpha": False})
    config, _ = draw(space, 0)
    expected = AUGMENTATIONS["mixup"].config.model_copy(update={"rotation_deg": 40.0})
    assert config.augment == expected
    assert config.augment.mixup_alpha == 0.2


def test_zero_is_proposed_beside_a_logarithmic_range() -> None:
    """A penalty may be absent or lie in its range."""
    penalties = [draw(space_of(CNN), seed)[0].model.l2 for seed in range(30)]
    assert 5 < penalties.count(0.0) < 25
    assert all(l2 == 0 or 1e-6 <= l2 <= 1e-2 for l2 in penalties)


@pytest.mark.parametrize(
    ("changes", "part", "update", "words"),
    [
        ({}, "model", {"dropout": 0.9}, ["dropout", "Received: 0.9", "Allowed: 0 to 0.6"]),
        ({}, "model", {"backbone": "weather_1"}, ["backbone", "weather_1", "cnn_deep"]),
        ({"l2": 0.01}, "model", {"l2": 0.0}, ["l2", "Received: 0.0", "Allowed: 0.01"]),
        ({}, "optimizer", {"learning_rate": 0.5}, ["learning_rate", "0.5", "0.0001 to 0.01"]),
        ({}, "optimizer", {"weight_decay": 0.1}, ["optimizer.weight_decay means nothing", "0.1"]),
        ({}, "model", {"trainable_stages": 1}, ["model.trainable_stages means nothing"]),
        ({}, "augment", {"rotation_deg": 77}, ["augmentation", "none of the levels", "77"]),
        ({}, "training", {"epochs": 4}, ["epochs", "Received: 4", "5 to 40 (log)"]),
    ],
)
def test_what_lies_outside_is_named(
    changes: dict[str, Any], part: str, update: dict[str, Any], words: list[str]
) -> None:
    """A configuration the space does not hold is refused with parameter, value and domain."""
    space = space_of(changes)
    config = configure({**CNN, "epochs": 10}, space, PHOTOS)
    section = getattr(config, part).model_copy(update=update)
    with pytest.raises(StudyError) as error:
        params_of(config.model_copy(update={part: section}), space)
    for word in words:
        assert word in str(error.value)


def test_all_that_lies_outside_is_named_at_once() -> None:
    """Two parameters outside the space are two lines."""
    config = configure({**CNN, "dropout": 0.9, "epochs": 1000}, space_of(), PHOTOS)
    with pytest.raises(StudyError, match=r"dropout.*\nepochs"):
        params_of(config, space_of())


@pytest.mark.parametrize(
    ("facts", "backbone", "level"),
    [(PHOTOS, "mobilenet_0.75", "light"), (DIGITS, "cnn_deep", "shift")],
)
def test_default_trial_is_the_hand_chosen_one(facts: DataFacts, backbone: str, level: str) -> None:
    """It prefers a frozen pretrained backbone and never mirrors a digit."""
    space = space_of(facts=facts)
    config = suggest(FixedTrial(default_trial(space, facts)), space, facts)
    assert config.model.backbone == backbone
    assert config.model.trainable_stages == 0
    assert config.optimizer.model_dump() == {
        "name": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
    }
    assert config.augment == AUGMENTATIONS[level].config
    assert config.training.epochs == 30


@given(CHANGES)
def test_default_trial_lies_in_every_space(changes: dict[str, Any]) -> None:
    """What a space does not hold is replaced by the nearest that it does."""
    space = space_of(changes)
    params = default_trial(space, PHOTOS)
    config = suggest(FixedTrial(params), space, PHOTOS)
    assert params_of(config, space) == params


def test_wishes_that_the_space_holds_are_granted() -> None:
    """What is named is taken, the nearest of what the space lacks, the usual value of the rest."""
    space = space_of()
    wanted = {"trainable_stages": 2, "image_size_px": 150, "dropout": 0.9}
    params, config = nearest_trial(space, PHOTOS, wanted)
    assert (config.model.trainable_stages, config.training.head_epochs) == (2, 3)
    assert config.model.image_size_px == 160
    assert config.model.dropout == 0.6
    assert suggest(FixedTrial(params), space, PHOTOS) == config


def test_a_solved_head_has_no_steps_to_be_set() -> None:
    """On a frozen backbone it is backbone, size and head: nothing of a gradient step applies."""
    params, config = nearest_trial(
        space_of(), PHOTOS, {"trainable_stages": 0, "head_widths": "none", "solved_head": True}
    )
    assert config.is_solved
    assert {*params} == {
        "backbone",
        "image_size_px",
        "trainable_stages",
        "head_widths",
        "solved_head",
    }


def test_a_solved_head_counts_rare_classes_as_the_study_does() -> None:
    """It is not trained in steps, but its loss is weighted like that of other trials."""
    space = space_of({"class_weights": True})
    wanted = {"backbone": "mobilenet_0.75", "trainable_stages": 0, "head_widths": "none"}
    _, config = nearest_trial(space, PHOTOS, {**wanted, "solved_head": True})
    assert config.is_solved
    assert config.training.class_weights


def test_sizes_are_searched_apart_for_networks_from_scratch() -> None:
    """Each kind of network has sizes of its own; what a user says of one holds for both."""
    space = space_of()
    scratch = configure({**CNN, "epochs": 10}, space, PHOTOS)
    assert scratch.model.image_size_px == 96
    assert "scratch_image_size_px" in params_of(scratch, space)
    fixed = space_of({"image_size_px": 64})
    assert configure({**CNN, "epochs": 10}, fixed, PHOTOS).model.image_size_px == 64
    assert nearest_trial(fixed, PHOTOS, {})[1].model.image_size_px == 64


def test_configure_fills_in_what_is_not_named() -> None:
    """The space's fixed value, or else the config's default, or the level's own part."""
    space = space_of({"early_stopping_patience": 0, "optimizer": "rmsprop"})
    settings = {"backbone": "cnn", "augmentation": "cifar-mixup", "head_widths": 64}
    config = configure(settings, space, PHOTOS)
    assert config.training.early_stopping_patience == 0
    assert config.optimizer.name == "rmsprop"
    assert config.training.batch_size == 32
    assert config.model.head_widths == (64,)
    assert config.augment == AUGMENTATIONS["cifar-mixup"].config


def test_configure_takes_one_learning_rate_for_all() -> None:
    """Who tuned sgd by hand writes `learning_rate`; its own row is what Optuna then gets."""
    config = configure({**CNN, "optimizer": "sgd", "learning_rate": 0.01}, space_of(), PHOTOS)
    assert config.optimizer.learning_rate == 0.01
    assert params_of(config, space_of())["sgd_learning_rate"] == 0.01


def test_a_hand_tuned_run_round_trips() -> None:
    """A baseline in a preset's space becomes parameters that give exactly its settings."""
    space = space_of(
        {
            "backbone": "cats_dogs_cnn",
            "pooling": "flatten",
            "batch_size": [10, 64],
            "augmentation": "cats-dogs",
            "output": "sigmoid",
            "l2_scope": "output",
        }
    )
    config = configure({"head_widths": 64, "batch_size": 64, "epochs": 25}, space, PHOTOS)
    params = params_of(config, space)
    assert suggest(FixedTrial(params), space, PHOTOS) == config
    assert params["l2_on"] is False
    assert "l2" not in params


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dropout": 0.5}, ["backbone is missing"]),
        ({**CNN, "batchsize": 5}, ["'batchsize'", "Did you mean batch_size"]),
        ({**CNN, "dropout": 2}, ["dropout must be a number", "Received: 2"]),
        ({**CNN, "weight_decay": 0.1}, ["weight_decay", "optimizer has decoupled decay"]),
        ({**CNN, "sgd_learning_rate": 0.1}, ["sgd_learning_rate", "optimizer is sgd"]),
        ({**CNN, "trainable_stages": 1}, ["trainable_stages", "pretrained"]),
        ({**CNN, "rotation_deg": 5}, ["rotation_deg is not in the space", "Received: 5"]),
    ],
)
def test_configure_refuses_what_it_cannot_use(settings: dict[str, Any], words: list[str]) -> None:
    """Nothing that somebody wrote is silently ignored."""
    with pytest.raises(StudyError) as error:
        configure(settings, space_of(), PHOTOS)
    for word in words:
        assert word in str(error.value)


def test_level_none_changes_nothing() -> None:
    """The level that stands for no augmentation is the config's default."""
    assert AUGMENTATIONS["none"].config == AugmentConfig()


def test_the_first_trial_prefers_a_backbone_whatever_the_order() -> None:
    """Where a pretrained backbone is among those named, large images start with it."""
    photos = DataFacts(classes=2, native_size_px=96, train_images=1000)
    for named in (["cnn", "mobilenet_0.75"], ["mobilenet_0.75", "cnn"]):
        space = default_space(photos, ["cnn", "mobilenet_0.75"]).with_changes({"backbone": named})
        assert default_trial(space, photos)["backbone"] == "mobilenet_0.75"
        small = photos.model_copy(update={"native_size_px": 28})
        assert default_trial(space, small)["backbone"] == "cnn"


def test_a_study_may_have_backbones_of_its_own() -> None:
    """One is searched, baselined and read from the stored space as the built-in ones are."""
    own = Backbone("mine", construct=lambda images: images, min_size_px=16)
    table = parameter_table(BUILT_IN.with_rows(own))
    facts = DataFacts(classes=2, native_size_px=16, train_images=1000)
    changes = {"backbone": ["mine", "cnn"]}
    space = default_space(facts, ["mine", "cnn"], table).with_changes(changes)
    again = Space.model_validate(space.model_dump(mode="json")).of(table)
    assert again == space
    config = configure({"backbone": "mine", "learning_rate": 1e-3}, again, facts)
    assert config.model.backbone == "mine"
    assert not config.model.pretrained
    assert suggest(FixedTrial(params_of(config, again)), again, facts) == config
    with pytest.raises(StudyError, match="mine needs images of at least 16 px"):
        fit(space.with_changes({"image_size_px": 8}), facts, ["mine", "cnn"])
    settings = {"space": changes, "baseline": [{"label": "x", "settings": {"backbone": "mine"}}]}
    assert make_settings(settings, table).space == changes
    with pytest.raises(StudyError, match="mine"):
        make_settings(settings)
