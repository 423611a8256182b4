"""The comparison of ways to search."""

from __future__ import annotations

from typing import Any

from studies.portfolio import RECIPES
from studies.pruners import NoPruner
from studies.samplers import Random
from tests.lab.made_up import made_up
from tests.lab.methods import METHODS
from tests.lab.report import recorded, steps_of, studies, tables
from tests.lab.simulate import Method
from tests.lab.world import World

WORLDS = [World(made_up(f"set {number}")) for number in range(2)]
RANDOM = Method("random", Random(), NoPruner())


def row(method: str, name: str, seed: int, regret: float) -> dict[str, Any]:
    """A study whose regret stays."""
    regrets = {"multiply-adds": [regret] * 4, "seconds": [regret / 2] * 4}
    return {"method": method, "set": name, "seed": seed, "opened": seed == 0} | regrets


def test_what_was_simulated_is_not_simulated_again() -> None:
    """A comparison that was ended goes on where it stopped."""
    first = list(studies(WORLDS, [RANDOM], 1, []))
    assert [(row["set"], row["seed"]) for row in first] == [("set 0", 0), ("set 1", 0)]
    more = list(studies(WORLDS, [RANDOM], 2, first))
    assert [(row["set"], row["seed"]) for row in more] == [("set 0", 1), ("set 1", 1)]


def test_a_set_has_no_say_in_its_own_opening() -> None:
    """Its recipes are those that the other sets' runs speak for."""
    alone, among = steps_of(WORLDS[0], WORLDS[:1]), steps_of(WORLDS[0], WORLDS)
    ours = [step.name for step in alone if not step.name.startswith("race")]
    theirs = [step.wanted for step in among if not step.name.startswith("race")]
    assert ours == list(RECIPES)  # nothing else is known
    assert theirs != [step.wanted for step in alone if step.name in ours]


def test_the_tables_say_what_is_missed() -> None:
    """A method is ahead of another one where their intervals are apart, and nowhere else."""
    ours = METHODS[0].name
    rows = [
        row(method, world.curves.name, seed, regret + 0.001 * seed)
        for method, regret in ((ours, 0.2), ("worse", 0.6), ("better", 0.1))
        for world in WORLDS
        for seed in range(5)
    ]
    text = tables(rows, WORLDS)
    assert "| worse | 0.602 [" in text
    assert "Ahead, intervals apart: worse at 10%, 25%, 50%, 100%." in text
    assert "Not ahead: better at 10%, 25%, 50%, 100%." in text
    assert "is not one of the opening in 80%." in text


def test_what_is_recorded_is_told_for_each_set() -> None:
    """With its images, its runs, and how long they took."""
    lines = recorded(WORLDS).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| set 0 | 5 | 240 px | 700 + 240 | 35 |")
