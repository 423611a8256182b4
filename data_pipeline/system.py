"""What only some operating systems have. All else that this program uses, Python has on each.

| | Linux | macOS | Windows |
| --- | --- | --- | --- |
| the processors that this process may use | yes | all | yes |
| a limit on memory (`ulimit -v`, a container's) | yes | none is known | none is known |
| whether the system ended a process to free memory | yes | unknown | unknown |
| whether the CPU multiplies bfloat16 | yes | taken for no | taken for no |
| that a dead process was of an earlier start | at once | by its process id | by its process id |
| the end of the terminal (SIGHUP) | yes | yes | kills at once |

Where a system does not say, nothing is taken for granted: results are the same, and what is lost is
a better message or some speed. Only Linux was tried; the others were read about.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psutil

HANG_UP: int | None = getattr(signal, "SIGHUP", None)
"""The signal that comes when the terminal is closed; None where there is none."""

_CONTAINER = Path("/sys/fs/cgroup")
_KERNEL = Path("/proc")


def processors() -> int:
    """Returns how many processors this process may use: fewer in a container than there are."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return len(process.cpu_affinity())
    return os.cpu_count() or 1


def processor_flags() -> frozenset[str]:
    """Returns what the processor can do, in Linux's words, such as `avx512_bf16`."""
    found = re.search(r"^flags\s*:(.*)$", _text(_KERNEL / "cpuinfo"), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def memory_bytes() -> int:
    """Returns the least of what the machine has, what its container may use, and our own limit."""
    limits = [psutil.virtual_memory().total]
    container = _text(_CONTAINER / "memory.max")
    if container.isdecimal():  # not "max"
        limits.append(int(container))
    own = address_limit_bytes()
    return min(limits if own is None else [*limits, own])


def address_limit_bytes() -> int | None:
    """Returns the limit on the memory of this process and of those it starts; None without one."""
    if not hasattr(psutil, "RLIMIT_AS"):
        return None
    limit_bytes, _ = psutil.Process().rlimit(psutil.RLIMIT_AS)
    return None if limit_bytes == psutil.RLIM_INFINITY else limit_bytes


def oom_kills() -> int:
    """Returns how many processes the kernel's out-of-memory killer has ended so far.

    Counted for this container and for the whole machine; 0 where the kernel does not say.
    """
    lines = [*_lines(_CONTAINER / "memory.events"), *_lines(_KERNEL / "vmstat")]
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def machine_id() -> str:
    """Returns what tells this machine from others of its name; empty where nothing does.

    Off Linux it is the address of a network card. Python makes one up for each process where there
    is none, so that this machine's processes are then believed, as those of other machines are.
    """
    if sys.platform == "linux":  # where containers of many machines have the same addresses
        return _text(Path("/etc/machine-id"))[:8]
    return f"{uuid.getnode():012x}"


def boot_id() -> str:
    """Returns which of this machine's starts this is; empty where that is not known."""
    return _text(_KERNEL / "sys/kernel/random/boot_id")[:8]


def process_namespace() -> str:
    """Returns whose process ids are seen here, as containers have their own; empty if unknown."""
    try:
        return re.sub(r"\D", "", (_KERNEL / "self/ns/pid").readlink().name)
    except OSError:
        return ""


def started_s(pid: int) -> float:
    """Returns when a process began, in seconds from a moment that no setting of a clock moves.

    Raises:
        psutil.NoSuchProcess: There is none of that id.
    """
    created_s = psutil.Process(pid).create_time()
    # Linux counts from the machine's start, to which psutil adds when that was by today's clock;
    # other systems note the time by the clock of that moment.
    return round(created_s - psutil.boot_time() if psutil.LINUX else created_s, 2)


def apart() -> dict[str, Any]:
    """Returns the arguments of `subprocess.Popen` by which Ctrl-C does not reach the process."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()
