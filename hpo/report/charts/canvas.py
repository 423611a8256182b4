"""An SVG picture that is put together of text, lines and marks.

Colours are classes, so that a page shows the same picture in light and dark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from hpo.report.charts.values import ROLES, Shape

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKS: dict[Shape, str] = {
    "circle": '<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>',
    "square": '<path d="M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}z"/>',
    "triangle": '<path d="M{x:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}H{x0:.1f}z"/>',
    "diamond": '<path d="M{x:.1f} {y0:.1f}L{x1:.1f} {y:.1f}L{x:.1f} {y1:.1f}L{x0:.1f} {y:.1f}z"/>',
}


def printable(text: str) -> str:
    """Returns a text without the characters that XML does not know."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass
class Canvas:
    """A picture under way.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        font_px: Size of its letters.
    """

    width_px: float
    height_px: float
    font_px: float
    _parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, anchor: str = "start", look: str = "") -> None:
        """Writes a text; `y` is its base line, `anchor` the end of it that is at `x`."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{look}">'
            f"{escape(printable(text))}</text>"
        )

    def path(self, points: list[tuple[float, float]], look: str) -> None:
        """Draws a line through points."""
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self._parts.append(f'<path class="{look}" d="M{way}"/>')

    def line(self, x0: float, y0: float, x1: float, y1: float, look: str) -> None:
        """Draws a straight line."""
        self.path([(x0, y0), (x1, y1)], look)

    def bar(self, x: float, y: float, width: float, height: float, role: str, title: str) -> None:
        """Draws a bar with what it is."""
        self._parts.append(
            f'<rect class="mark {role}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
            f'height="{height:.1f}" rx="2"><title>{escape(printable(title))}</title></rect>'
        )

    def mark(self, x: float, y: float, role: str, title: str = "") -> None:
        """Draws a point with what it is."""
        shape = ROLES[role].shape
        r = self.font_px * (0.36 if shape == "circle" else 0.42)
        drawn = _MARKS[shape].format(x=x, y=y, r=r, x0=x - r, x1=x + r, y0=y - r, y1=y + r)
        shown = f"<title>{escape(printable(title))}</title>" if title else ""
        self._parts.append(f'<g class="mark {role}">{drawn}{shown}</g>')

    def dots(self, points: list[tuple[float, float]], role: str) -> None:
        """Draws very many points, a few bytes each: lines of no length with round ends."""
        way = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in points)
        self._parts.append(f'<path class="dots {role}" d="{way}"/>')

    def svg(self, label: str, style: str = "") -> Markup:
        """Returns the picture.

        Args:
            label: What somebody who does not see it has to know.
            style: CSS, where the picture is to stand alone.
        """
        inside = f"<style>{style}</style>" if style else ""
        return Markup(  # noqa: S704 - all text was escaped
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width_px:.0f} '
            f'{self.height_px:.0f}" role="img" aria-label="{escape(printable(label))}" '
            f'font-size="{self.font_px:.0f}">{inside}{"".join(self._parts)}</svg>'
        )


def look_alone(fonts: str) -> str:
    """Returns the CSS of a picture that stands alone on white.

    Args:
        fonts: Names of fonts for its letters, as CSS.
    """
    roles = "".join(f".{name}{{color:{role.light}}}" for name, role in ROLES.items())
    return (
        f"svg{{font-family:{fonts},sans-serif}}text{{fill:#1f2937}}"
        f".grid{{stroke:#e5e7eb;fill:none}}.ink{{stroke:#1f2937}}{roles}{MARKS}"
    )


MARKS = (
    ".mark{fill:currentColor;fill-opacity:.85;stroke:none}"
    ".dots{stroke:currentColor;stroke-width:6;stroke-linecap:round;stroke-opacity:.5;fill:none}"
    ".line{stroke:currentColor;stroke-width:2.5;stroke-linejoin:round;fill:none}"
    ".dashed{stroke:currentColor;stroke-width:1.5;stroke-dasharray:6 4;fill:none}"
    ".span{stroke:currentColor;stroke-width:1.5;fill:none}"
    ".strong{font-weight:600}.end{font-variant-numeric:tabular-nums}"
)
"""CSS of marks and lines, on a page and alone."""
