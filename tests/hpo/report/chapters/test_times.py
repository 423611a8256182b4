"""Tests of the clock of a search."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hpo.report.blocks import say
from hpo.report.chapters.times import ends_s, unit_of
from hpo.results.trial_rows import TrialRow

START = datetime(2026, 1, 1)


def row(number: int, end_s: float | None, seconds: float | None) -> TrialRow:
    """A trial that ended so many seconds after the start, and took so many."""
    attributes = {} if seconds is None else {"seconds": seconds}
    ended = None if end_s is None else START + timedelta(seconds=end_s)
    return TrialRow(number, number, "COMPLETE", 0.5, attributes, ended=ended)


def test_the_clock_stands_still_while_nothing_is_trained() -> None:
    """A night between two trials does not count; two at once count once."""
    night = [row(0, 10, 10), row(1, 50_030, 30), row(2, 50_040, 20)]
    assert ends_s(night) == pytest.approx({0: 10, 1: 40, 2: 50})
    within = [row(0, 100, 100), row(1, 50, 20)]
    assert ends_s(within) == pytest.approx({0: 100, 1: 50})


def test_trials_without_an_end_are_left_out() -> None:
    """Imported ones have no seconds, running ones no end."""
    assert ends_s([row(0, None, 5), row(1, 5, None)]) == {}


def test_a_time_is_shown_in_the_unit_that_suits_it() -> None:
    """Minutes from three minutes on, hours from two hours on."""
    assert unit_of(0) == (1.0, say("time.seconds"))
    assert unit_of(179) == (1.0, say("time.seconds"))
    assert unit_of(180) == (60.0, say("time.minutes"))
    assert unit_of(7200) == (3600.0, say("time.hours"))
