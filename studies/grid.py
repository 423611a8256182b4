"""How many trials a space without continuous ranges holds."""

from __future__ import annotations

from functools import cache

from studies.domains import Choices, Domain, Fixed, FloatRange, Value
from studies.errors import StudyError
from studies.parameters import PARAMETERS
from studies.space import Space

_ROWS = tuple(PARAMETERS.values())
_DECISIVE = frozenset(row.when.parameter for row in _ROWS if row.when)
"""Parameters on whose value it depends whether another one is sampled."""


def combinations(space: Space) -> int:
    """Returns the number of different trials in a space.

    Raises:
        StudyError: It has no end, because a range has no step.
    """

    @cache
    def count(row: int, decided: frozenset[tuple[str, Value]]) -> int:
        if row == len(_ROWS):
            return 1
        parameter = _ROWS[row]
        when, earlier = parameter.when, dict(decided)
        applies = when is None or when.holds(
            earlier.get(when.parameter, PARAMETERS[when.parameter].default_value)
        )
        if not (applies and parameter.name in space):
            return count(row + 1, decided)
        values = _values(parameter.name, space[parameter.name])
        if parameter.name not in _DECISIVE:
            return len(values) * count(row + 1, decided)
        return sum(count(row + 1, decided | {(parameter.name, value)}) for value in values)

    return count(0, frozenset())


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
