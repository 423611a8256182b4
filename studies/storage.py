"""Where studies live: SQLite in one folder, or a database server where many machines share them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import sqlalchemy as sa
from filelock import FileLock

from studies.errors import StudyError
from studies.leases import create_table

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

BUSY_TIMEOUT_S = 60
"""How long a SQLite connection waits for another's write before it gives up."""
_DRIVERS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("postgres", "postgresql", "postgresql+psycopg2"), "postgresql+psycopg"),
        **dict.fromkeys(("mysql", "mariadb", "mariadb+pymysql"), "mysql+pymysql"),
    }
)
"""What other programs call a database to the driver that is an extra of this one."""
_READ_ONLY = "mode=ro"
_SCHEMA_LOCK = 0x68706F
"""PostgreSQL's advisory lock for creating tables: the letters "hpo" as a number."""


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


def open_storage(url: str, *, to_read: bool = False) -> RDBStorage:
    """Opens a storage, creating its tables where they are missing.

    One process at a time does that: 16 workers that create the schema of one SQLite file at once
    kill 14 of each other.

    Args:
        url: SQLAlchemy URL. PostgreSQL is reached through psycopg, MySQL and MariaDB through
            PyMySQL, unless the URL names another driver.
        to_read: Whether a SQLite file that cannot be written is opened as well. Whatever is
            written to it later ends in a StudyError.

    Raises:
        StudyError: The URL is malformed, its driver is not installed, nothing answers there, or
            another version of Optuna made its tables.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:  # the latter: a port that is no number
        raise StudyError(
            "--storage must be a database URL. Received: something else. Write it as "
            "sqlite:///studies.db or postgresql://user:password@host/database."
        ) from error
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    try:
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed, to_read=to_read)
        return _open_server(parsed)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise StudyError(
            f"The driver for this storage is not installed. Received: {masked(url)}. "
            "In the project's folder: pip install '.[postgresql]' for PostgreSQL, "
            "'.[mysql]' for MySQL and MariaDB."
        ) from error
    except (sa.exc.OperationalError, sa.exc.DatabaseError, OSError) as error:
        raise StudyError(
            f"The storage cannot be opened. Received: {masked(url)} ({_cause(error)}). "
            "Check that the folder is writable, or that the server runs and lets you in."
        ) from error
    except RuntimeError as error:
        from studies.optuna_private import SchemaProblem, schema_problem

        found = schema_problem(error)
        if found is None:
            raise
        advice = {
            SchemaProblem.OLDER: "Copy it, and then type `optuna storage upgrade --storage URL`.",
            SchemaProblem.NEWER: "Upgrade hpo, or choose another --storage.",
        }
        raise StudyError(
            "A storage must have the tables of the Optuna that is installed here. "
            f"Received: {masked(url)}, whose tables {found.value} made. {advice[found]}"
        ) from error


def require_writable(storage: RDBStorage) -> None:
    """Refuses a storage that was opened to be read.

    Raises:
        StudyError: It is one.
    """
    if _READ_ONLY in str(storage.engine.url):
        raise _not_writable(storage.engine.url)


def _not_writable(url: sa.URL) -> StudyError:
    file = str(url.database).removeprefix("file:")
    return StudyError(
        "The storage must be writable for this command. "
        f"Received: {unquote(file)}, which is read-only. Copy its folder to a writable place."
    )


def _open_sqlite(url: sa.URL, *, to_read: bool) -> RDBStorage:
    if url.database in (None, "", ":memory:"):
        raise StudyError(
            "A storage must outlive the command. Received: a SQLite database in memory. "
            "Name a file: sqlite:///studies.db."
        )
    file = Path(str(url.database))
    writable = os.access(file.parent, os.W_OK) and os.access(file, os.W_OK)
    if to_read and file.exists() and not writable:
        return _open_read_only(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        storage = _create(url, {"connect_args": {"timeout": BUSY_TIMEOUT_S}})
        with storage.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # readers never block the writer
    return storage


def _open_read_only(file: Path) -> RDBStorage:
    from optuna.storages import RDBStorage

    log = file.with_name(f"{file.name}-wal")
    # SQLite reads a database that writes ahead only if it may create files beside it, or if it is
    # told that nobody changes it. Nothing is missed by that where the log is empty: its last user
    # closed it. Where it is not, somebody still writes, whose files are there to be used.
    closed = not log.exists() or log.stat().st_size == 0
    query = _READ_ONLY + "&immutable=1" * closed
    storage = RDBStorage(
        f"sqlite:///file:{quote(str(file.resolve()))}?{query}&uri=true",
        engine_kwargs={"connect_args": {"timeout": BUSY_TIMEOUT_S}},
        skip_table_creation=True,
    )

    @sa.event.listens_for(storage.engine, "handle_error")
    def refuse(context: sa.engine.ExceptionContext) -> None:
        if "readonly database" in str(context.original_exception):
            raise _not_writable(storage.engine.url) from context.original_exception

    return storage


def _open_server(url: sa.URL) -> RDBStorage:
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        # From a database in SQL_ASCII, as made where no locale is set, psycopg would read bytes.
        url = url.set(query={"client_encoding": "utf8"} | dict(url.query))
        lock = sa.select(sa.func.pg_advisory_lock(_SCHEMA_LOCK))
    elif url.get_backend_name() in ("mysql", "mariadb"):
        # MySQL cuts what `read_trials` joins after 1,024 letters, unless it is told otherwise.
        joined = "SET SESSION group_concat_max_len = 4294967295"
        options["connect_args"] = {"init_command": joined}
        lock = sa.select(sa.func.get_lock("hpo", BUSY_TIMEOUT_S))
    else:
        return _create(url, options)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:  # closing it gives the lock back
        connection.execute(lock)
        return _create(url, options)


def _create(url: sa.URL, engine_kwargs: dict[str, Any]) -> RDBStorage:
    from optuna.storages import RDBStorage

    storage = RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=engine_kwargs)
    create_table(storage.engine)
    return storage


def _cause(error: Exception) -> str:
    """Returns the driver's own words, which hold no URL, on one line."""
    original: Any = getattr(error, "orig", None) or error
    return " ".join(str(original).split())[:200] or type(original).__name__
