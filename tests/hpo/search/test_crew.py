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
from hpo.training.protocol import Event, Ready, Train
from models.config import ModelConfig
from studies.trial_config import TrialConfig

SCRIPT = Path(__file__).with_name("fake_worker.py")
READY = Ready(device="CPU")
SCRIPTED = """
import sys
for line in sys.stdin.buffer:
    pass
"""


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


class Scripted(WorkerSettings):
    """A worker that is a few lines of Python."""

    script: str

    def command(self) -> list[str]:
        """Returns the command line."""
        import sys

        return [sys.executable, "-c", self.script]


def crew_of(folder: Path, script: str) -> Crew:
    """A crew of one such worker."""
    settings = Scripted(
        manifest=folder, image_size_px=8, device="cpu", threads=1, logs=folder, script=script
    )
    return Crew(settings, 1)


class TestCrew:
    """Real processes."""

    def test_a_worker_that_died_is_sent_a_trial(self, tmp_path: Path) -> None:
        """What it did not live to read is no error, then or when it is replaced."""
        crew = crew_of(tmp_path, "pass")
        worker = crew.workers[0]
        worker._process.wait()
        job = Train(
            number=0,
            config=TrialConfig(model=ModelConfig(backbone="cnn", image_size_px=8, classes=2)),
            seed=0,
            metric="accuracy",
            folder="x",
        )
        worker.send(job)
        ((heard, events, ended),) = crew.events(5)
        assert (heard, events, ended) == (worker, [], True)
        assert crew.replace(worker) == 0
        crew.close(at_once=True)

    def test_half_a_line(self, tmp_path: Path) -> None:
        """A worker killed in the midst of a line has said nothing; halves are joined."""
        script = (
            "import os, time\n"
            'os.write(1, b\'{"kind":"ready","dev\'); time.sleep(0.3)\n'
            'os.write(1, b\'ice":"CPU"}\\n{"kind":"re\')\n'
        )
        crew = crew_of(tmp_path, script)
        said: list[Event] = []
        over = False
        while not over:
            for _, events, ended in crew.events(5):
                said, over = said + events, ended
        assert said == [READY]
        crew.close()

    @pytest.mark.parametrize(
        ("said", "heard"),
        [
            ("print('Epoch 1/5')", "b'Epoch 1/5'"),
            ('print(\'{"kind":"ready","dev{"kind":"alive"}\')', 'b\'{"kind":"ready"'),
            ('print(\'{"kind":"mood"}\')', 'b\'{"kind":"mood"}\''),
            ("print('x' * (1 << 25), end='')", "b'xxxx"),
        ],
        ids=["text", "torn", "unknown", "endless"],
    )
    def test_gibberish(self, tmp_path: Path, said: str, heard: str) -> None:
        """A worker that says what is no event is taken for broken; what it said before counts."""
        ready = READY.model_dump_json()
        crew = crew_of(
            tmp_path, f"import time; print({ready!r}, flush=True); {said}; time.sleep(60)"
        )
        worker = crew.workers[0]
        events: list[Event] = []
        over = False
        while not over:
            for _, some, ended in crew.events(5):
                events, over = events + some, ended
        assert events == [READY]
        assert worker.gibberish.startswith(heard)
        assert crew.replace(worker, at_once=True) == -signal.SIGKILL
        crew.close(at_once=True)

    def test_prints(self, tmp_path: Path) -> None:
        """What a worker printed is told apart from what those before it did."""
        (tmp_path / "worker-0.log").write_text("std::bad_alloc\n")
        crew = crew_of(tmp_path, "import sys; sys.stderr.write('mine')")
        worker = crew.workers[0]
        worker._process.wait()
        crew.close()
        assert worker.printed == "mine"

    def test_closes_what_does_not_listen(self, tmp_path: Path) -> None:
        """At once means at once."""
        crew = crew_of(tmp_path, "import time; time.sleep(60)")
        pid = crew.workers[0].pid
        crew.close(at_once=True)
        assert crew.workers[0]._process.returncode == -signal.SIGKILL
        assert pid

    def test_ends_at_the_end_of_its_input(self, tmp_path: Path) -> None:
        """A worker that reads ends by itself."""
        crew = crew_of(tmp_path, SCRIPTED)
        assert isinstance(crew.workers[0], Worker)
        crew.close()
        assert crew.workers[0]._process.returncode == 0
