"""Lack of memory told apart from other ends of a worker."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys

import pytest

from data_pipeline.system import oom_kills
from hpo.search.failures import out_of_memory

BAD_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'\n  @ 0x1 main\n"
SEGFAULT, ABORT, KILL = -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGKILL


@pytest.mark.parametrize(
    ("status", "printed", "starved"),
    [
        (ABORT, BAD_ALLOC, True),
        (127, "cannot allocate memory for thread-local data: ABORT\n", True),
        (ABORT, "Check failed: 1 == 2\n", False),
        (SEGFAULT, "", False),
        (KILL, BAD_ALLOC, False),
        (0, BAD_ALLOC, False),
        (1, "MemoryError", False),
    ],
)
def test_out_of_memory(status: int, printed: str, starved: bool) -> None:
    """An abort is lack of memory where it was said; other ends are not."""
    found = out_of_memory(status, printed, oom_kills())
    assert (found is not None) == starved
    assert found is None or printed.splitlines()[0].strip() in found


def test_the_kernels_killer() -> None:
    """A kill is lack of memory where the kernel has killed somebody since."""
    assert out_of_memory(KILL, "", oom_kills() - 1) == (
        "The kernel killed the worker because memory ran out."
    )


_LIMITED = """
import resource, signal
resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))
from hpo.search.failures import out_of_memory
print(out_of_memory(-signal.SIGSEGV, "", 0), out_of_memory(-signal.SIGKILL, "", 10**9), sep="\\n")
"""


def test_a_crash_under_a_limit() -> None:
    """Below a `ulimit -v` a crash without a word is lack of memory, and a kill is not."""
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", _LIMITED], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "The worker crashed (-11) under the memory limit of 1.0 GB that is set (ulimit -v).",
        "None",
    ], done.stderr
