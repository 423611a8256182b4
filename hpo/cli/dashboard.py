"""`hpo dashboard`: the studies in a browser."""

from __future__ import annotations

import os

import click

from hpo.cli.options import storage_option
from hpo.paths import paths
from studies.errors import StudyError
from studies.storage import masked


@click.command()
@storage_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--insecure", is_flag=True, help="Let other machines in without a password.")
def dashboard(storage: str | None, port: int, host: str, insecure: bool) -> None:
    """Show the studies in a browser, while they run and afterwards.

    This is optuna-dashboard on the studies and artifacts in this folder. If --host lets other
    machines in, it asks for the password in the environment variable HPO_DASHBOARD_PASSWORD, with
    any user name.

    \b
    Examples:
      hpo dashboard
      hpo dashboard --port 0
      HPO_DASHBOARD_PASSWORD=... hpo dashboard --host 0.0.0.0
    """
    from hpo.listening import address, listen
    from hpo.results.dashboard import PASSWORD_VARIABLE, check_access, make_app, serve
    from hpo.search.open_study import names, open_existing

    password = os.environ.get(PASSWORD_VARIABLE)
    check_access(host, password, insecure=insecure)
    where = paths(storage)
    opened = open_existing(where)
    if not names(opened):
        raise StudyError(
            f"There is no study in this storage. Received: {masked(where.storage)}. "
            "Type `hpo run` first."
        )
    app = make_app(opened, where.artifacts, password)
    with listen(host, port) as listening:
        click.echo(f"Dashboard at {address(listening)} (stop it with Ctrl-C)")
        serve(app, listening)
    click.echo()
