"""A server in a thread of its own, and a client that knows no proxy."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import uvicorn
from PIL import Image
from starlette.types import ASGIApp

from hpo.runtimes.metadata import Metadata
from hpo.runtimes.model import Model

COLOURS = ("red", "green", "blue")
BOUNDARY = "between"


class ColourModel(Model):
    """Gives each class the share of its colour in the picture."""

    def __init__(self) -> None:
        super().__init__(Metadata(classes=COLOURS, image_size_px=8))

    def _forward(self, images_bhwc: np.ndarray) -> np.ndarray:
        sums: np.ndarray = images_bhwc.sum(axis=(1, 2), dtype=np.float64) + 1e-6
        return sums


class Answered(NamedTuple):
    """An answer.

    Attributes:
        status: Its code.
        headers: Name in lower case to value.
        body: Its bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@contextmanager
def running(app: ASGIApp) -> Iterator[int]:
    """Serves an application on a free port, which is yielded."""
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def ask(
    port: int,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Answered:
    """Sends one request."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        how = method or ("GET" if body is None else "POST")
        client.request(how, path, body, dict(headers or {}))
        answer = client.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, answer.read())
    finally:
        client.close()


def ask_with_files(port: int, path: str, files: Sequence[tuple[str, bytes]]) -> Answered:
    """Sends files as those of a form."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return ask(port, path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def drawn(colour: str, size: tuple[int, int] = (12, 9)) -> bytes:
    """A PNG file of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, {"green": (0, 255, 0)}.get(colour, colour)).save(stream, "PNG")
    return stream.getvalue()
