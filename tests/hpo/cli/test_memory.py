"""The real `hpo run` where memory ends: a trial's end, not the study's."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hpo.running import Run, study_of, table

pytestmark = pytest.mark.slow

SETTINGS = """
data = "digits"
image_size_px = 48
device = "cpu"
[space]
backbone = "cnn_deep"
batch_size = [16, 1024]
epochs = 1
augmentation = "none"
head_widths = "none"
[[baseline]]
label = "large"
settings = { batch_size = 1024 }
[[baseline]]
label = "small"
settings = { batch_size = 16 }
"""
"""A step of the large one takes some 2 GB more than TensorFlow itself; no estimate refuses it."""
ADDRESSES_BYTES = 3_500_000_000
RESIDENT_BYTES = 1_500_000_000


def address_space() -> None:
    """Sets the limit that `ulimit -v` sets."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_BYTES, ADDRESSES_BYTES))


@pytest.fixture
def container() -> Iterator[Callable[[], None]]:
    """What puts a process into a control group whose memory is limited, as a container's is."""
    first = Path("/sys/fs/cgroup/memory")
    group = (first if first.is_dir() else Path("/sys/fs/cgroup")) / f"hpo-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if first.is_dir() else "memory.max"
    try:
        group.mkdir()
        (group / limit).write_text(str(RESIDENT_BYTES))
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    yield lambda: (group / "cgroup.procs").write_text(str(os.getpid())) and None
    group.rmdir()


def check_study(folder: Path, limit: Callable[[], None]) -> str:
    """Runs the two trials under a limit; returns what the one too large ended with."""
    (folder / "s.toml").write_text(SETTINGS)
    run = Run(folder, "--config", "s.toml", "--trials", "2", before=limit)
    assert run.end() == 0, run.output
    large, small = table(folder)
    assert (large["state"], large["reason"]) == ("PRUNED", "out of memory")
    assert (small["state"], small["params"]["batch_size"]) == ("COMPLETE", 16)
    assert large["params"]["batch_size"] == 1024
    assert study_of(folder).best_trial.number == 1  # what the dashboard shows
    best = subprocess.run(
        [sys.executable, "-m", "hpo", "best", "--json"], cwd=folder, capture_output=True, check=True
    )
    assert json.loads(best.stdout)["best"][0]["trial"] == 1
    assert "1 complete, 1 out of memory" in run.output
    return str(large["message"])


def test_a_limit_that_is_set(tmp_path: Path) -> None:
    """Below a `ulimit -v` TensorFlow aborts or crashes; the trial is out of memory at once."""
    message = check_study(tmp_path, address_space)
    assert "memory" in message or message == "std::bad_alloc"


def test_the_kernels_killer(tmp_path: Path, container: Callable[[], None]) -> None:
    """A worker that the kernel killed in a container's limit was out of memory."""
    message = check_study(tmp_path, container)
    assert message == "The kernel killed the worker because memory ran out."
