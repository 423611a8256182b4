"""`hpo run`: creates or continues a study."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from hpo.cli.options import (
    data_options,
    device_option,
    storage_option,
    timeout_option,
    workers_option,
)
from hpo.paths import paths


@click.command()
@click.option(
    "--data",
    metavar="PATH|NAME",
    help="Folder of images, table of labels (.csv, .tsv), .zip, .npz, or a built-in data set.",
)
@click.option("--study", metavar="NAME", help="Name of the study. [default: that of the data]")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--preset", metavar="NAME", help="Settings that come with hpo.")
@click.option("--trials", type=click.IntRange(min=1), help="Trials in total. [default: 50]")
@timeout_option
@click.option("--image-size", "image_size_px", type=click.IntRange(4, 4096), metavar="PX")
@workers_option
@device_option
@click.option("--seed", type=click.IntRange(min=0), help="[default: 0]")
@click.option("--backbones", metavar="A,B,…", help="Search among these only; see hpo backbones.")
@data_options
@click.option(
    "--resize",
    type=click.Choice(["stretch", "pad", "crop"]),
    help="How images become squares. [default: stretch]",
)
@storage_option
def run(
    study: str | None,
    config: Path | None,
    preset: str | None,
    backbones: str | None,
    storage: str | None,
    **given: Any,
) -> None:
    """Search for the best settings; typed again, it continues.

    --trials is the study's total: the same command finishes what was interrupted and never trains
    more.

    \b
    Examples:
      hpo run --trials 50                          handwritten digits, no download
      hpo run --data photos/ --trials 30
      hpo run --data photos/ --timeout 2h --workers 2
      hpo run --data labels.csv --images photos/ --group-column patient
      hpo run --data photos/ --backbones cnn_deep,mobilenet_1.0
    """
    from rich.console import Console

    from hpo.results.ending import print_ending
    from hpo.search.image_size import images_to_keep
    from hpo.search.mishaps import explained
    from hpo.search.plan import Plan, make_plan
    from hpo.search.prepare import describe, prepare, study_name
    from hpo.search.session import new_crew, run_study, start_early
    from studies.errors import StudyError
    from studies.settings import merge
    from studies.toml_files import load_settings, make_settings, preset_path

    files = [path for path in (preset_path(preset) if preset else None, config) if path]
    asked = merge(
        *(load_settings(path) for path in files),
        {name: value for name, value in given.items() if value not in (None, ())},
        {"space": {"backbone": [*map(str.strip, backbones.split(","))]}} if backbones else {},
    )
    if preset and "data" not in asked:
        raise StudyError(
            f"A preset is run on your own images. Received: --preset {preset} without --data. "
            f"Add --data PATH; `hpo presets` says what {preset} expects."
        )
    began_s, console = time.monotonic(), Console()
    where = paths(storage or asked.pop("storage", None))
    settings = make_settings(asked)
    name = study or preset or study_name(settings.data)
    decoded = images_to_keep(settings.image_size_px, settings.resize)

    def plan() -> Plan:
        start_early(crew, settings)
        return make_plan(settings, console.print, decoded.add)

    with explained(), new_crew() as crew:
        with console.status("Reading the data set …"):
            opened = prepare(where, name, asked, plan)
        console.print(describe(opened), markup=False, highlight=False, soft_wrap=True)
        ending = run_study(opened, asked, console, crew, began_s=began_s, decoded=decoded)
        print_ending(opened, ending, console)
    raise SystemExit(130 if ending.interrupted else 1 if ending.failure else 0)
