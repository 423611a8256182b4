"""`hpo compare`: the baselines beside the best trial, and the figures their authors published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from hpo.paths import paths, storage_option, study_option

if TYPE_CHECKING:
    from hpo.results.trial_rows import TrialRow
    from hpo.search.open_study import OpenStudy


@click.command()
@storage_option
@study_option
@click.option("--test", is_flag=True, help="Evaluate each on the sealed test images.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "markdown", "json"]),
    default="table",
    show_default=True,
)
def compare(storage: str | None, study: str | None, test: bool, form: str) -> None:
    """Compares the baselines with the best trial.

    Of a study that tries every combination, such as the preset backbone-comparison, every trial is
    shown. Each first use of --test on a trial is recorded in the study.

    \b
    Examples:
      hpo compare
      hpo compare --study cats-dogs --test
      hpo compare --study backbone-comparison --test --format markdown > table.md
    """
    from hpo.results.comparison import compare as comparison_of
    from hpo.results.comparison_formats import FORMATS
    from hpo.search.open_study import find_study

    opened = find_study(paths(storage), study)
    click.echo(FORMATS[form](comparison_of(opened, _tester(opened) if test else None)))


def _tester(opened: OpenStudy) -> Callable[[TrialRow], Mapping[str, float]]:
    """Returns what evaluates a trial on the test images, or remembers what it was."""
    from hpo.results.ranking import rank
    from hpo.results.sealed_test import earlier_looks, look

    chosen_from = len(rank(opened).best)
    kept = opened.artifacts.weights()
    before = {taken.trial: taken for taken in earlier_looks(opened)}

    def test(row: TrialRow) -> Mapping[str, float]:
        if row.number not in before and row.number not in kept:
            return {}
        taken = before.get(row.number) or look(
            opened, opened.storage.get_trial(row.trial_id), chosen_from
        )
        return {"test": taken.figures["accuracy"]}

    return test
