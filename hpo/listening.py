"""Where the dashboard and the server of a model listen: on this machine, unless told otherwise."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

from studies.errors import StudyError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
            else "The program must be able to listen on the address"
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
