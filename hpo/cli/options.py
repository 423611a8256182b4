"""Options that several commands have."""

from __future__ import annotations

from typing import Any

import click


class Duration(click.ParamType[float]):
    """A duration such as `90s`, `15m` or `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Returns seconds."""
        from studies.settings import seconds

        try:
            return float(seconds(value))
        except ValueError as error:
            self.fail(f"It {error}. Received: {value!r}.", param, ctx)


timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=Duration(),
    help="Stop so long after the command was typed: seconds, or a text such as 15m or 1h30m.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Trials at once. [default: 1]"
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "gpu"]), help="[default: auto]"
)
storage_option = click.option(
    "--storage",
    metavar="URL",
    envvar="HPO_STORAGE",
    help="Database of the studies instead of ./hpo_runs/studies.db, "
    "e.g. postgresql://user@host/name; also read from HPO_STORAGE.",
)
study_option = click.option(
    "--study", metavar="NAME", help="Name of the study. [default: the latest]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
