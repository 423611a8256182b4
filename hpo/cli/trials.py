"""`hpo trials`: every trial of a study, how it ended and where its time went."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from hpo.cli.options import json_option, storage_option, study_option
from hpo.paths import paths
from hpo.results.tables import Cell, Column, printable, show

if TYPE_CHECKING:
    from hpo.results.trial_rows import TrialRow
    from studies.metrics import Metric

SETTINGS = {
    "model.backbone": Column("backbone"),
    "model.image_size_px": Column("px", "d"),
    "training.batch_size": Column("batch", "d"),
    "optimizer.learning_rate": Column("learning rate", ".2e"),
    "optimizer.name": Column("optimizer"),
}
"""Settings shown of each trial; `--json` holds them all."""
OF_STEPS = ("training.batch_size", "optimizer.learning_rate", "optimizer.name")
"""Of these, what means nothing for a solved head."""
PHASES = ("start-up", "data", "training", "evaluation", "checkpoint", "waiting")
"""Phases in their order; those a trial records beside them come last."""

FAILURE_LETTERS = 80
"""`--failed` shows failures whole."""


@click.command()
@storage_option
@study_option
@click.option("--timing", is_flag=True, help="Show the seconds spent in each phase.")
@click.option("--failed", is_flag=True, help="Show failures only, with their tracebacks.")
@json_option
def trials(
    storage: str | None, study: str | None, timing: bool, failed: bool, as_json: bool
) -> None:
    """List the trials of a study.

    A value in parentheses belongs to the best epoch so far of a trial that is not complete. Type
    the `hpo run` command again to continue interrupted trials.

    \b
    Examples:
      hpo trials
      hpo trials --failed
      hpo trials --study digits --timing
      hpo trials --json
    """
    from hpo.results.trial_rows import read_trials
    from hpo.search.open_study import find_study
    from studies.objectives import objectives_of

    opened = find_study(paths(storage), study)
    metric = objectives_of(opened.record.settings).first
    keys = ("message", "timing", "images_per_s", f"best_val_{metric.name}")
    rows = read_trials(opened.storage, opened.study, keys)
    if failed:
        rows = [row for row in rows if row.failed]
    if as_json:
        click.echo(json.dumps([_as_json(row, metric) for row in rows], indent=2))
    elif not rows:
        click.echo("No trial has failed." if failed else "No trial has begun.")
    elif failed:
        _show_tracebacks(rows)
    elif timing:
        _show_timing(rows)
    else:
        _show(rows, metric)


def _show(rows: Sequence[TrialRow], metric: Metric) -> None:
    columns = [
        Column("trial", "d"),
        Column("label"),
        Column("state"),
        Column(metric.label, ".4f"),
        Column("best epoch"),
        *SETTINGS.values(),
        Column("time s", ".1f"),
        Column("failure"),
    ]
    show(columns, [_cells(row, metric) for row in rows])


def _cells(row: TrialRow, metric: Metric) -> list[Cell]:
    epochs, best_epoch = row.epochs_done, row.best_epoch(metric)
    return [
        row.number,
        row.title,
        row.ending,
        _value(row, metric),
        f"{best_epoch or '?'} of {epochs}" if epochs else None,
        *(None if row.solved and name in OF_STEPS else row.settings.get(name) for name in SETTINGS),
        row.attributes.get("seconds") if row.ending != "running" else None,
        _last_line(row.attributes.get("message")) if row.failed else None,
    ]


def _value(row: TrialRow, metric: Metric) -> Cell:
    best = row.best_so_far(metric)
    return best if best is None or row.state == "COMPLETE" else f"({best:.4f})"


def _last_line(message: str | None) -> str | None:
    """Returns the line of a traceback that names the error, cut to fit a table."""
    lines = (message or "").strip().splitlines()
    return textwrap.shorten(lines[-1], FAILURE_LETTERS, placeholder=" …") if lines else None


def _show_timing(rows: Sequence[TrialRow]) -> None:
    tables = [row.attributes.get("timing", {}) for row in rows]
    found = {phase for table in tables for phase in table} - {"total"}
    phases = [phase for phase in PHASES if phase in found] + sorted(found - {*PHASES})
    columns = [
        Column("trial", "d"),
        Column("state"),
        Column("total s", ".1f"),
        *(Column(f"{phase} s", ".2f") for phase in phases),
        Column("images/s", ",.0f"),
    ]
    cells: list[list[Cell]] = [
        [
            row.number,
            row.ending,
            table.get("total"),
            *(table.get(phase) for phase in phases),
            row.attributes.get("images_per_s"),
        ]
        for row, table in zip(rows, tables, strict=True)
    ]
    sums = [sum(table.get(phase, 0.0) for table in tables) for phase in ("total", *phases)]
    show(columns, [*cells, [None, "all", *sums, None]])


def _show_tracebacks(rows: Sequence[TrialRow]) -> None:
    for row in rows:
        label = f" ({printable(row.title)})" if row.title else ""
        click.secho(f"Trial {row.number}{label}: {row.ending}", bold=True)
        lines = (row.attributes.get("message") or "Nothing was recorded.").splitlines()
        click.echo("\n".join(f"  {printable(line)}" for line in lines))


def _as_json(row: TrialRow, metric: Metric) -> dict[str, Any]:
    names = ("seconds", "timing", "images_per_s", "parameters", "message")
    return {
        "trial": row.number,
        "label": row.title,
        "state": row.state.lower(),
        "reason": row.ending,
        "value": row.value,
        "best_so_far": row.best_so_far(metric),
        "best_epoch": row.best_epoch(metric),
        "epochs_done": row.epochs_done,
        **{name: row.attributes.get(name) for name in names},
        "settings": row.attributes.get("config"),
    }
