"""When trials ended, on the clock of the search, which stands still while nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpo.report.blocks import Phrase, say
from hpo.results.trial_rows import TrialRow

UNITS = (
    (3600.0, 2 * 3600.0, "time.hours"),
    (60.0, 180.0, "time.minutes"),
    (1.0, 0.0, "time.seconds"),
)
"""Seconds of a unit, the least time that is shown in it, and what it is called."""


def ends_s(rows: Sequence[TrialRow]) -> Mapping[int, float]:
    """Returns how many seconds of searching were over when each trial ended, by its number.

    A search may stand still for a night. A trial was trained for the seconds before its end; the
    clock runs while any trial is trained. Trials that have no end or no seconds are left out.
    """
    spans = sorted(
        (row.ended.timestamp() - row.attributes["seconds"], row.ended.timestamp(), row.number)
        for row in rows
        if row.ended and "seconds" in row.attributes
    )
    clock: dict[int, float] = {}
    over, covered = 0.0, float("-inf")
    for begin, end, number in spans:
        fresh = max(begin, covered)
        if end > covered:
            over += end - fresh
            covered = end
        clock[number] = over - (covered - end)
    return clock


def unit_of(longest_s: float) -> tuple[float, Phrase]:
    """Returns the seconds of the unit that times up to `longest_s` are shown in, and its name."""
    seconds, _, key = next(unit for unit in UNITS if longest_s >= unit[1])
    return seconds, say(key)
