"""How a worker that was killed for want of memory is told from one that crashed."""

from __future__ import annotations

import re
import resource
import signal
from pathlib import Path

_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))

_ABORTS = (-signal.SIGABRT, 127)
"""How a process ends that gives up when it gets no memory: C++ and TensorFlow, and glibc."""
_CRASHES = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, 127)
_WORDS = re.compile(r"bad_alloc|out of memory|(?:cannot|failed to|unable to) allocate", re.I)


def oom_kills() -> int:
    """Returns how many processes the kernel's out-of-memory killer has ended so far.

    Counted for this container and for the whole machine; 0 where the kernel does not say.
    """
    total = 0
    for path in _COUNTERS:
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return total


def starvation(status: int, printed: str, oom_kills_before: int) -> str | None:
    """Returns how want of memory ended a worker; None where something else did.

    Args:
        status: Its exit status, negative for a signal.
        printed: What it printed last.
        oom_kills_before: `oom_kills()` of a while ago.
    """
    if status == -signal.SIGKILL and oom_kills() > oom_kills_before:
        return "The kernel killed the worker for want of memory."
    said = [line.strip() for line in printed.splitlines() if _WORDS.search(line)]
    if status in _ABORTS and said:
        return f"The worker got no more memory: {said[-1][:200]}"
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)  # the workers' too
    if status in _CRASHES and limit_bytes != resource.RLIM_INFINITY:
        # Below a limit TensorFlow also follows null pointers and breaks off without a word.
        return (
            f"The worker crashed ({status}) under the memory limit of "
            f"{limit_bytes / 1e9:.1f} GB that is set (ulimit -v)."
        )
    return None
