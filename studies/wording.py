"""How this program words what is wrong with a name or a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

_RULES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
        **dict.fromkeys(("float_type", "float_parsing"), "a number"),
        **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
        **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a table"),
        **dict.fromkeys(("list_type", "tuple_type"), "a list"),
        "finite_number": "a finite number",
        "string_type": "text in quotes",
        "literal_error": "one of {expected}",
        "greater_than_equal": "at least {ge}",
        "greater_than": "above {gt}",
        "less_than_equal": "at most {le}",
        "less_than": "below {lt}",
    }
)
"""pydantic's name of an error to what the value has to be."""


def names_like(name: str, names: Iterable[str]) -> list[str]:
    """Returns the names that are spelt like `name`, the likest first, three at most."""
    return get_close_matches(name, list(names), n=3)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns a question about the names that are spelt like `name`; empty where none is."""
    close = names_like(name, names)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def complaint(key: str, found: Mapping[str, Any]) -> str:
    """Returns what pydantic found wrong, as a sentence.

    Args:
        key: What the user calls the value, such as `sampler.n_startup_trials`.
        found: One row of `pydantic.ValidationError.errors`.
    """
    if found["type"] == "missing":
        return f"{key} is missing."
    if found["type"] == "extra_forbidden":
        return f"There is no key {key} here. Received: {found['input']!r}."
    if rule := _RULES.get(found["type"]):
        return f"{key} must be {rule.format(**found.get('ctx', {}))}. Received: {found['input']!r}."
    message = found["msg"].removeprefix("Value error, ").removeprefix("Input ")
    received = "" if "Received" in message else f" Received: {found['input']!r}."
    return f"{key} {message}.{received}"
