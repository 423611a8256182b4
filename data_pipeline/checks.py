"""What a check is, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from data_pipeline.duplicates import Deduplicated
from data_pipeline.parts import Split
from data_pipeline.sources import Source

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Case:
    """What the checks look at.

    Attributes:
        source: The data set as it was found.
        unique: Its duplicates, and what is left without them.
        to_fill: The splits that images are dealt out to.
    """

    source: Source
    unique: Deduplicated
    to_fill: tuple[Split, ...]


Found = Iterable[tuple[str, ...]]
"""Groups of paths or class names that belong together; most have one member."""


@dataclass(frozen=True)
class Check:
    """One thing that is looked for."""

    code: str
    severity: Severity
    message: str
    find: Callable[[Case], Found]
