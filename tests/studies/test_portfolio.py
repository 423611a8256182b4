"""What is trained first: the race of solved heads, and the recipes."""

from __future__ import annotations

import pytest
from optuna.trial import FixedTrial

from models.catalogue import BUILT_IN
from studies.portfolio import RECIPES, cost_of, race, recipe
from studies.space import DataFacts, Space, default_space
from studies.suggest import suggest
from tests.studies.spaces import DIGITS, PHOTOS, space_of

WEIGHTS = ("mobilenet_0.75", "mobilenet_v2_1.0", "cnn")
LARGE = DataFacts(classes=5, native_size_px=240, train_images=2500)


def _space(facts: DataFacts = LARGE) -> Space:
    return default_space(facts, WEIGHTS)


def test_the_race_is_of_solved_heads_the_cheapest_first() -> None:
    """Every size with one backbone, some with the other, in the order of what a pass costs."""
    space = _space()
    configs = [suggest(FixedTrial(params), space, LARGE) for params in race(space, LARGE)]
    assert all(config.is_solved for config in configs)
    entrants = [(config.model.backbone, config.model.image_size_px) for config in configs]
    assert len({*entrants}) == len(entrants)
    costs = [cost_of(BUILT_IN, *entrant) for entrant in entrants]
    assert costs == sorted(costs)
    first = [size for name, size in entrants if name == "mobilenet_0.75"]
    assert first == [96, 128, 160, 192, 224]
    assert ("mobilenet_v2_1.0", 224) in entrants


@pytest.mark.parametrize(
    "changes", [{"backbone": "cnn"}, {"pretrained": False}, {"solved_head": False}]
)
def test_a_space_without_solved_heads_has_no_race(changes: dict[str, object]) -> None:
    """What the user rules out is not raced."""
    assert race(space_of(changes), PHOTOS) == []


def test_small_pictures_have_no_race() -> None:
    """Digits of eight pixels are left to networks of their own."""
    assert race(space_of(facts=DIGITS), DIGITS) == []


def test_a_fixed_size_is_raced_alone() -> None:
    """Every backbone enters once."""
    space = _space().with_changes({"image_size_px": 160})
    names = [suggest(FixedTrial(p), space, LARGE).model.backbone for p in race(space, LARGE)]
    assert sorted(names) == ["mobilenet_0.75", "mobilenet_v2_1.0"]


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_recipes_take_over_the_winner_of_the_race(number: int) -> None:
    """A recipe lies in the default space as it is written, with the winner's backbone and size."""
    space = _space()
    winner = suggest(FixedTrial(race(space, LARGE)[-1]), space, LARGE)
    config = suggest(FixedTrial(recipe(number, space, LARGE, winner)), space, LARGE)
    assert config.model.backbone == winner.model.backbone
    assert config.model.image_size_px == winner.model.image_size_px
    assert config.training.epochs == RECIPES[number]["epochs"]
    assert config.training.schedule == "cosine"
    assert config.optimizer.learning_rate == RECIPES[number]["learning_rate"]


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_recipes_suit_every_space(number: int) -> None:
    """Without pretrained backbones a recipe is the nearest that the space holds."""
    params = recipe(number, space_of(facts=DIGITS), DIGITS, None)
    assert not suggest(FixedTrial(params), space_of(facts=DIGITS), DIGITS).model.pretrained
