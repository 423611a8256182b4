"""The answers as Plotly pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hpo.analysis.questions import FEWEST, RULE, Answers


def draw(answers: Answers, folder: Path) -> tuple[list[Path], str | None]:
    """Writes each picture as HTML that needs no network, and as PNG where that can be.

    Args:
        answers: What to draw.
        folder: Where to; it is created.

    Returns:
        The files, and why there are no PNGs and what to do about it; None where there are.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = [picture(answers) for picture in PICTURES.values()]
    pages = [folder / f"{name}.html" for name in PICTURES]
    for figure, page in zip(figures, pages, strict=True):
        figure.update_layout(template="plotly_white")
        figure.write_html(page, include_plotlyjs="directory")
    pngs = [page.with_suffix(".png") for page in pages]
    problem = _write_pngs(figures, pngs)
    return pages + ([] if problem else pngs), problem


def _write_pngs(figures: Sequence[Any], files: Sequence[Path]) -> str | None:
    """Writes the pictures as PNGs, by one start of a browser; returns why they cannot be."""
    import plotly.io

    if find_spec("kaleido") is None:
        return "They need the package kaleido: type `pip install '.[png]'` in the folder of hpo."
    try:
        plotly.io.write_images(list(figures), list(files), width=1000, height=600)
    except (RuntimeError, ValueError, OSError) as error:
        words = str(error.args[0] if error.args else error).strip().partition("\n")[0]
        return (
            "They need Chrome or Chromium: install one, e.g. `apt install chromium`, or name it in "
            f"BROWSER_PATH. Received: {words}"
        )
    return None


def importance(answers: Answers) -> Any:
    """One bar a setting, the most important on top."""
    import plotly.graph_objects as go

    names = list(answers.importance)[::-1]
    bars = go.Bar(x=[answers.importance[name] for name in names], y=names, orientation="h")
    return go.Figure(bars).update_layout(
        title="Importance of each setting (PED-ANOVA)"
        if names
        else f"Fewer than {FEWEST} complete trials: importance unknown",
        xaxis_title="share",
    )


def batch_and_epochs(answers: Answers) -> Any:
    """One point a trial: batch size across, best epoch up."""
    figure = _scatter(
        answers,
        [curve.batch_size for curve in answers.curves],
        [curve.best_epoch for curve in answers.curves],
    )
    return figure.update_layout(
        title="Best epoch against batch size",
        xaxis={"title": "batch size", "type": "log"},
        yaxis_title="best epoch",
    )


def best_and_last(answers: Answers) -> Any:
    """One point a trial: the best epoch's objective across, that of the last epoch up."""
    best = [curve.best for curve in answers.curves]
    figure = _scatter(answers, best, [curve.last for curve in answers.curves])
    ends = [min(best), max(best)]
    figure.add_scatter(x=ends, y=ends, mode="lines", name="nothing lost", line_dash="dot")
    return figure.update_layout(
        title="What keeping the last epoch costs",
        xaxis_title=f"validation {answers.metric.label}, best epoch",
        yaxis_title=f"validation {answers.metric.label}, last epoch",
    )


def gaps(answers: Answers) -> Any:
    """One bar a trial, beside the rule of thumb."""
    import plotly.graph_objects as go

    bars = go.Bar(
        x=[_name(curve.trial, curve.label) for curve in answers.curves],
        y=[100 * curve.gap for curve in answers.curves],
    )
    figure = go.Figure(bars)
    figure.add_hrect(y0=100 * RULE, y1=20, opacity=0.2, fillcolor="red", annotation_text="rule")
    return figure.update_layout(
        title="Training minus validation accuracy at the best epoch", yaxis_title="points"
    )


PICTURES: Mapping[str, Callable[[Answers], Any]] = MappingProxyType(
    {
        "importance": importance,
        "batch-and-epochs": batch_and_epochs,
        "best-and-last": best_and_last,
        "gaps": gaps,
    }
)
"""File name to what draws it."""


def _scatter(answers: Answers, across: list[Any], up: list[Any]) -> Any:
    import plotly.graph_objects as go

    names = [_name(curve.trial, curve.label) for curve in answers.curves]
    points = go.Scatter(x=across, y=up, mode="markers", text=names, name="trials")
    return go.Figure(points)


def _name(trial: int, label: str | None) -> str:
    return f"{trial} {label}" if label else str(trial)
