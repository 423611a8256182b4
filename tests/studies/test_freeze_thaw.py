"""Which trials pause, and which of them go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from studies.freeze_thaw import FreezeThaw
from studies.scheduler import Prune, Resume, Start, TrialRecord

RULE = FreezeThaw(most_paused=2)


def ended(number: int, curve: Sequence[float]) -> TrialRecord:
    """A complete trial."""
    return TrialRecord(number, "ended", curve, max(curve), epochs=len(curve), reason="complete")


def paused(number: int, *curve: float, epochs: int = 8, **fields: Any) -> TrialRecord:
    """A paused trial of eight epochs, whose rungs are the second and the fourth."""
    return TrialRecord(number, "paused", curve, epochs=epochs, **fields)


OTHERS = [ended(n, [0.1 * n, 0.1 * n, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6 + 0.01 * n]) for n in range(5)]


@pytest.mark.parametrize(
    ("curve", "judgement"),
    [
        ((0.1,), "continue"),
        ((0.1, 0.1), "pause"),
        ((0.1, 0.45), "continue"),
        ((0.5, 0.1), "continue"),
        ((0.1, 0.1, 0.1), "continue"),
        ((0.1, 0.1, 0.1, 0.1), "pause"),
    ],
    ids=str,
)
def test_pauses_at_rungs_what_is_not_among_the_best(
    curve: tuple[float, ...], judgement: str
) -> None:
    """The best epoch so far counts, and between rungs nothing happens."""
    trial = TrialRecord(9, "running", curve, epochs=8)
    assert RULE.judge(trial, [*OTHERS, trial], maximize=True) == judgement


def test_too_few_others_pause_nothing() -> None:
    """The first trials show what is good."""
    trial = TrialRecord(9, "running", (0.0, 0.0), epochs=8)
    assert RULE.judge(trial, [*OTHERS[:3], trial], maximize=True) == "continue"


def test_rungs_are_shares_of_a_trials_own_epochs() -> None:
    """A short schedule has earned as much after two epochs as a long one after ten."""
    trial = TrialRecord(9, "running", [0.0] * 10, epochs=40)
    assert RULE.judge(trial, [*OTHERS, trial], maximize=True) == "pause"


def test_what_has_become_one_of_the_best_goes_on() -> None:
    """Trials that came after it were worse."""
    waiting = paused(9, 0.15, 0.15)
    worse = [paused(n, 0.0, 0.0) for n in (10, 11)]
    trials = [*OTHERS, waiting, *worse]
    assert RULE.choose([waiting], trials, may_start=True, maximize=True) == Start()
    more = [paused(n, 0.0, 0.0) for n in range(12, 16)]
    assert RULE.choose([waiting], [*trials, *more], may_start=True, maximize=True) == Resume(9)


def test_what_a_person_paused_goes_on_first() -> None:
    """It stands between rungs."""
    trials = [paused(9, 0.0, 0.0), paused(10, 0.0, 0.0, 0.0)]
    assert RULE.choose(trials, [*OTHERS, *trials], may_start=True, maximize=True) == Resume(10)


def test_paused_trials_are_bounded() -> None:
    """Of more than that the one that promises least is ended."""
    trials = [paused(9, 0.1, 0.05), paused(10, 0.05, 0.0), paused(11, 0.1, 0.1)]
    assert RULE.choose(trials, [*OTHERS, *trials], may_start=True, maximize=True) == Prune(10)
    assert RULE.choose(trials[:2], [*OTHERS, *trials], may_start=True, maximize=True) == Start()


def test_at_the_end_what_may_still_win_goes_on_the_cheapest_first() -> None:
    """As far as others have shown it: the most that one of them gained after the rung was 0.6."""
    cheap, dear = paused(9, 0.1, 0.1, epoch_cost=1.0), paused(10, 0.1, 0.1, epoch_cost=9.0)
    both = [dear, cheap]
    assert RULE.choose(both, [*OTHERS, *both], may_start=False, maximize=True) == Resume(9)
    hopeless = paused(11, 0.0, 0.0)
    three = [*both, hopeless]
    assert RULE.choose(three, [*OTHERS, *three], may_start=False, maximize=True) == Prune(11)
