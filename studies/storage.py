"""Where studies live: SQLite in one folder, or PostgreSQL where many machines share them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from filelock import FileLock

from studies.errors import StudyError
from studies.leases import create_table

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

BUSY_TIMEOUT_S = 60
"""How long a SQLite connection waits for another's write before it gives up."""
_SCHEMA_LOCK = 0x68706F
"""PostgreSQL's advisory lock of whoever creates tables: a number nobody else uses, "hpo"."""


def default_url(runs: Path) -> str:
    """Returns the storage URL of the SQLite file in the folder `runs`."""
    return f"sqlite:///{runs.resolve() / 'studies.db'}"


def sqlite_file(url: str) -> Path | None:
    """Returns the file of a SQLite storage; None for others, malformed URLs among them."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return None
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def masked(url: str) -> str:
    """Returns `url` fit for output, its password replaced by `***`."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return "(not a database URL)"
    secret = {name: "***" for name in parsed.query if "pass" in name.lower()}
    return parsed.update_query_dict(secret).render_as_string(hide_password=True)


def open_storage(url: str) -> RDBStorage:
    """Opens a storage, creating its tables where they are missing.

    One process at a time does that: 16 workers that create the schema of one SQLite file at once
    kill 14 of each other.

    Args:
        url: SQLAlchemy URL; `postgresql://` stands for psycopg's dialect.

    Raises:
        StudyError: The URL is malformed, its driver is not installed, or nothing answers there.
    """
    try:
        parsed = _dialect(sa.make_url(url))
    except (sa.exc.ArgumentError, ValueError) as error:  # the latter: a port that is no number
        raise StudyError(
            "--storage is a database URL. Received: something else. Write it as "
            "sqlite:///studies.db or postgresql://user:password@host/database."
        ) from error
    try:
        is_file = parsed.get_backend_name() == "sqlite"
        return _open_sqlite(parsed) if is_file else _open_server(parsed)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise StudyError(
            f"The driver for this storage is not installed. Received: {masked(url)}. "
            "For PostgreSQL, in the project's folder: pip install '.[postgresql]'."
        ) from error
    except (sa.exc.OperationalError, sa.exc.DatabaseError, OSError) as error:
        raise StudyError(
            f"The storage cannot be opened. Received: {masked(url)} ({_cause(error)}). "
            "Check that the folder is writable, or that the server runs and lets you in."
        ) from error


def _dialect(url: sa.URL) -> sa.URL:
    """Returns a PostgreSQL URL with psycopg's dialect and an encoding.

    From a database in SQL_ASCII, as made where no locale is set, psycopg would read bytes.
    """
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        return url
    query = {"client_encoding": "utf8"} | dict(url.query)
    return url.set(drivername="postgresql+psycopg", query=query)


def _open_sqlite(url: sa.URL) -> RDBStorage:
    if url.database in (None, "", ":memory:"):
        raise StudyError(
            "A storage outlives the command. Received: a SQLite database in memory. "
            "Name a file: sqlite:///studies.db."
        )
    file = Path(str(url.database))
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        storage = _create(url, {"connect_args": {"timeout": BUSY_TIMEOUT_S}})
        with storage.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # readers never block the writer
    return storage


def _open_server(url: sa.URL) -> RDBStorage:
    with _alone(url):
        return _create(url, {"pool_pre_ping": True})


@contextmanager
def _alone(url: sa.URL) -> Iterator[None]:
    """Lets one process at a time create tables on a PostgreSQL server."""
    if url.get_backend_name() != "postgresql":
        yield
        return
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:  # closing it gives the lock back
        connection.execute(sa.select(sa.func.pg_advisory_lock(_SCHEMA_LOCK)))
        yield


def _create(url: sa.URL, engine_kwargs: dict[str, Any]) -> RDBStorage:
    from optuna.storages import RDBStorage

    storage = RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=engine_kwargs)
    create_table(storage.engine)
    return storage


def _cause(error: Exception) -> str:
    """Returns the driver's own words, which hold no URL, on one line."""
    original: Any = getattr(error, "orig", None) or error
    return " ".join(str(original).split())[:200] or type(original).__name__
