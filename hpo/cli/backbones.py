"""`hpo backbones`: what a network can be built on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hpo.cli.options import json_option
from hpo.results.tables import Column, show

if TYPE_CHECKING:
    from models.backbone import Backbone

COLUMNS = (
    Column("backbone"),
    Column("parameters", ",d"),
    Column("from px", "d"),
    Column("pixels become"),
    Column("weights here"),
)


@click.command()
@click.option(
    "--image-size",
    "image_size_px",
    metavar="PX",
    type=click.IntRange(min=1),
    help="Leave out backbones that need larger images.",
)
@json_option
def backbones(image_size_px: int | None, as_json: bool) -> None:
    """List the backbones, and whether this machine has their weights.

    Parameters are counted without the head. Backbones without weights are trained from scratch.

    \b
    Examples:
      hpo backbones
      hpo backbones --image-size 96
    """
    from models.catalogue import BUILT_IN

    rows = [
        _describe(backbone)
        for backbone in BUILT_IN.rows.values()
        if image_size_px is None or backbone.min_size_px <= image_size_px
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        show(COLUMNS, [_cells(row) for row in rows])
    else:
        click.echo(f"No backbone takes images of {image_size_px} px.")


def _describe(backbone: Backbone) -> dict[str, Any]:
    """Returns a row of the listing; `weights_here` is None for a backbone without weights."""
    weights = backbone.weights
    return {
        "name": backbone.name,
        "parameters": backbone.parameters,
        "min_size_px": backbone.min_size_px,
        "preprocessing": backbone.preprocessing,
        "source": backbone.source,
        "weights_file": weights and weights.file_name,
        "weights_here": weights and weights.here() is not None,
    }


def _cells(row: dict[str, Any]) -> list[str | int | None]:
    from models.preprocessing import PREPROCESSING

    return [
        row["name"],
        row["parameters"],
        row["min_size_px"],
        PREPROCESSING[row["preprocessing"]].summary,
        {None: None, True: "yes", False: "no"}[row["weights_here"]],
    ]
