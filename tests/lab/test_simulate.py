"""Whole studies on made-up curves."""

from __future__ import annotations

import pytest

from studies.pruners import NoPruner
from studies.samplers import TPE, Random
from studies.scheduler import TrialRecord
from tests.lab.cost import BasePass
from tests.lab.made_up import made_up
from tests.lab.methods import METHODS, FixedEpoch
from tests.lab.regret import SHARES, budget_of, regrets_of
from tests.lab.report import steps_of
from tests.lab.simulate import Method, Simulation
from tests.lab.teachers import learned_of
from tests.lab.world import Spent, World

WORLD = World(made_up())
OTHERS = [World(made_up(f"other {number}", shift=0.3 * number)) for number in range(3)]
EVERYTHING = Spent(1e18, 1e9)


def test_every_recorded_run_is_its_own_nearest() -> None:
    """Recorded settings are looked up as they are."""
    for run in WORLD.runs:
        assert WORLD.nearest(run.config).config == run.config


def test_a_kind_is_never_taken_for_another() -> None:
    """A solved head stands for no trained one, however alike the other settings are."""
    for run in WORLD.runs:
        model = run.config.model.model_copy(update={"image_size_px": 128})
        found = WORLD.nearest(run.config.model_copy(update={"model": model})).config
        assert found.is_solved == run.config.is_solved
        assert (found.model.trainable_stages == 0) == (model.trainable_stages == 0)


def test_a_pass_is_paid_once() -> None:
    """The second head on the same features costs its epochs alone, as in a real study."""
    run = WORLD.curves.runs["solved mobilenet_0.75 96"]
    made: set[BasePass] = set()
    first, again = (WORLD.next_cost(run, 1, made) for _ in range(2))
    passes = sum(WORLD.pass_cost(wanted, run.base).seconds for wanted in made)
    assert first.seconds == pytest.approx(again.seconds + passes)
    assert first.multiply_adds > again.multiply_adds > 0
    assert len(made) == 2  # training and validation images


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_methods_search_until_the_budget_is_spent(method: Method) -> None:
    """The best so far never falls, costs only grow, and the same seed gives the same study."""
    budget = budget_of(WORLD)
    steps, learned = steps_of(WORLD, [WORLD, *OTHERS]), learned_of(WORLD, OTHERS)
    first, again = (
        Simulation(WORLD, method, 3, 15, budget, steps, learned if method.learns else None).run()
        for _ in range(2)
    )
    assert first == again
    assert [p.accuracy for p in first] == sorted(p.accuracy for p in first)
    assert [p.spent.seconds for p in first] == sorted(p.spent.seconds for p in first)
    regrets = regrets_of(WORLD, first, "seconds", budget)
    assert len(regrets) == len(SHARES)
    assert regrets == sorted(regrets, reverse=True)
    assert all(0 <= regret <= 1 for regret in regrets)


def test_an_exhausted_table_has_no_regret() -> None:
    """Random search with trials enough finds the best of so few."""
    method = Method("random", Random(), NoPruner())
    points = Simulation(WORLD, method, 0, 300, EVERYTHING).run()
    assert WORLD.regret(points[-1].accuracy) == 0


def test_what_other_sets_teach_helps() -> None:
    """The first proposals are better than random ones where the other sets are alike."""
    found = []
    for learned in (learned_of(WORLD, [WORLD, *OTHERS]), None):
        method = Method("TPE", TPE(), NoPruner(), learns=True)
        regrets = [
            WORLD.regret(
                Simulation(WORLD, method, seed, 8, EVERYTHING, (), learned).run()[-1].accuracy
            )
            for seed in range(10)
        ]
        found.append(sum(regrets))
    assert found[0] < found[1]


def test_one_epoch_and_then_the_best() -> None:
    """Of so many trials one goes on, and the others are ended."""
    rule = FixedEpoch(every=2)
    paused = [
        TrialRecord(number, "paused", curve=(value,))
        for number, value in enumerate((0.4, 0.6, 0.5))
    ]
    choose = {"may_start": True, "maximize": True}
    assert type(rule.choose(paused[:1], paused[:1], **choose)).__name__ == "Start"
    assert repr(rule.choose(paused[:2], paused[:2], **choose)) == "Prune(number=0)"
    assert repr(rule.choose(paused[1:2], paused, may_start=False, maximize=True)) == (
        "Resume(number=1)"
    )
