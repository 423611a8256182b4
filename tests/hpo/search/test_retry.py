"""Waiting for a database server."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

from hpo.search import retry as module
from hpo.search.retry import is_away, retry


class _ServerError(Exception):
    """What a server's driver raises."""


def _away() -> StorageInternalError:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = sa.exc.OperationalError("SELECT 1", {}, _ServerError("terminating"))
    return error


def test_a_server_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called until it answers, and the user is told once that it waits and once that not."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    errors, said = [_away(), _away(), _away()], []

    def call() -> str:
        if errors:
            raise errors.pop()
        return "answer"

    assert retry(call, said.append) == "answer"
    assert said == [
        "The database server does not answer; waiting for it.",
        "The database server is back.",
    ]


def test_a_connection_that_is_cut_in_a_transaction() -> None:
    """What Optuna meets when it goes on in a session whose connection is lost is an absence."""
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = sa.exc.PendingRollbackError("Can't reconnect until …", code="8s2b")
    assert is_away(error)
    error.__cause__ = sa.exc.PendingRollbackError("rolled back during flush", code="7s2a")
    assert not is_away(error)


def test_a_server_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `GIVE_UP_S` the error is the caller's."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    monkeypatch.setattr(module, "GIVE_UP_S", 0.01)

    def call() -> None:
        raise _away()

    with pytest.raises(StorageInternalError):
        retry(call, print)


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.OperationalError("", {}, sqlite3.OperationalError("database or disk is full")),
        sa.exc.IntegrityError("", {}, _ServerError("duplicate key")),
        StorageInternalError("for no cause that is known"),
    ],
)
def test_what_is_no_absence(error: Exception) -> None:
    """A full disk and a mistake are not waited for."""
    assert not is_away(error)
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        retry(call, print)
    assert calls == [1]
