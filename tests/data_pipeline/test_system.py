"""What this system says of itself, and what is made of systems that say nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from data_pipeline import system
from tests import elsewhere

ROOT = Path(__file__).parents[2]


def said(program: str, *before: str) -> list[object]:
    """Runs a program that prints JSON; `before` comes before it on the command line."""
    done = subprocess.run(
        [sys.executable, "-P", *before, program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_processors_that_may_be_used() -> None:
    """Not those that the machine has."""
    first = psutil.Process().cpu_affinity()[0]
    program = (
        "import json, psutil; from data_pipeline import system\n"
        f"psutil.Process().cpu_affinity([{first}]); print(json.dumps([system.processors()]))"
    )
    assert said(program, "-c") == [1]
    assert system.processors() == len(psutil.Process().cpu_affinity())


def test_a_limit_on_memory() -> None:
    """A `ulimit -v` counts where it is less than what the machine has."""
    program = (
        "import json, resource; from data_pipeline import system\n"
        "resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\n"
        "print(json.dumps([system.address_limit_bytes(), system.memory_bytes()]))"
    )
    assert said(program, "-c")[0] == 10**9
    assert said(program, "-c")[1] <= 10**9  # type: ignore[operator]
    assert system.address_limit_bytes() is None
    assert 0 < system.memory_bytes() <= psutil.virtual_memory().total


def test_when_a_process_began() -> None:
    """Once for all, and a child after its parent."""
    mine = system.started_s(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert system.started_s(child.pid) >= mine
        child.kill()
    time.sleep(0.05)
    assert system.started_s(os.getpid()) == mine


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    """Nothing is made up: no kills, no start, no flags; processors and memory are psutil's."""
    script = tmp_path / "script.py"
    script.write_text(
        "import json; from data_pipeline import system as s\n"
        "print(json.dumps([s.oom_kills(), s.boot_id(), s.process_namespace(), s.machine_id(),\n"
        "    len(s.processor_flags()), s.HANG_UP, s.processors() > 0, s.memory_bytes()]))"
    )
    total_bytes = psutil.virtual_memory().total
    expected = [0, "", "", "", 0, None, True, total_bytes]
    assert said(str(script), str(elsewhere.__file__)) == expected
