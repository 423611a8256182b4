"""`hpo presets`: the studies that come with hpo."""

from __future__ import annotations

import json
from typing import Any

import click

from hpo.cli.options import json_option
from hpo.results.tables import Column, show

COLUMNS = (
    Column("preset"),
    Column("image size", "d"),
    Column("trials", "d"),
    Column("baselines", "d"),
    Column("what"),
)


@click.command()
@json_option
def presets(as_json: bool) -> None:
    """List the presets of `hpo run --preset`.

    Each preset's file begins with what it reproduces, the published figures, the data it expects
    and how long it takes.

    \b
    Examples:
      hpo presets
      hpo presets --json
    """
    from studies.toml_files import list_presets

    rows = [_row(name, what) for name, what in list_presets().items()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    show(
        COLUMNS,
        [
            [row["preset"], row["image_size_px"], row["trials"], len(row["baselines"]), row["what"]]
            for row in rows
        ],
    )
    click.echo(f"\nRead the comments in a preset's file before you run it, e.g. {rows[0]['file']}")


def _row(name: str, what: str) -> dict[str, Any]:
    from studies.toml_files import load_settings, make_settings, preset_path

    settings = make_settings(load_settings(preset_path(name)))
    return {
        "preset": name,
        "what": what,
        "image_size_px": settings.image_size_px,
        "trials": settings.trials,
        "published_by": settings.published_by,
        "baselines": [
            {"label": row.label, "published": row.published} for row in settings.baseline
        ],
        "file": str(preset_path(name)),
    }
