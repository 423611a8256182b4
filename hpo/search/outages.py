"""Full disks and databases that are away, in words for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

from hpo.disk import disk_problem
from studies.errors import StudyError


@contextmanager
def outages_explained() -> Iterator[None]:
    """Turns a full disk and a database that has gone away into messages.

    Raises:
        StudyError: One of these happened; what was committed until then stands.
    """
    try:
        yield
    except OSError as error:
        if (problem := disk_problem(error)) is None:
            raise
        raise StudyError(problem) from error
    except (sa.exc.DBAPIError, StorageInternalError) as error:
        raise StudyError(
            f"The storage failed. Received: {_cause(error)}. Check that its disk has space and "
            "can be written, or that its server runs, and type the same command again; nothing "
            "is lost."
        ) from error


def _cause(error: BaseException) -> str:
    """Returns the driver's own words, which hold neither URL nor statement, on one line."""
    while not isinstance(error, sa.exc.DBAPIError) and error.__cause__ is not None:
        error = error.__cause__
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return " ".join(str(original).split())[:200]
