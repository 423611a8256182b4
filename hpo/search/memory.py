"""What the kernel says about memory."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


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
