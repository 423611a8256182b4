"""`hpo delete`: deletes a study."""

from __future__ import annotations

import click

from hpo.cli.options import storage_option
from hpo.paths import paths


@click.command()
@click.argument("study")
@click.option("--yes", is_flag=True, help="Do not ask.")
@storage_option
def delete(study: str, yes: bool, storage: str | None) -> None:
    """Delete a study with its trials, weights, checkpoints and logs.

    Your images and the models you exported are not touched.

    \b
    Examples:
      hpo delete photos
      hpo delete photos --yes
    """
    from hpo.search import manage
    from hpo.search.open_study import find_study

    opened = find_study(paths(storage), study)
    trials = len(opened.study.get_trials(deepcopy=False))
    if not yes:
        noun = "trial" if trials == 1 else "trials"
        click.confirm(f"Delete the study {study!r} with {trials} {noun} for good?", abort=True)
    manage.delete(opened)
    click.echo(f"The study {study!r} was deleted.")
