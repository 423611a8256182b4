"""Files that are written beside the training."""

from __future__ import annotations

import errno
import os
import time
from functools import partial

import pytest

from hpo.training.saver import Saver


def test_all_is_written_in_order_when_it_ends() -> None:
    """One epoch's files after the other's, the last ones before the trial goes on."""
    written: list[int] = []

    def write(epoch: int) -> None:
        time.sleep(0.05 if epoch == 1 else 0)
        written.append(epoch)

    with Saver() as saver:
        for epoch in (1, 2, 3):
            saver.submit(partial(write, epoch))
        assert written[:2] == [1, 2]
    assert written == [1, 2, 3]


def test_an_error_is_raised_where_it_is_waited_for() -> None:
    """Before the next file is written; once it is told, the disk may have space again."""
    later: list[int] = []
    with Saver() as saver:
        for wait in (saver.wait, lambda: saver.submit(lambda: later.append(1))):
            saver.submit(_full)
            with pytest.raises(OSError, match="No space left on device"):
                wait()
    assert not later


def test_an_error_is_not_lost_at_the_end() -> None:
    """What is written last counts as much."""
    saver = Saver()
    saver.submit(_full)
    with pytest.raises(OSError, match="No space left on device"):
        saver.__exit__()


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
