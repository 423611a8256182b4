"""Values as a settings file has them, of those that a program uses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.domains import Choices, FloatRange, IntRange


def plain(value: Any) -> Any:
    """Returns numbers of NumPy as Python's, arrays, ranges and tuples as lists, paths as texts.

    `hpo.Choice`, `hpo.IntRange` and `hpo.FloatRange` become what a settings file writes for them.
    """
    if isinstance(value, Choices):
        return plain(value.values)
    if isinstance(value, (IntRange, FloatRange)):
        return value.model_dump(exclude={"kind"}, exclude_none=True)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value
