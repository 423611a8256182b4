"""`hpo studies`: lists the studies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hpo.cli.options import json_option, storage_option
from hpo.paths import paths
from hpo.results.tables import Column, show

if TYPE_CHECKING:
    from hpo.results.study_rows import StudyRow

COLUMNS = (
    Column("study"),
    Column("trials"),
    Column("best", ".4f"),
    Column("metric"),
    Column("data"),
    Column("classes", "d"),
    Column("image size", "d"),
    Column("started (UTC)"),
    Column(""),
)


@click.command()
@storage_option
@json_option
def studies(storage: str | None, as_json: bool) -> None:
    """List the studies in the order of their creation.

    Without --study, the other commands use the one marked `latest`.

    \b
    Examples:
      hpo studies
      hpo studies --json
    """
    from hpo.results.study_rows import read_studies
    from hpo.search.open_study import open_existing

    rows = read_studies(open_existing(paths(storage)))
    if as_json:
        click.echo(json.dumps([_as_json(row) for row in rows], indent=2))
    elif rows:
        show(COLUMNS, [_cells(row) for row in rows])
    else:
        click.echo("There is no study here yet. Type `hpo run` first.")


def _cells(row: StudyRow) -> list[str | int | float | None]:
    facts = row.record.get("facts", {})
    return [
        row.name,
        f"{row.finished} of {row.total}" if row.total else str(row.finished),
        row.best_value,
        row.metric.label if row.metric else None,
        row.settings.get("data"),
        facts.get("classes"),
        facts.get("native_size_px"),
        row.started and f"{row.started:%Y-%m-%d %H:%M}",
        "latest" if row.latest else None,
    ]


def _as_json(row: StudyRow) -> dict[str, Any]:
    return {
        "study": row.name,
        "latest": row.latest,
        "trials": {state.lower(): count for state, count in row.states.items()},
        "best_value": row.best_value,
        "metric": row.metric and row.metric.name,
        "started": row.started and f"{row.started:%Y-%m-%dT%H:%M:%SZ}",
        "settings": row.settings,
        "facts": row.record.get("facts", {}),
        "versions": row.record.get("versions", {}),
    }
