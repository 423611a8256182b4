"""`hpo worker`: trains trials of a study that another process or machine has begun."""

from __future__ import annotations

import time
from typing import Any

import click

from hpo.cli.options import (
    device_option,
    storage_option,
    study_option,
    timeout_option,
    trust_option,
    workers_option,
)
from hpo.paths import paths

OF_A_MACHINE = ("workers", "device", "timeout_s")
"""Settings that are not the study's here: it was created with them for another machine."""


@click.command()
@storage_option
@study_option
@workers_option
@device_option
@timeout_option
@trust_option
def worker(storage: str | None, study: str | None, trusts: bool, **given: Any) -> None:
    """Help train a study, on this machine or another.

    `hpo run` creates the study. A worker trains trials until the study has as many as `hpo run` was
    last asked for, and continues trials whose process has died. The machine must see the images
    under the same path and share the folder of the study's files: ./hpo_runs, or the folder named
    in HPO_RUNS.

    \b
    Examples:
      hpo worker
      hpo worker --storage postgresql://user@host/name --study photos --workers 2
    """
    from rich.console import Console

    from hpo.results.ending import print_ending
    from hpo.search.open_study import find_study
    from hpo.search.outages import outages_explained
    from hpo.search.session import new_pool, run_study
    from hpo.search.views import ConsoleScreen
    from hpo.trust import trust
    from studies.settings import StudySettings

    began_s, console = time.monotonic(), Console()
    alone = {key: StudySettings.model_fields[key].default for key in OF_A_MACHINE}
    asked = alone | {name: value for name, value in given.items() if value is not None}
    with outages_explained(), new_pool() as pool:
        opened = find_study(paths(storage), study)
        if trusts:
            trust(file.source for file in opened.record.networks)
        ending = run_study(opened, asked, ConsoleScreen(console), pool, began_s=began_s)
        print_ending(opened, ending, console)
    raise SystemExit(130 if ending.interrupted else 1 if ending.failure else 0)
