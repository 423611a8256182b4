"""From values to places on a chart, and the round numbers that are written at its axes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
PADDING = 0.05
"""Share of the values' range that is left free at each end."""


@dataclass(frozen=True)
class Scale:
    """One axis in pixels.

    Attributes:
        low: Value at `begin_px`.
        high: Value at `end_px`; above `low`.
        begin_px: Where the axis begins.
        end_px: Where it ends; below `begin_px` on an axis that goes up.
        log: Whether equal steps are equal factors; then `low` is above 0.
    """

    low: float
    high: float
    begin_px: float
    end_px: float
    log: bool = False

    def place(self, value: float) -> float:
        """Returns where a value is, in pixels; one beyond an end is put there."""
        low, high, at = (
            math.log(v) if self.log else v for v in (self.low, self.high, max(value, self.low))
        )
        share = min(1.0, max(0.0, (at - low) / (high - low)))
        return self.begin_px + share * (self.end_px - self.begin_px)

    def ticks(self, most: int) -> list[float]:
        """Returns round values between the ends, about as many as asked for."""
        return (
            _decades(self.low, self.high, most) if self.log else _steps(self.low, self.high, most)
        )


def scale(
    values: Iterable[float],
    ends: tuple[float | None, float | None],
    px: tuple[float, float],
    log: bool,
) -> Scale:
    """Returns a scale that shows all values.

    Args:
        values: What is to be shown; those that are not finite, or not above 0 on a logarithmic
            scale, do not count.
        ends: Where it begins and ends; None lets the values decide.
        px: The same in pixels.
        log: Whether equal steps are equal factors.
    """
    known = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0]
    low, high = min(known), max(known)
    if log:
        factor = max((high / low) ** PADDING, 1.05)
        return Scale(ends[0] or low / factor, ends[1] or high * factor, *px, log=True)
    room = PADDING * (high - low)
    if room < 1e-6 * max(abs(low), abs(high), 0.1):  # all are as good as equal
        room = max(PADDING * abs(high), PADDING)
    begin = low - room if ends[0] is None else ends[0]
    end = high + room if ends[1] is None else ends[1]
    return Scale(begin, end if end > begin else begin + 1.0, *px)


def _steps(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(1, most)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(r * unit for r in ROUND if r * unit >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for leads in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(map(float, range(1, 10)))):
        ticks = [lead * 10.0**e for e in range(first, last + 1) for lead in leads]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) > most and found:
            return found
        found = ticks
    return found if len(found) > 1 else [low, high]


def width_px(text: str, font_px: float) -> float:
    """Returns about how wide a text is in a font without serifs."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return font_px * (0.56 * (len(text) - wide) + 1.0 * wide)


def shortened(text: str, room_px: float, font_px: float) -> str:
    """Returns a text that fits into the room, its end left out where it must be."""
    if width_px(text, font_px) <= room_px:
        return text
    while text and width_px(text + "…", font_px) > room_px:
        text = text[:-1]
    return text.rstrip() + "…"
