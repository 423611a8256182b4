"""What a check is, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from data_pipeline.duplicates import Deduplicated
from data_pipeline.parts import Split
from data_pipeline.reading import Reading
from data_pipeline.sources.source import Found as FoundSet

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Case:
    """What the checks look at.

    Attributes:
        source: The data set as it was found.
        unique: Its duplicates, and what is left without them.
        to_fill: The splits that images are dealt out to.
        splits: The split of each image that is kept, by its path.
        reading: How its pixels are read.
    """

    source: FoundSet
    unique: Deduplicated
    to_fill: tuple[Split, ...]
    splits: Mapping[str, Split]
    reading: Reading


Found = Iterable[tuple[str, ...]]
"""Groups of paths or class names that belong together; most have one member."""


@dataclass(frozen=True)
class Check:
    """One thing that is looked for."""

    code: str
    severity: Severity
    message: str
    find: Callable[[Case], Found]
