"""`hpo rename`: gives a study another name."""

from __future__ import annotations

import click

from hpo.cli.options import storage_option
from hpo.paths import paths


@click.command()
@click.argument("old")
@click.argument("new")
@storage_option
def rename(old: str, new: str, storage: str | None) -> None:
    """Give a study another name.

    Its trials, weights and checkpoints stay, and a search that is running goes on.

    \b
    Example:
      hpo rename photos photos-96px
    """
    from hpo.search import manage
    from hpo.search.open_study import find_study

    manage.rename(find_study(paths(storage), old), new)
    click.echo(f"The study {old!r} is now {new!r}.")
