"""`hpo compare`: the baselines beside the best trial, and the figures their authors published."""

from __future__ import annotations

import click

from hpo.cli.options import storage_option, study_option, trust_option
from hpo.paths import paths

FORMS = ("table", "csv", "markdown", "json")


@click.command()
@storage_option
@study_option
@click.option("--test", is_flag=True, help="Evaluate each trial on the sealed test images too.")
@trust_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="table",
    show_default=True,
)
def compare(storage: str | None, study: str | None, test: bool, trusts: bool, form: str) -> None:
    """Compare the baselines with the best trial.

    The best trial's lead over each baseline comes with a 95 % interval, paired on the same images:
    the validation images, and with --test also the sealed test images. The study records the first
    use of --test on each trial. If a study tries every combination, as the preset
    backbone-comparison does, all its trials are shown.

    \b
    Examples:
      hpo compare
      hpo compare --study cats-dogs --test
      hpo compare --study backbone-comparison --test --format markdown > table.md
    """
    from hpo.results.comparison import compare as comparison_of
    from hpo.results.comparison_formats import FORMATS, as_table, notes
    from hpo.results.sealed_test import tester
    from hpo.results.tables import say, show, working
    from hpo.search.open_study import find_study
    from hpo.trust import trust

    opened = find_study(paths(storage), study)
    if trusts:
        trust(file.source for file in opened.record.networks)
    with working("Comparing …") as tell:
        comparison = comparison_of(opened, tester(opened, tell) if test else None)
    if form == "table":
        show(*as_table(comparison))
        say("\n" + notes(comparison))
    else:
        click.echo(FORMATS[form](comparison))
