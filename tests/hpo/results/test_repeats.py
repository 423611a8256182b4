"""Tests of training the closest trials on fresh splits."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from hpo.results.repeats import Repeats, fresh_splits
from hpo.search.open_study import read_manifest
from studies.metrics import METRICS
from tests.hpo.conftest import BASELINE, BEST, SECOND, FinishedStudy

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def repeats(first: list[float], second: list[float], metric: str = "accuracy") -> Repeats:
    """Two trials on a few splits of 80 and 20 images."""
    return Repeats(METRICS[metric], {4: first, 7: second}, train=80, validation=20)


def test_the_interval_of_a_lead() -> None:
    """Nadeau and Bengio's: variance times 1/3 + 1/4, and Student's t of two degrees of freedom."""
    lead = repeats([0.9, 0.8, 0.85], [0.8, 0.8, 0.75]).lead(7)
    spread = 4.302653 * (0.01 / 3 * (1 / 3 + 1 / 4)) ** 0.5
    assert lead == pytest.approx((0.2 / 3, 0.2 / 3 - spread, 0.2 / 3 + spread), abs=1e-6)


def test_what_is_said() -> None:
    """Whether the first is surely better, also where less is better."""
    ahead, level = [0.9, 0.91, 0.9], [0.5, 0.5, 0.51]
    assert repeats(ahead, level).sentence() == (
        "On fresh splits trial 4 is surely better than trial 7."
    )
    assert repeats(level, ahead, "loss").lead(7)[0] == pytest.approx(0.4)
    assert repeats(level, level).sentence() == "On fresh splits nothing tells trial 4 from trial 7."


def test_fresh_splits_leave_the_test_images_sealed(finished_study: FinishedStudy) -> None:
    """Other images are dealt out anew, as many to each part as before."""
    study = finished_study.open()
    manifest = read_manifest(study)
    before = Counter(item.split for item in manifest.items)
    sealed = {item.sha256 for item in manifest.items if item.split == "test"}
    first, second = fresh_splits(study, manifest, 2)
    for split in (first, second):
        assert {item.sha256 for item in split.items if item.split == "test"} == sealed
        counts = Counter(item.split for item in split.items)
        assert abs(counts["validation"] - before["validation"]) <= 3
    assert len({manifest.digest, first.digest, second.digest}) == 3


def test_the_closest_trials_are_trained_again(finished_study: FinishedStudy) -> None:
    """The best and its two rivals on the same two splits, and nothing is stored."""
    trials = len(finished_study.open().study.trials)
    result = finished_study.type("best", "--repeat", "2", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)["repeats"]
    assert report["trial"] == BEST
    assert report["values"].keys() == {str(BEST), str(SECOND), str(BASELINE)}
    assert all(len(values) == 2 for values in report["values"].values())
    low, high = report["best_ahead_by"][str(SECOND)][1:]
    assert low <= high
    assert len(finished_study.open().study.trials) == trials
