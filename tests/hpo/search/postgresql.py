"""PostgreSQL servers to be mistreated."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa


def cut_all(url: str) -> int:
    """Ends all connections of a database but the one that this needs; returns how many."""
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool
    )
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())


@dataclass(frozen=True)
class Server:
    """A server of a test's own.

    Attributes:
        url: Its empty database.
        folder: Its files.
        tools: Folder of PostgreSQL's programs.
        port: Where it listens.
    """

    url: str
    folder: Path
    tools: Path
    port: int

    def start(self) -> None:
        """Starts it and waits until it answers."""
        where = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._control("start", "-o", where, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Stops it, however busy it is."""
        self._control("stop", "-m", "fast")

    def _control(self, *words: str) -> None:
        _run(self.tools / "pg_ctl", "-D", str(self.folder / "data"), "-w", *words)


@contextmanager
def own_server() -> Iterator[Server]:
    """Yields a server that runs; skips where PostgreSQL's programs are not installed."""
    tools = _tools()
    folder = Path(tempfile.mkdtemp(prefix="hpo-postgresql-"))
    try:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, _USER)
        _run(tools / "initdb", "-D", str(folder / "data"), "-U", "hpo", "-A", "trust", "--no-sync")
        port = _free_port()
        server = Server(f"postgresql://hpo@127.0.0.1:{port}/postgres", folder, tools, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_USER = "postgres"


def _tools() -> Path:
    found = shutil.which("pg_ctl")
    known = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not known or not (known[-1] / "initdb").exists():
        pytest.skip("needs PostgreSQL's own programs, initdb and pg_ctl")
    if os.geteuid() == 0 and _USER not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip(f"needs another user than root, such as {_USER}")
    return known[-1]


def _run(*words: str | Path) -> None:
    subprocess.run(
        words,
        check=True,
        stdout=subprocess.DEVNULL,
        user=_USER if os.geteuid() == 0 else None,
        cwd="/",
        env={**os.environ, "LC_ALL": "C"},  # as in containers: its databases are in SQL_ASCII
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
