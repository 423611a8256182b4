"""optuna-dashboard over a storage and its artifacts, on this machine unless a password guards it.

The dashboard itself knows no users: anyone who can open it can delete studies.
"""

from __future__ import annotations

import base64
import errno
import hmac
import ipaddress
import logging
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage, get_storage

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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens already, so that its address can be told.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.

    Raises:
        StudyError: The port is in use or not allowed, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.getaddrinfo(host, port, family)  # `create_server` hides that a name is unknown
        return socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise StudyError(
            f"--host must be an address of this machine. Received: {host} ({error.strerror}). "
            "Use 127.0.0.1, or 0.0.0.0 for all addresses."
        ) from error
    except OSError as error:
        rule = (
            "The port must be free"
            if error.errno == errno.EADDRINUSE
            else "The dashboard must be able to listen on the address"
        )
        why = os.strerror(error.errno) if error.errno else str(error)
        raise StudyError(
            f"{rule}. Received: {host}, port {port} ({why}). "
            "Choose another with --port; --port 0 takes a free one."
        ) from error


def address(listening: socket.socket) -> str:
    """Returns the URL to open in a browser."""
    host, port = listening.getsockname()[:2]
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def new_server(app: WSGIApplication, listening: socket.socket) -> BaseWSGIServer:
    """Returns what answers requests until it is closed, or until Ctrl-C."""
    from waitress import create_server

    # A page asks for many things at once. That some of them wait is nothing to warn of.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return create_server(app, sockets=[listening], threads=THREADS)


def serve(app: WSGIApplication, listening: socket.socket) -> None:
    """Answers requests until Ctrl-C."""
    new_server(app, listening).run()  # which catches Ctrl-C
