"""Benchmark of a worker's memory over a long search; run with `make bench`."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import psutil
import pytest

from tests.hpo.running import Run

pytestmark = pytest.mark.bench

SETTINGS = """
sampler = "random"
pruner = "none"
[space]
epochs = 2
"""
"""All network shapes of the default space, as each of them stays in the worker that traced it."""


@pytest.mark.timeout(3000)
def test_resident_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After 200 trials the worker holds little more than after 20."""
    (tmp_path / "s.toml").write_text(SETTINGS)
    run = Run(tmp_path, "--config", "s.toml", "--trials", "200")
    held_bytes: dict[int, int] = {}
    pids = set()
    while run.process.poll() is None:
        time.sleep(0.2)
        if (ended := len(re.findall(r"^trial \d+ \w.* after", run.output, re.M))) not in held_bytes:
            for worker in run.workers():
                try:
                    resident = worker.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                pids.add(worker.pid)
                held_bytes[ended] = max(held_bytes.get(ended, 0), resident)
    assert run.end() == 0, run.output
    sooner = max(held for ended, held in held_bytes.items() if ended <= 20)
    later = max(held for ended, held in held_bytes.items() if ended > 180)
    figures = {"mib_after_20": sooner >> 20, "mib_after_200": later >> 20, "workers": len(pids)}
    with capsys.disabled():
        print("\n" + json.dumps({"what": "resident memory of the worker", **figures}))
        print(f"resident memory: {later / sooner:.2f} x after 200 trials ({len(pids)} workers)")
    assert later <= 1.1 * sooner
