"""From what a TOML file declares of a parameter to its domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from studies.domains import Choices, Domain, Fixed, FloatRange, IntRange
from studies.parameter import Parameter
from studies.parameters import ParameterTable
from studies.wording import complaint, did_you_mean

_SHAPE = "A range is { low, high }; log, step and zero may be added."


def problem(name: str, change: Any, table: ParameterTable) -> str | None:
    """Returns what is wrong with one entry of a [space] table, None where nothing is."""
    if name not in table:
        return unknown(name, table)
    try:
        domain_of(table[name], change)
    except ValidationError as error:
        return " ".join([*(_entry(name, dict(found)) for found in error.errors()), _SHAPE])
    except ValueError as error:
        return f"{error}."
    return None


def _entry(name: str, found: dict[str, Any]) -> str:
    """Returns what is wrong with one key of a range."""
    key = ".".join(map(str, (name, *found["loc"])))
    return complaint(f"{key}:" if found["type"] == "value_error" else key, found)


def unknown(name: str, allowed: Iterable[str]) -> str:
    """Returns the complaint about a name that is none of those allowed."""
    names = list(allowed)
    hint = did_you_mean(name, names) or f"Allowed: {', '.join(names)}."
    return f"There is no setting of this name. Received: {name!r}. {hint}"


def domain_of(row: Parameter, change: Any) -> Domain | None:
    """Returns the domain that a [space] entry declares; None leaves the setting alone.

    Raises:
        ValueError: It is not allowed for this parameter.
    """
    if change is False and row.type is not bool:
        return undeclared(row)
    if isinstance(change, (list, tuple)):
        values = tuple(dict.fromkeys(row.check(value) for value in change))
        if not values:
            raise ValueError(f"{row.name} needs at least one choice. Received: []")
        return Choices(values=values) if len(values) > 1 else Fixed(value=values[0])
    if isinstance(change, dict):
        return _range(row, change)
    return Fixed(value=row.check(change))


def _range(row: Parameter, change: dict[str, Any]) -> Domain:
    if row.type not in (int, float):
        raise ValueError(f"{row.name} must be {row.allowed}, not a range. Received: {change!r}")
    by_default = isinstance(row.default, (FloatRange, IntRange)) and row.default.log
    scale = {"log": by_default and "step" not in change}  # what is searched by orders stays so
    declared = (IntRange if row.type is int else FloatRange).model_validate(
        scale | change, strict=True
    )
    row.check(declared.low)
    row.check(declared.high)
    return declared


def undeclared(row: Parameter) -> Domain | None:
    """Returns the domain of a setting that is not searched; None leaves it out of the space.

    Raises:
        ValueError: It has no default.
    """
    if row.target.startswith("augment."):
        return None
    if row.default_value is None:
        raise ValueError(f"{row.name} has no default and cannot be removed. Received: false")
    return Fixed(value=row.default_value)
