"""Opening storages: passwords, errors, and many processes at once."""

from __future__ import annotations

import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import RDBStorage

from studies.errors import StudyError
from studies.leases import Leases
from studies.optuna_private import write_attributes
from studies.storage import default_url, masked, open_storage
from tests.studies.processes import SERVERS, at_once, new_database

NOT_A_URL = (
    "--storage must be a database URL. Received: something else. Write it as "
    "sqlite:///studies.db or postgresql://user:password@host/database."
)
SECRETS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=20)


@given(SECRETS)
def test_masked_shows_no_password(secret: str) -> None:
    """Neither a password before the host nor one among the options is shown."""
    for url in (
        f"postgresql://ann:{secret}@db.example/hpo",
        f"postgresql://db.example/hpo?user=ann&password={secret}",
        f"postgresql://db.example/hpo?sslpassword={secret}",
        f"postgresql://ann:{secret}@db.example:port/hpo",
        f"{secret}",
    ):
        assert secret not in masked(url)
    assert masked(f"postgresql://ann:{secret}@db.example/hpo") == (
        "postgresql://ann:***@db.example/hpo"
    )


@pytest.mark.parametrize("url", ["studies.db", "", "postgresql://ann:secret@host:port/hpo"])
def test_refuses_what_is_no_url(url: str) -> None:
    """The message says how to write one, and shows nothing of what may hold a password."""
    with pytest.raises(StudyError) as caught:
        open_storage(url)
    assert str(caught.value) == NOT_A_URL


def test_refuses_a_database_in_memory() -> None:
    """A study in memory would be gone with the command."""
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(StudyError, match=r"^A storage must outlive the command\. Received: "):
            open_storage(url)


def test_names_the_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the message says what to install, and hides the password."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StudyError) as caught:
        open_storage("postgresql://ann:secret@127.0.0.1/hpo")
    assert str(caught.value) == (
        "The driver for this storage is not installed. "
        "Received: postgresql://ann:***@127.0.0.1/hpo. "
        "In the project's folder: pip install '.[postgresql]' for PostgreSQL, '.[mysql]' for MySQL "
        "and MariaDB."
    )


def test_names_the_unknown_dialect() -> None:
    """A database that SQLAlchemy does not know is an error about the driver."""
    with pytest.raises(StudyError, match=r"^The driver for this storage is not installed\."):
        open_storage("nosuchdb://host/hpo")


def test_says_that_nothing_answers() -> None:
    """A server that is not there is named without its password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"postgresql://ann:secret@127.0.0.1:{taken.getsockname()[1]}/hpo"
        with pytest.raises(StudyError) as caught:
            open_storage(url)
    message = str(caught.value)
    assert message.startswith(
        f"The storage cannot be opened. Received: {url.replace('secret', '***')} ("
    )
    assert message.endswith(
        "Check that the folder is writable, or that the server runs and lets you in."
    )
    assert "secret" not in message


def test_says_that_the_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is an error, and stays as it is."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StudyError, match=r"^The storage cannot be opened\. Received: sqlite"):
        open_storage(f"sqlite:///{tmp_path}/file/studies.db")
    assert (tmp_path / "file").read_text() == "mine"


def test_refuses_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of something else is left as it is."""
    (tmp_path / "studies.db").write_text("no database, but long enough to be looked at\n" * 99)
    with pytest.raises(StudyError, match="file is not a database"):
        open_storage(f"sqlite:///{tmp_path}/studies.db")
    assert (tmp_path / "studies.db").read_text().startswith("no database")


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    """Readers and one writer do not block each other."""
    open_storage(default_url(tmp_path / "new" / "runs"))
    with closing(sqlite3.connect(tmp_path / "new" / "runs" / "studies.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_sixteen_processes_open_a_new_file(tmp_path: Path) -> None:
    """Nobody finds half of a schema."""
    assert at_once(_open, 16, default_url(tmp_path)) == [True] * 16


@pytest.mark.parametrize("kind", SERVERS)
def test_sixteen_processes_open_a_new_database(kind: str) -> None:
    """The same on a server."""
    with new_database(kind) as url:
        assert at_once(_open, 16, url) == [True] * 16


def _open(barrier: Any, url: str) -> bool:
    barrier.wait(60)
    storage = open_storage(url)
    leases = Leases(storage.engine)
    return storage.get_all_studies() == [] and leases.renew(1) is False


def test_writes_attributes_at_once(tmp_path: Path) -> None:
    """All of them read as Optuna's own; what was there of the same name is replaced."""
    storage = open_storage(default_url(tmp_path))
    _check_attributes(storage)


@pytest.mark.parametrize("kind", SERVERS)
def test_writes_attributes_on_a_server(kind: str) -> None:
    """The same on a server."""
    with new_database(kind) as url:
        storage = open_storage(url)
        _check_attributes(storage)
        storage.engine.dispose()


def _check_attributes(storage: RDBStorage) -> None:
    study = optuna.create_study(storage=storage)
    other, trial = study.ask(), study.ask()
    for each in (other, trial):
        each.set_user_attr("old", 1)
        each.set_user_attr("kept", [1, 2])
    write_attributes(storage, trial._trial_id, {"old": "2'; --", "new": {"nan": float("inf")}})
    study.tell(trial, 1.0)
    attributes = study.get_trials()[1].user_attrs
    assert attributes == {"old": "2'; --", "kept": [1, 2], "new": {"nan": float("inf")}}
    assert other.user_attrs == {"old": 1, "kept": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "schemes"),
    [
        ("postgresql", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"]),
        ("mariadb", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"]),
    ],
)
def test_databases_are_called_what_others_call_them(kind: str, schemes: list[str]) -> None:
    """Each of these opens the same storage, by the driver that is an extra of this program."""
    with new_database(kind) as url:
        for scheme in schemes:
            storage = open_storage(f"{scheme}://{url.partition('://')[2]}")
            assert storage.engine.driver in ("psycopg", "pymysql")
            storage.engine.dispose()


@pytest.mark.parametrize(
    ("revision", "made_by", "advice"),
    [
        ("v3.0.0.d", "an older Optuna", "`optuna storage upgrade --storage URL`."),
        ("v99.0.0.a", "a newer Optuna", "Upgrade hpo, or choose another --storage."),
    ],
)
def test_tables_of_another_optuna_are_explained(
    tmp_path: Path, revision: str, made_by: str, advice: str
) -> None:
    """In one sentence that says which is older, and what to do."""
    url = default_url(tmp_path)
    open_storage(url).engine.dispose()
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    with pytest.raises(StudyError) as caught:
        open_storage(url)
    assert str(caught.value).startswith(
        "A storage must have the tables of the Optuna that is installed here. "
        f"Received: {url}, whose tables {made_by} made."
    )
    assert str(caught.value).endswith(advice)
