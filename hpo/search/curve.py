"""A trial's learning curve as a small SVG picture, for the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP = 480, 280, 48, 36
COLOURS = {"training": "#9aa5b1", "validation": "#1565c0"}


def learning_curve(
    title: str, metric: str, training: Sequence[float], validation: Sequence[float], best: int
) -> str:
    """Draws one metric over the epochs.

    Args:
        title: Heading of the picture.
        metric: Name of the metric.
        training: Its training values, one an epoch.
        validation: Its validation values, as many.
        best: Best epoch, from 1.

    Returns:
        An SVG document.
    """
    low, high = _limits([*training, *validation])

    def place(epoch: int, value: float) -> tuple[float, float]:
        across = (epoch - 1) / max(1, len(validation) - 1)
        up = (value - low) / (high - low)
        return (
            LEFT + across * (WIDTH - LEFT - 16),
            TOP + (1 - up) * (HEIGHT - TOP - 40),
        )

    lines = [
        _line(name, [place(i, v) for i, v in enumerate(values, 1)])
        for name, values in (("training", training), ("validation", validation))
    ]
    x, y = place(best, validation[best - 1])
    ticks = [
        f'<text x="{LEFT - 6}" y="{place(1, v)[1] + 4:.0f}" text-anchor="end">{v:.3g}</text>'
        for v in (low, (low + high) / 2, high)
    ]
    legend = "".join(
        f'<text x="{LEFT + 90 * i}" y="{HEIGHT - 8}" fill="{colour}">{name}</text>'
        for i, (name, colour) in enumerate(COLOURS.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>'
        f'<g stroke="#ddd"><path d="M{LEFT} {TOP}V{HEIGHT - 40}H{WIDTH - 16}" fill="none"/></g>'
        f"{''.join(ticks)}{''.join(lines)}"
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS["validation"]}"/>'
        f"{legend}"
        f'<text x="{WIDTH - 16}" y="{HEIGHT - 8}" text-anchor="end">'
        f"{escape(metric)} over {len(validation)} epochs, best at {best}</text></svg>\n"
    )


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _line(name: str, points: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>'
