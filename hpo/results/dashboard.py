"""optuna-dashboard over a storage and its artifacts, on this machine unless a password guards it.

The dashboard itself knows no users: anyone who can open it can delete studies.
"""

from __future__ import annotations

import base64
import hmac
import logging
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage, get_storage

from hpo.listening import is_loopback
from studies.errors import StudyError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from waitress.server import BaseWSGIServer

PASSWORD_VARIABLE = "HPO_DASHBOARD_PASSWORD"  # noqa: S105 - its name, not its value
THREADS = 8
"""Requests answered at once."""


class BasicAuth:
    """Lets only those through who know a password (RFC 7617); any user name will do."""

    def __init__(self, app: WSGIApplication, password: str) -> None:
        self._app = app
        self._password = password.encode()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a request, or asks for the password."""
        if hmac.compare_digest(_password_in(environ), self._password):
            return self._app(environ, start_response)
        start_response(
            "401 Unauthorized",
            [
                ("WWW-Authenticate", 'Basic realm="hpo", charset="UTF-8"'),
                ("Content-Type", "text/plain; charset=utf-8"),
            ],
        )
        return [b"The password is needed.\n"]


def _password_in(environ: WSGIEnvironment) -> bytes:
    scheme, _, coded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(coded.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


def check_access(host: str, password: str | None, *, insecure: bool) -> None:
    """Refuses to let other machines in without a password.

    Raises:
        StudyError: The host is not this machine alone, and nothing guards it.
    """
    if is_loopback(host) or password or insecure:
        return
    raise StudyError(
        "Anyone who can open the dashboard can delete studies, so other machines need a password. "
        f"Received: --host {host} without one. Set {PASSWORD_VARIABLE}, or stay on 127.0.0.1 and "
        "use an SSH tunnel, or add --insecure on a network that only you use."
    )


def make_app(storage: RDBStorage, artifacts: Path, password: str | None) -> WSGIApplication:
    """Returns the dashboard as a WSGI application, behind a password where there is one.

    It asks for all trials every few seconds; a cached storage reads each finished one once.
    """
    from optuna_dashboard import wsgi

    app: WSGIApplication = wsgi(
        get_storage(storage), artifact_store=FileSystemArtifactStore(artifacts)
    )
    return BasicAuth(app, password) if password else app


def new_server(app: WSGIApplication, listening: socket.socket) -> BaseWSGIServer:
    """Returns what answers requests until it is closed, or until Ctrl-C."""
    from waitress import create_server

    # A page asks for many things at once. That some of them wait is nothing to warn of.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return create_server(app, sockets=[listening], threads=THREADS)


def serve(app: WSGIApplication, listening: socket.socket) -> None:
    """Answers requests until Ctrl-C."""
    new_server(app, listening).run()  # which catches Ctrl-C
