"""`hpo run`: creates or continues a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hpo.cli import completion
from hpo.cli.options import (
    data_options,
    device_option,
    setting_option,
    storage_option,
    timeout_option,
    trust_option,
    workers_option,
)
from studies.metrics import COSTS, METRICS


@click.command()
@setting_option("--data", metavar="PATH|NAME", shell_complete=completion.data)
@click.option(
    "--study",
    metavar="NAME",
    shell_complete=completion.studies,
    help="Name of the study.  [default: that of the data or the preset]",
)
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option(
    "--preset",
    metavar="NAME",
    shell_complete=completion.presets,
    help="Settings that come with hpo; see hpo presets.",
)
@setting_option("--trials", type=click.IntRange(min=1))
@setting_option("--patience", type=click.Choice(["auto"]))
@timeout_option
@setting_option("--image-size", "image_size_px", type=click.IntRange(4, 4096), metavar="PX")
@workers_option
@device_option
@setting_option("--seed", type=click.IntRange(min=0))
@setting_option("--metric", type=click.Choice(list(METRICS)))
@setting_option("--against", type=click.Choice(list(COSTS)), multiple=True)
@click.option(
    "--from",
    "source",
    metavar="NAME",
    shell_complete=completion.studies,
    help="Start with the finished trials of this study of the same images.",
)
@click.option(
    "--learn-from",
    "teachers",
    metavar="A,B,…",
    help="Let the sampler begin with what it learns from these studies, of whatever images.",
)
@click.option(
    "--backbones", metavar="A,B,…", help="Search among these backbones only; see hpo backbones."
)
@setting_option("--networks", metavar="FILE.py", multiple=True)
@trust_option
@data_options
@setting_option("--resize", type=click.Choice(["stretch", "pad", "crop"]))
@storage_option
def run(
    study: str | None,
    config: Path | None,
    preset: str | None,
    backbones: str | None,
    storage: str | None,
    source: str | None,
    teachers: str | None,
    trusts: bool,
    **given: Any,
) -> None:
    """Search for the best settings, or continue a search.

    Type the same command again to continue. --trials is the study's total, so a study that has all
    its trials trains no more.

    A study keeps its space, sampler and metric. To change them, create another study --from the
    first: it uses the same images, and takes over the finished trials that fit its space, with
    their values, curves and weights.

    \b
    Examples:
      hpo run --trials 50                          handwritten digits, no download
      hpo run --data photos/ --trials 30
      hpo run --data photos/ --timeout 2h --workers 2
      hpo run --data photos/ --against latency --against size
      hpo run --data labels.csv --images photos/ --group-column patient
      hpo run --data photos/ --backbones cnn_deep,mobilenet_1.0
      hpo run --data photos/ --networks my_networks.py
      hpo run --data photos/ --exclude suspects.csv --study photos-2
      hpo run --study wider --config wider.toml --from photos --trials 80
      hpo run --data birds/ --learn-from photos,flowers
    """
    from rich.console import Console

    from hpo.results.ending import print_ending
    from hpo.search.launch import Wish, ready, search
    from hpo.search.views import ConsoleScreen

    typed = {name: value for name, value in given.items() if value not in (None, ())}
    if backbones:
        typed["space"] = {"backbone": [*map(str.strip, backbones.split(","))]}
    others = tuple(name for each in (teachers or "").split(",") if (name := each.strip()))
    wish = Wish(typed, study, config, preset, source, storage, trusts, others)
    console = Console()
    opened, ending = search(ready(wish), ConsoleScreen(console))
    print_ending(opened, ending, console)
    raise SystemExit(130 if ending.interrupted else 1 if ending.failure else 0)
