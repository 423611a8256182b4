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
    workers_option,
)
from hpo.paths import paths

ALONE = {"workers": 1, "device": "auto", "timeout_s": None}
"""What it is told where nothing is typed; what the study was created with was for that machine."""


@click.command()
@storage_option
@study_option
@workers_option
@device_option
@timeout_option
def worker(storage: str | None, study: str | None, **given: Any) -> None:
    """Help to train a study, from here or from another machine.

    `hpo run` has created the study. This trains trials until it has as many as `hpo run` was last
    asked for, and takes over those whose process died. The machine must see the images under the
    same path, and the folder of the study's files, ./hpo_runs or the one named in HPO_RUNS.

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

    began_s, console = time.monotonic(), Console()
    asked = ALONE | {name: value for name, value in given.items() if value is not None}
    with outages_explained(), new_pool() as pool:
        opened = find_study(paths(storage), study)
        ending = run_study(opened, asked, console, pool, began_s=began_s)
        print_ending(opened, ending, console)
    raise SystemExit(130 if ending.interrupted else 1 if ending.failure else 0)
