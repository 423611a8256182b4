"""Tests of scales and round numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.report.charts.scale import scale, shortened, width_px

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 6)), max_size=20)


@given(VALUES, st.booleans(), st.integers(3, 10))
def test_every_value_and_tick_is_on_the_axis(values: list[float], log: bool, most: int) -> None:
    """Whatever the values are, also none or equal ones."""
    axis = scale(values, (None, None), (10.0, 90.0), log)
    ticks = axis.ticks(most)
    assert ticks
    assert all(10.0 <= axis.place(v) <= 90.0 for v in (*values, *ticks))
    assert all(a < b for a, b in pairwise(ticks))


def test_ticks_are_round() -> None:
    """So that people can read what is between them."""
    assert scale([0.78, 0.97], (None, None), (0, 1), log=False).ticks(5) == [0.8, 0.85, 0.9, 0.95]
    assert scale([3, 700], (None, None), (0, 1), log=True).ticks(4) == [10, 100]


def test_a_text_is_shortened_to_its_room() -> None:
    """Korean letters are as wide as they are high."""
    assert shortened("short", 100, 10) == "short"
    assert shortened("x" * 200, 100, 10).endswith("…")
    assert width_px(shortened("가" * 200, 100, 10), 10) <= 100
    assert width_px("가", 10) == pytest.approx(10)
