"""Tests of choosing a trial by what it costs."""

from __future__ import annotations

import json

import pytest

from hpo.results.frontier import Objective, Point, _not_dominated
from hpo.results.trial_rows import TrialRow
from tests.hpo.conftest import BASELINE, BEST, FinishedStudy

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def point(number: int, latency: float, size: float) -> Point:
    """A trial that costs so much; the value does not matter here, as they come best first."""
    return Point(
        TrialRow(number, number, "COMPLETE", 1.0 - number / 10, {}),
        {"latency": latency, "size": size},
    )


def test_what_no_cheaper_one_is_as_good_as() -> None:
    """A trial that is worse and no cheaper than another is not on the frontier."""
    points = [point(0, 20, 5), point(1, 25, 9), point(2, 10, 9), point(3, 10, 1)]
    assert [p.row.number for p in _not_dominated(points, "latency")] == [0, 2]
    assert [p.row.number for p in _not_dominated(points, "size")] == [0, 3]


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("latency", Objective("latency")),
        ("Size", Objective("size")),
        ("latency<=20", Objective("latency", 20.0)),
        ("size < 1.5", Objective("size", 1.5)),
    ],
)
def test_what_can_be_asked_for(text: str, objective: Objective) -> None:
    """A unit, with a limit or without."""
    assert Objective.parse(text) == objective


def test_anything_else_is_refused(finished_study: FinishedStudy) -> None:
    """With what is allowed."""
    result = finished_study.type("best", "--objective", "watts")
    assert result.exit_code == 2
    assert "It must be latency or size, alone or with a limit such as latency<=20." in result.output


def test_one_network_has_a_frontier_of_one(finished_study: FinishedStudy) -> None:
    """All trials of the study have the same network, so that the best of them is all there is."""
    report = json.loads(finished_study.type("best", "--objective", "latency", "--json").output)
    (only,) = report["frontier"]
    assert (only["trial"], only["chosen"]) == (BEST, True)
    assert only["size"] > 4e-6 * 93_635
    assert only["latency"] > 0
    assert BASELINE != BEST


def test_a_limit_that_nothing_keeps(finished_study: FinishedStudy) -> None:
    """The message says what the cheapest needs."""
    result = finished_study.type("best", "--objective", "size<=0.1")
    assert result.exit_code == 1
    assert result.output == (
        "Error: --objective must leave a trial. Received: size<=0.1; the cheapest is trial 2 with "
        "1.6 MB of the exported file. Raise the limit, or search smaller backbones and sizes.\n"
    )
