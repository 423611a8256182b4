"""Waits for a database server that is away for a while, as when it is restarted.

No retry library does this in fewer lines: the user is told once that it is away and once that it is
back, and most of this module decides what "away" is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

GIVE_UP_S = 300.0
RETRY_S = 1.0
_CUT = "8s2b"
"""SQLAlchemy's code for a connection lost in a transaction in which Optuna then goes on."""

T = TypeVar("T")


def retry(call: Callable[[], T], say: Callable[[str], None]) -> T:
    """Calls until the server answers, for `GIVE_UP_S` at most.

    Args:
        call: What to do; doing it again must be right after the first try did part of it, or all.
        say: Tells the user that the server is away, and that it is back.

    Raises:
        sqlalchemy.exc.DBAPIError: Something else is wrong, or the server stays away.
        optuna.exceptions.StorageInternalError: The same, seen through Optuna.
    """
    began, told = time.monotonic(), False
    while True:
        try:
            result = call()
        except (sa.exc.DBAPIError, StorageInternalError) as error:
            if not is_away(error) or time.monotonic() - began > GIVE_UP_S:
                raise
            if not told:
                say("The database server does not answer; waiting for it.")
            told = True
            time.sleep(RETRY_S)
        else:
            if told:
                say("The database server is back.")
            return result


def is_away(error: BaseException) -> bool:
    """Whether an error means that a server cannot be reached now, rather than a mistake.

    SQLite has no server: a file that cannot be used now will not be better in a second.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, sa.exc.DBAPIError):
        if isinstance(found, sa.exc.PendingRollbackError) and found.code == _CUT:
            return True
        found = found.__cause__
    if not isinstance(found, sa.exc.OperationalError | sa.exc.InterfaceError):
        return False
    return not type(found.orig).__module__.startswith("sqlite3")
