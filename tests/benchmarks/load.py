"""Many clients that ask a server as fast as it answers: `python -m tests.benchmarks.load`.

It does little work itself, since it shares the processors with the server.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

Latencies = list[float]


class Client(asyncio.Protocol):
    """One connection that sends the same request until the time is over."""

    def __init__(self, request: bytes, until: float, taken_s: Latencies, ended: list[str]) -> None:
        self._request, self._until = request, until
        self._taken_s, self._ended = taken_s, ended
        self._answer = b""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Sends the next request once an answer is whole."""
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return
        self._answer = b""
        self._taken_s.append(time.perf_counter() - self._began)
        if not head.startswith(b"HTTP/1.1 200"):
            self._ended.append(head.split(b"\r\n")[0].decode())
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Notes an end that was not meant."""
        if time.perf_counter() < self._until:
            self._ended.append(f"connection lost: {error}")
        self.over.set_result(None)


async def load(port: int, picture: bytes, clients: int, seconds: float) -> dict[str, object]:
    """Returns how many were answered, how fast, and what went wrong."""
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(picture)}\r\n\r\n"
    taken_s: Latencies = []
    ended: list[str] = []
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    made = [
        loop.create_connection(
            lambda: Client(head.encode() + picture, began + seconds, taken_s, ended),
            "127.0.0.1",
            port,
        )
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.over for _, client in await asyncio.gather(*made)))
    spent_s = time.perf_counter() - began
    return {
        "answered": len(taken_s),
        "a_second": len(taken_s) / spent_s,
        "median_ms": 1000 * statistics.median(taken_s),
        "p99_ms": 1000 * statistics.quantiles(taken_s, n=100)[98],
        "errors": ended,
    }


if __name__ == "__main__":
    port, picture, clients, seconds = sys.argv[1:]
    found = load(int(port), Path(picture).read_bytes(), int(clients), float(seconds))
    print(json.dumps(asyncio.run(found)))
