"""Tunes Keras image classifiers. What is imported from here is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.networks import Choice as Choice
    from studies.networks import FloatRange as FloatRange
    from studies.networks import IntRange as IntRange
    from studies.networks import network as network

_PLACES = {
    "Choice": "studies.networks",
    "FloatRange": "studies.networks",
    "IntRange": "studies.networks",
    "network": "studies.networks",
}
"""Public name to the module that defines it."""


def __getattr__(name: str) -> Any:
    """Returns a public name; a command imports what it needs and nothing else (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'hpo' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Returns the public names."""
    return [*globals(), *_PLACES]
