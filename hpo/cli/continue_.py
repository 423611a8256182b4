"""`hpo continue`: gives the best trials more epochs."""

from __future__ import annotations

import time
from typing import Any

import click

from hpo.cli.options import device_option, storage_option, study_option, workers_option
from hpo.paths import paths


class MoreEpochs(click.ParamType[int]):
    """A number of epochs, with or without a plus sign."""

    name = "+N"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Returns the number."""
        text = str(value).removeprefix("+")
        if not text.isdigit() or int(text) < 1:
            self.fail(
                f"It must be a number of epochs such as +20. Received: {value!r}.", param, ctx
            )
        return int(text)


@click.command("continue")
@storage_option
@study_option
@click.option(
    "--epochs",
    type=MoreEpochs(),
    required=True,
    metavar="+N",
    help="Epochs that each gets on top of those that it has had.",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=1, metavar="K", help="Continue the best K."
)
@click.option("--trial", type=int, metavar="N", help="Continue this trial instead of the best.")
@workers_option
@device_option
def continue_(
    storage: str | None,
    study: str | None,
    epochs: int,
    top: int,
    trial: int | None,
    **given: Any,
) -> None:
    """Give the best trials more epochs.

    Each becomes a trial of its own, which begins with the last checkpoint of the one that it
    continues: weights, optimizer and learning rate. Along a cosine the learning rate starts anew.
    The former trial stays as it is, and the new one is never worse on the validation images.

    The best trials keep their last checkpoints, as many as keep_top says. Solved heads have no
    epochs to continue.

    \b
    Examples:
      hpo continue --epochs +20
      hpo continue --top 5 --epochs +20
    """
    from rich.console import Console

    from hpo.results.ending import print_ending
    from hpo.search.continuing import continue_trials
    from hpo.search.open_study import find_study
    from hpo.search.outages import outages_explained
    from hpo.search.session import new_pool, run_study
    from hpo.search.views import ConsoleScreen
    from studies.record import TOTAL_KEY

    began_s, console = time.monotonic(), Console()
    asked = {name: value for name, value in given.items() if value is not None}
    with outages_explained(), new_pool() as pool:
        opened = find_study(paths(storage), study)
        before = opened.study.user_attrs.get(TOTAL_KEY, opened.record.trials)
        more = continue_trials(opened, epochs, top=top, number=trial)
        numbers = ", ".join(map(str, more.numbers))
        console.print(f"Continues: {numbers}, each for {epochs} more epochs", highlight=False)
        asked |= {"trials": more.total}
        ending = run_study(opened, asked, ConsoleScreen(console), pool, began_s=began_s)
        # `hpo run` then goes on to the total that it was asked for.
        opened.study.set_user_attr(TOTAL_KEY, max(before, more.total))
        print_ending(opened, ending, console)
    raise SystemExit(130 if ending.interrupted else 1 if ending.failure else 0)
