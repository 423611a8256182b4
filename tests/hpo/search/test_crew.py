"""The worker processes: real ones that train nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpo.search.crew import RESIDENT_GROWTH, RESIDENT_SLACK_BYTES, Crew, Worker, WorkerSettings
from hpo.training.protocol import Ready

SCRIPT = Path(__file__).with_name("fake_worker.py")


class FakeSettings(WorkerSettings):
    """Starts a worker that imports nothing."""

    def command(self) -> list[str]:
        """Returns its command line."""
        return [sys.executable, str(SCRIPT)]


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Two workers that are ready."""
    settings = FakeSettings(
        manifest=tmp_path, image_size_px=8, device="cpu", threads=1, logs=tmp_path
    )
    crew = Crew(settings, 2)
    for _ in crew.workers:
        wait_for_one(crew)
    yield crew
    crew.close(at_once=True)


def wait_for_one(crew: Crew) -> Worker:
    """Waits until another worker is ready or has ended, and returns it."""
    while True:
        for worker, events, ended in crew.events(10):
            worker.ready = worker.ready or any(isinstance(event, Ready) for event in events)
            if events or ended:
                return worker


def test_a_successor_takes_over_once_it_is_ready(crew: Crew) -> None:
    """Until then the worker goes on; the other worker is not touched."""
    worker, other = crew.workers
    crew.renew(worker)
    crew.renew(worker)
    assert crew.relieve(worker) is worker
    successor = wait_for_one(crew)
    assert successor not in crew.workers
    assert crew.relieve(other) is other
    assert crew.relieve(worker) is successor
    assert crew.workers == [successor, other]
    assert not psutil.pid_exists(worker.pid)
    assert crew.relieve(successor) is successor


def test_a_successor_that_dies_is_forgotten(crew: Crew) -> None:
    """The worker trains on, and the next one can be started."""
    worker = crew.workers[0]
    crew.renew(worker)
    successor = wait_for_one(crew)
    os.kill(successor.pid, signal.SIGKILL)
    assert wait_for_one(crew) is successor
    assert crew.relieve(worker) is worker
    crew.renew(worker)
    assert wait_for_one(crew) not in {worker, successor}


def test_a_successor_replaces_a_worker_that_died(crew: Crew) -> None:
    """Nobody else is started."""
    worker = crew.workers[0]
    crew.renew(worker)
    successor = wait_for_one(crew)
    crew.replace(worker, at_once=True)
    assert crew.workers[0] is successor


def test_no_process_is_left_behind(crew: Crew) -> None:
    """Successors end with the others."""
    crew.renew(crew.workers[0])
    pids = [wait_for_one(crew).pid, *(worker.pid for worker in crew.workers)]
    crew.close()
    assert not any(map(psutil.pid_exists, pids))


def test_growth_counts_from_the_first_trial(crew: Crew) -> None:
    """What a worker holds then is what it needs."""
    worker, first = crew.workers[0], 1 << 30
    assert not worker.has_grown(first)
    limit = first * RESIDENT_GROWTH + RESIDENT_SLACK_BYTES
    assert not worker.has_grown(int(limit))
    assert worker.has_grown(int(limit) + 1)
