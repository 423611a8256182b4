"""optuna-dashboard over a storage and its artifacts, on this machine unless a password guards it.

The dashboard itself knows no users: whoever reaches it can delete studies.
"""

from __future__ import annotations

import base64
import errno
import hmac
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage, get_storage

from studies.errors import StudyError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PASSWORD_VARIABLE = "HPO_DASHBOARD_PASSWORD"  # noqa: S105 - its name, not its value


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


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _IPv6Server(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keeps requests off the terminal."""


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
        "The dashboard lets whoever reaches it delete studies, so other machines need a password. "
        f"Received: --host {host} without one. Set {PASSWORD_VARIABLE}, or keep to 127.0.0.1 and "
        "use an SSH tunnel, or add --insecure where nobody else is on the network."
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


def listen(app: WSGIApplication, host: str, port: int) -> WSGIServer:
    """Returns a server that listens already; `serve_forever` makes it answer.

    Args:
        app: What it serves.
        host: Address to listen on.
        port: Port; 0 takes a free one.

    Raises:
        StudyError: The port is in use or not allowed, or the host is not this machine's.
    """
    server = _IPv6Server if ":" in host else _Server
    try:
        return make_server(host, port, app, server_class=server, handler_class=_QuietHandler)
    except socket.gaierror as error:
        raise StudyError(
            f"--host is an address of this machine. Received: {host} ({error.strerror}). "
            "Use 127.0.0.1, or 0.0.0.0 for all of them."
        ) from error
    except OSError as error:
        rule = (
            "Something listens on this port already"
            if error.errno == errno.EADDRINUSE
            else "The dashboard cannot listen there"
        )
        raise StudyError(
            f"{rule}. Received: {host}, port {port} ({error.strerror}). "
            "Choose another with --port; --port 0 takes a free one."
        ) from error


def address(server: WSGIServer) -> str:
    """Returns the URL to open in a browser."""
    host, port = server.server_address[:2]
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(str(host), str(host))  # noqa: S104
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
