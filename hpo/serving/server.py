"""Runs the server of a model until it is asked to stop."""

from __future__ import annotations

import signal
import socket

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_S = 30


def serve(app: ASGIApp, listening: socket.socket, seconds: float) -> None:
    """Answers requests until Ctrl-C or SIGTERM; those under way are then still answered.

    Args:
        app: The application.
        listening: A socket that listens already.
        seconds: How long they may take.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(seconds) + 1,
    )
    server = uvicorn.Server(config)

    def asked_to_stop(*_: object) -> None:
        # uvicorn takes the signal, ends in peace, and sends it to itself again: enough was done.
        if not server.started:
            raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked_to_stop)
    server.run(sockets=[listening])
