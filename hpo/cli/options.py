"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
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
DATA_OPTIONS = (
    click.option("--class-pattern", metavar="REGEX", help="Finds the class in a file name."),
    click.option(
        "--class-level",
        type=click.IntRange(min=1),
        metavar="N",
        help="The folders of this level are the classes, 1 being the topmost.",
    ),
    click.option(
        "--images",
        metavar="FOLDER",
        help="Where the images are that a table lists, if not beside it.",
    ),
    click.option("--file-column", metavar="NAME", help="Column of a table with the files."),
    click.option("--label-column", metavar="NAME", help="Column with the classes."),
    click.option("--split-column", metavar="NAME", help="Column with train, validation or test."),
    click.option(
        "--group-column",
        metavar="NAME",
        help="Column with a patient, an object or a burst, whose images stay on one side.",
    ),
    click.option("--group-pattern", metavar="REGEX", help="Finds such a group in a path."),
    click.option(
        "--group-level",
        type=click.IntRange(min=1),
        metavar="N",
        help="The folders of this level below the classes are such groups.",
    ),
    click.option(
        "--exclude",
        metavar="NAME",
        multiple=True,
        help="Leave out a class, folder or file; * is any characters. Can be repeated.",
    ),
    click.option(
        "--min-class-images",
        type=click.IntRange(min=1),
        metavar="N",
        help="Leave out classes with fewer images.",
    ),
    click.option(
        "--draw-validation",
        is_flag=True,
        default=None,
        help="Draw a validation part from train, whatever part is given.",
    ),
)
"""How the images of a data set are labelled and split, where it cannot be seen."""


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of `DATA_OPTIONS`."""
    for option in reversed(DATA_OPTIONS):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
