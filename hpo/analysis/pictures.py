"""The answers as Plotly pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        The files, and why there are no PNGs; None where there are.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files, problem = [], None
    for name, picture in PICTURES.items():
        figure = picture(answers)
        figure.update_layout(template="plotly_white")
        page = folder / f"{name}.html"
        figure.write_html(page, include_plotlyjs="directory")
        files.append(page)
        if problem is None:
            problem = _write_png(figure, page.with_suffix(".png"))
            files += [] if problem else [page.with_suffix(".png")]
    return files, problem


def _write_png(figure: Any, path: Path) -> str | None:
    """Writes a picture as PNG; returns why it cannot be."""
    try:
        figure.write_image(path, width=1000, height=600)
    except (ImportError, ValueError, RuntimeError) as error:  # without kaleido, or without Chrome
        return str(error).strip().splitlines()[0]
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
    """One point a trial: best epoch's accuracy across, last epoch's up; below the line is loss."""
    best = [curve.best for curve in answers.curves]
    figure = _scatter(answers, best, [curve.last for curve in answers.curves])
    ends = [min(best), max(best)]
    figure.add_scatter(x=ends, y=ends, mode="lines", name="nothing lost", line_dash="dot")
    return figure.update_layout(
        title="What keeping the last epoch costs",
        xaxis_title="validation accuracy, best epoch",
        yaxis_title="validation accuracy, last epoch",
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
