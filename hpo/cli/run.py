"""`hpo run`: creates or continues a study."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from hpo.cli.options import (
    data_options,
    device_option,
    setting_option,
    storage_option,
    timeout_option,
    trust_option,
    workers_option,
)
from hpo.paths import paths
from studies.metrics import COSTS, METRICS


@click.command()
@setting_option("--data", metavar="PATH|NAME")
@click.option(
    "--study", metavar="NAME", help="Name of the study.  [default: that of the data or the preset]"
)
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--preset", metavar="NAME", help="Settings that come with hpo; see hpo presets.")
@setting_option("--trials", type=click.IntRange(min=1))
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
    from hpo.search.image_size import images_to_keep
    from hpo.search.learning import with_lessons_of
    from hpo.search.networks import files_in, networks_for
    from hpo.search.open_study import find_study
    from hpo.search.outages import outages_explained
    from hpo.search.plan import Plan, make_plan
    from hpo.search.prepare import describe, prepare, study_name
    from hpo.search.session import new_pool, run_study
    from hpo.search.transfer import with_trials_of
    from hpo.search.views import is_live
    from hpo.trust import trust
    from studies.errors import StudyError
    from studies.settings import OF_THE_DATA, StudySettings, merge
    from studies.suspects_file import with_confirmed
    from studies.toml_files import glance, load_settings, make_settings, preset_path

    began_s, console = time.monotonic(), Console()
    files = [path for path in (preset_path(preset) if preset else None, config) if path]
    typed = merge(
        {name: value for name, value in given.items() if value not in (None, ())},
        {"space": {"backbone": [*map(str.strip, backbones.split(","))]}} if backbones else {},
    )
    # Of the files only what says where the study is, and what settings it can have besides ours.
    seen = merge(*map(glance, files), typed)
    if preset and "data" not in seen:
        raise StudyError(
            f"A preset needs your own images. Received: --preset {preset} without --data. "
            f"Add --data PATH; the comments in {preset_path(preset)} say what it expects."
        )
    where = paths(storage or seen.get("storage"))
    before = find_study(where, source) if source else None
    if before and not study:
        raise StudyError(
            "A study that takes over trials needs a name of its own. "
            f"Received: --from {source} without --study. Add --study NAME."
        )
    # Unless the user says otherwise, data and networks are those of the other study.
    created = before.record.settings if before else {}
    kept = {key: created[key] for key in OF_THE_DATA & created.keys()}
    names = (name.strip() for name in (teachers or "").split(","))
    taught = [find_study(where, name) for name in names if name]
    data = (kept | seen).get("data", StudySettings.model_fields["data"].default)
    name = study or preset or study_name(str(data))
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)

    def plan() -> Plan:
        pool.start(settings.workers, settings.device)  # they import TensorFlow meanwhile
        made = make_plan(settings, say, decoded.add, networks)
        made = with_lessons_of(taught, made, say)
        return with_trials_of(before, made, say) if before else made

    taken = before.record.networks if before else ()
    with outages_explained(), new_pool() as pool:
        with networks_for(where, name, files_in(seen), say, taken) as networks:
            layers = [load_settings(path, networks.table) for path in files]
            asked = with_confirmed(kept | merge(*layers, typed))
            asked.pop("storage", None)
            settings = make_settings(asked, networks.table)
            decoded = images_to_keep(settings.image_size_px, settings.resize)
            with console.status("Reading the data set …") if is_live(console) else nullcontext():
                opened = prepare(where, name, asked, plan)
        if trusts:
            trust(file.source for file in opened.record.networks)
        if taught and not opened.fresh:
            say("--learn-from counts when a study is created. This one goes on as it was.")
        say(describe(opened))
        ending = run_study(opened, asked, console, pool, began_s=began_s, decoded=decoded)
        print_ending(opened, ending, console)
    raise SystemExit(130 if ending.interrupted else 1 if ending.failure else 0)
