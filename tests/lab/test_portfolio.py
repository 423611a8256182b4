"""Recipes by greedy cover."""

from __future__ import annotations

from ast import literal_eval
from dataclasses import replace

from studies.space import DataFacts, default_space
from studies.suggest import nearest_trial
from tests.lab.candidates import BACKBONES
from tests.lab.curves import Run
from tests.lab.made_up import made_up
from tests.lab.portfolio import find_recipes, text_of
from tests.lab.world import World

SOLVED = "solved mobilenet_0.75 96"


def world(**heights: float) -> World:
    """A set where these candidates reach these accuracies and the solved heads 0.5."""
    curves = made_up()

    def run_of(name: str, height: float) -> Run:
        run = curves.runs[name]
        return replace(run, accuracy=(height,), loss=(1 - height,), seconds=(1.0,))

    runs = {name: run_of(name, 0.5) for name in curves.runs if name.startswith("solved")}
    runs |= {name: run_of(name, height) for name, height in heights.items()}
    return World(replace(curves, runs=runs))


A, B, C = "quick mobilenet_0.75 96", "bold mobilenet_0.75 96", "plain hidden mobilenet_0.75 96"


def test_a_recipe_for_each_kind_of_set() -> None:
    """The second one is what the first one is no good for, rather than the second best."""
    photos, scans = world(**{A: 0.9, B: 0.89, C: 0.6}), world(**{A: 0.5, B: 0.5, C: 0.8})
    found = find_recipes([photos, photos, scans])
    assert [recipe.candidate for recipe in found] == [A, C]
    assert [recipe.name for recipe in found] == ["fine-tuned", "hidden layer"]
    assert found[0].gain < found[1].gain


def test_what_is_not_recorded_everywhere_is_left_out() -> None:
    """On how many sets it is good cannot be told."""
    found = find_recipes([world(**{A: 0.9}), world(**{A: 0.9, B: 0.95})])
    assert [recipe.candidate for recipe in found] == [A]


def test_what_does_no_better_than_the_solved_head_is_left_out() -> None:
    """The race has that already."""
    assert find_recipes([world(**{A: 0.45, B: 0.5})]) == []


def test_the_settings_are_those_of_the_run() -> None:
    """On any set, with another backbone and size."""
    (recipe,) = find_recipes([world(**{A: 0.9})])
    wanted = {**recipe.wanted, "backbone": BACKBONES[1], "image_size_px": 160}
    facts = DataFacts(classes=3, native_size_px=200, train_images=600)
    config = nearest_trial(default_space(facts, BACKBONES), facts, wanted)[1]
    recorded = made_up().runs[A].config
    assert (config.model.backbone, config.model.image_size_px) == (BACKBONES[1], 160)
    assert config.optimizer == recorded.optimizer
    assert config.training == recorded.training
    assert config.augment == recorded.augment


def test_recipes_are_shown_as_they_are_written_down() -> None:
    """With the share of errors that they take away."""
    recipes = find_recipes([world(**{A: 0.9})])
    head, settings = text_of(recipes).split("\n", 1)
    assert head == f"# fine-tuned, recorded as {A!r}: with it 80.0% of the errors are gone"
    assert literal_eval(settings) == recipes[0].wanted
