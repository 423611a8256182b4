"""Disks that are full or cannot be written."""

from __future__ import annotations

import errno

_DISK_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EFBIG,
        errno.EIO,
        errno.ESTALE,  # of a network's folder
        errno.EACCES,
        errno.EEXIST,  # a file where a folder belongs
        errno.ENOTDIR,
    }
)


def disk_problem(error: OSError) -> str | None:
    """Returns what to tell the user of an error of the disk; None of any other error."""
    if error.errno not in _DISK_ERRORS:
        return None
    return (
        f"The disk is full or cannot be written. Received: {error}. "
        "Mend that and type the same command again; nothing is lost."
    )
