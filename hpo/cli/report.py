"""`hpo report`: what a search found, on one page."""

from __future__ import annotations

from pathlib import Path

import click

from hpo.cli.options import json_option, language_option, storage_option, study_option
from hpo.paths import paths


@click.command()
@storage_option
@study_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it.  [default: STUDY.html, or the folder STUDY for Markdown]",
)
@click.option("--overwrite", is_flag=True, help="Let it replace a file that hpo did not write.")
@click.option("--test", is_flag=True, help="Look at the sealed test images, if nobody has yet.")
@language_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown"]),
    default="html",
    show_default=True,
    help="One page, or Markdown with PNG pictures.",
)
@json_option
def report(
    storage: str | None,
    study: str | None,
    out: Path | None,
    overwrite: bool,
    test: bool,
    language: str,
    form: str,
    as_json: bool,
) -> None:
    """Write what a search found on one page.

    The page says what was found and how good it is, what was tried, where the best model is wrong,
    what mattered, and how to do it again. It is one HTML file that needs no network; the dashboard
    offers it with the study.

    Without --test it speaks of the validation images, unless this model was tested before. It can
    be written while the search runs.

    \b
    Examples:
      hpo report
      hpo report --study cats-dogs --test --out report.html
      hpo report --language ko
      hpo report --format markdown --out report/
      hpo report --json > report.json
    """
    from hpo.report.as_json import as_json as written_as_json
    from hpo.report.compose import compose
    from hpo.report.facts import gather
    from hpo.report.language import load
    from hpo.report.writing import check_target, default_target, offer, write
    from hpo.results.tables import working
    from hpo.search.open_study import find_study

    opened = find_study(paths(storage), study)
    target = out or default_target(opened.study.study_name, form)
    if not as_json:
        check_target(target, form, overwrite=overwrite)
    with working("Reading the study …") as tell:
        whole = compose(gather(opened, test=test, tell=tell), tell)
    words = load(language)
    if as_json:
        click.echo(written_as_json(whole, words))
    else:
        for line in write(whole, words, form, target):
            click.echo(line)
        if form == "html":
            offer(opened, target)
