"""How many trials a space without continuous ranges holds."""

from __future__ import annotations

from functools import cache

from studies.domains import Choices, Domain, Fixed, FloatRange, Value
from studies.errors import StudyError
from studies.space import Space


def combinations(space: Space) -> int:
    """Returns the number of different trials in a space.

    Raises:
        StudyError: It has no end, because a range has no step.
    """
    table = space.table
    rows = tuple(table.values())
    # Only the values of these matter for what comes later, so that the others are multiplied.
    decisive = {name for row in rows for when in row.when for name in when.parameters}

    @cache
    def count(index: int, decided: frozenset[tuple[str, Value]]) -> int:
        if index == len(rows):
            return 1
        row = rows[index]
        if row.name not in space or not table.applies(row, dict(decided)):
            return count(index + 1, decided)
        values = _values(row.name, space[row.name])
        if row.name not in decisive:
            return len(values) * count(index + 1, decided)
        return sum(count(index + 1, decided | {(row.name, value)}) for value in values)

    return count(0, frozenset())


def at_most(space: Space, trials: int) -> int | None:
    """Returns how many different trials a space holds; None where that is more than `trials`."""
    try:
        held = combinations(space)
    except StudyError:
        return None
    return held if held <= trials else None


def _values(name: str, domain: Domain) -> tuple[Value, ...]:
    if isinstance(domain, Fixed):
        return (domain.value,)
    if isinstance(domain, Choices):
        return domain.values
    if not isinstance(domain, FloatRange):
        return tuple(range(domain.low, domain.high + 1, domain.step or 1))
    if domain.step is None:
        raise StudyError(
            "The sampler `exhaustive` needs choices, whole numbers, or ranges with a step. "
            f"Received: {name} = {domain}. Fix it, or give it a step in [space]."
        )
    steps = round((domain.high - domain.low) / domain.step)
    values = tuple(domain.low + step * domain.step for step in range(steps + 1))
    return (0.0, *values) if domain.zero else values
