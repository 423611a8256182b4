"""Real processes and a real database server to test with."""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from studies.storage import default_url

SERVERS = {
    "postgresql": (
        "HPO_TEST_POSTGRESQL",
        "postgresql://root@127.0.0.1/test",
        "postgresql+psycopg",
        "DROP DATABASE {name} WITH (FORCE)",
    ),
    "mariadb": (
        "HPO_TEST_MARIADB",
        "mysql://root@127.0.0.1:3306",
        "mysql+pymysql",
        "DROP DATABASE {name}",
    ),
}
"""Kind of server to the variable that names one, the one tried otherwise, driver, and removal."""
T = TypeVar("T")


def at_once(task: Callable[..., T], count: int, *arguments: Any) -> list[T]:
    """Returns what `task(barrier, *arguments)` returns in `count` processes that run together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.studies.preload"])
    with context.Manager() as manager:
        barrier = manager.Barrier(count)
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            futures = [pool.submit(task, barrier, *arguments) for _ in range(count)]
            return [future.result(timeout=120) for future in futures]


@contextmanager
def new_database(kind: str = "postgresql") -> Iterator[str]:
    """Yields the URL of an empty database on a server; it is dropped afterwards."""
    variable, default, driver, drop = SERVERS[kind]
    url = sa.make_url(os.environ.get(variable, default))
    name = f"hpo_test_{uuid.uuid4().hex[:12]}"
    reason = f"needs a {kind} server, named in {variable}: "
    try:
        engine = sa.create_engine(
            url.set(drivername=driver),
            isolation_level="AUTOCOMMIT",
            poolclass=sa.NullPool,
            connect_args={"connect_timeout": 3},
        )
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except ImportError as error:
        pytest.skip(f"needs the driver of {kind}: {error}")
    except sa.exc.OperationalError as error:
        pytest.skip(f"{reason}{error.orig}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(drop.format(name=name))


@contextmanager
def storage_of(kind: str, folder: Path) -> Iterator[str]:
    """Yields the URL of an empty storage."""
    if kind == "sqlite":
        yield default_url(folder / "hpo_runs")
        return
    with new_database(kind) as url:
        yield url


databases = pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
