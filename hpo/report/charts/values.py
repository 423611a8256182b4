"""Charts as values: what is drawn, in which role, against which axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hpo.report.blocks import Name, Phrase

Point = tuple[float, float]
Shape = Literal["circle", "square", "triangle", "diamond"]


@dataclass(frozen=True)
class Role:
    """What a mark stands for, and so how it looks in every chart.

    The colours are those of Okabe & Ito (2008, "Color Universal Design"), which people with any
    colour vision tell apart, darkened on white and lightened on black until each has a contrast of
    3 to 1 with its ground. Marks differ in shape as well.

    Attributes:
        light: Colour on white.
        dark: Colour on black.
        shape: Of a point.
    """

    light: str
    dark: str
    shape: Shape


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "search": Role("#0072b2", "#56b4e9", "circle"),
        "baseline": Role("#d55e00", "#ff9a4d", "square"),
        "race": Role("#007d5c", "#2fd0a5", "triangle"),
        "best": Role("#9c2f7f", "#e69ad0", "diamond"),
        "guide": Role("#6b7280", "#9ca3af", "circle"),
    }
)
"""Name to look. `best` is what is to be seen first, `guide` what is only there to compare with."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: What it measures, with its unit.
        number: Format of its numbers, such as `.0%`.
        log: Whether equal steps are equal factors.
        low: Where it begins; None lets the points decide.
        high: Where it ends; None lets the points decide.
    """

    title: Phrase
    number: str = ",.0f"
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        name: What the legend calls them.
        points: x and y of each.
        role: A key of `ROLES`.
        kind: Drawn as points, joined by a line, by a stairway that holds each value until the next,
            or as a dashed guide.
        labels: What each point is, or nothing.
        spans: Lowest and highest y that each point may as well have, or nothing.
        named: Whether the labels stand beside the points.
    """

    name: Phrase
    points: tuple[Point, ...]
    role: str = "search"
    kind: Literal["points", "line", "step", "guide"] = "points"
    labels: tuple[Name | Phrase, ...] = ()
    spans: tuple[Point, ...] = ()
    named: bool = False


@dataclass(frozen=True)
class Plot:
    """Points and lines in a plane."""

    x: Axis
    y: Axis
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        name: What it stands for.
        value: Its length.
        role: A key of `ROLES`.
        span: Lowest and highest value that it may as well have, or None.
    """

    name: Name | Phrase
    value: float
    role: str = "search"
    span: Point | None = None


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from 0, one below the other.

    Attributes:
        axis: What their length measures.
        names: What their names are, such as the settings.
        bars: They, from the top.
    """

    axis: Axis
    names: Phrase
    bars: tuple[Bar, ...]


Chart = Plot | Bars
