"""Values of a network's variables by their names, such as `stage1_1_conv/kernel`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from models.errors import ModelError


def read(variables: Iterable[keras.Variable]) -> dict[str, np.ndarray]:
    """Returns name to value of variables; the values are copies."""
    return {name: np.array(variable) for name, variable in _named(variables).items()}


def assign(variables: Iterable[keras.Variable], values: Mapping[str, np.ndarray]) -> None:
    """Sets variables to the values that `read` returned for variables of the same names.

    Raises:
        ModelError: The names or shapes differ; nothing was set.
    """
    named = _named(variables)
    both = named.keys() & values.keys()
    misshapen = {name for name in both if tuple(named[name].shape) != values[name].shape}
    if wrong := sorted((named.keys() ^ values.keys()) | misshapen):
        raise ModelError(
            "Weights must be those of the same network, name by name. Received: others for "
            f"{', '.join(wrong[:5])}{' and more' if len(wrong) > 5 else ''}. "
            "Were the packages changed since?"
        )
    for name, variable in named.items():
        variable.assign(values[name])


def _named(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    listed = list(variables)
    named = {variable.path: variable for variable in listed}
    assert len(named) == len(listed), "two variables of one name"
    return named
