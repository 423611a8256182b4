"""What an exported file must keep to."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.5
"""Percentage points of accuracy that a format may lose."""


@dataclass(frozen=True)
class Terms:
    """What a file must keep to.

    Attributes:
        tolerance: Percentage points of accuracy that it may lose against the `.keras` file.
        accept: Whether it is kept even if it loses more.
        overwrite: Whether it may replace another.
    """

    tolerance: float = TOLERANCE
    accept: bool = False
    overwrite: bool = False
