"""The worker processes: real ones that train nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hpo.search.crew import RESIDENT_GROWTH, RESIDENT_SLACK_BYTES, Crew, Worker

from hpo.search import crew as module
from hpo.training.protocol import Begin, Event, Ready, Train
from models.config import ModelConfig
from studies.trial_config import TrialConfig

SCRIPT = Path(__file__).with_name("fake_worker.py")
READY = Ready(device="CPU")
SCRIPTED = """
import sys
for line in sys.stdin.buffer:
    pass
"""


BEGIN = Begin(manifest="m.json", image_size_px=8, device="cpu", threads=1)
JOB = Train(
    number=0,
    config=TrialConfig(model=ModelConfig(backbone="cnn", image_size_px=8, classes=2)),
    seed=0,
    metric="accuracy",
    folder="x",
)


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """Two workers that are ready."""
    monkeypatch.setattr(module, "WORKER", (sys.executable, str(SCRIPT)))
    crew = Crew()
    crew.start(2, ())
    crew.begin(BEGIN, tmp_path)
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


CrewOf = Callable[[str], Crew]


@pytest.fixture
def crew_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrewOf:
    """Makes a crew of one worker that is a few lines of Python."""

    def make(script: str) -> Crew:
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-c", script))
        crew = Crew()
        crew.start(1, ())
        crew.begin(BEGIN, tmp_path)
        return crew

    return make


class TestCrew:
    """Real processes."""

    def test_a_worker_that_died_is_sent_a_trial(self, crew_of: CrewOf) -> None:
        """What it did not live to read is no error, then or when it is replaced."""
        crew = crew_of("pass")
        worker = crew.workers[0]
        worker._process.wait()
        worker.send(JOB)
        ((heard, events, ended),) = crew.events(5)
        assert (heard, events, ended) == (worker, [], True)
        assert crew.replace(worker) == 0
        crew.close(at_once=True)

    def test_half_a_line(self, crew_of: CrewOf) -> None:
        """A worker killed in the midst of a line has said nothing; halves are joined."""
        script = (
            "import os, time\n"
            'os.write(1, b\'{"kind":"ready","dev\'); time.sleep(0.3)\n'
            'os.write(1, b\'ice":"CPU"}\\n{"kind":"re\')\n'
        )
        crew = crew_of(script)
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
    def test_gibberish(self, crew_of: CrewOf, said: str, heard: str) -> None:
        """A worker that says what is no event is taken for broken; what it said before counts."""
        ready = READY.model_dump_json()
        crew = crew_of(f"import time; print({ready!r}, flush=True); {said}; time.sleep(60)")
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

    def test_prints(self, crew_of: CrewOf, tmp_path: Path) -> None:
        """What a worker printed is told apart from what those before it did."""
        (tmp_path / "worker-0.log").write_text("std::bad_alloc\n")
        crew = crew_of("import sys; sys.stderr.write('mine')")
        worker = crew.workers[0]
        worker._process.wait()
        crew.close()
        assert worker.printed == "mine"

    def test_prints_last_what_ended_it(self, crew_of: CrewOf) -> None:
        """Warnings from before it knew its study come first, whenever they are read."""
        script = (
            "import json, os, sys\n"
            "sys.stderr.write('a warning, '); sys.stderr.flush()\n"
            "log = json.loads(sys.stdin.readline())['log']\n"
            "os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)\n"
            "sys.stderr.write('the error')\n"
        )
        crew = crew_of(script)
        worker = crew.workers[0]
        worker._process.wait()
        crew.close()
        assert worker.printed == "a warning, the error"

    def test_ends_twice(self, crew_of: CrewOf, tmp_path: Path) -> None:
        """Whatever interrupts the end of one worker, closing the crew ends the others."""
        crew = crew_of(SCRIPTED)
        crew.start(2, ())
        first, second = crew.workers
        first.end(at_once=True)
        (tmp_path / "worker-1.log").unlink()
        (tmp_path / "worker-1.log").mkdir()
        crew.close(at_once=True)
        assert second._process.returncode == -signal.SIGKILL
        assert first.end() == -signal.SIGKILL

    def test_prints_before_it_knows_its_study(self, crew_of: CrewOf, tmp_path: Path) -> None:
        """Until it is told where to print, what it prints is kept, and then put with the rest."""
        crew = crew_of("import sys; sys.stderr.write('no TensorFlow')")
        worker = crew.workers[0]
        worker._process.wait()
        crew.replace(worker)
        assert worker.printed == "no TensorFlow"
        assert (tmp_path / "worker-0.log").read_text() == "no TensorFlow"
        crew.close()

    def test_ends_before_it_knows_its_study(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the study is refused, its workers end and leave nothing."""
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-c", SCRIPTED))
        crew = Crew()
        crew.start(2, ())
        crew.close(at_once=True)
        assert [worker._process.returncode for worker in crew.workers] == [-signal.SIGKILL] * 2
        crew.close()

    def test_tells_a_first_trial_once(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Who replaces a worker is not told: the trial may be what ended it."""
        script = (
            "import json, sys\n"
            "begin = json.loads(sys.stdin.readline())\n"
            "print(json.dumps({'kind': 'ready', 'device': str(begin['first'] is not None)}))\n"
        )
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-uc", script))
        crew = Crew()
        crew.start(1, ())
        crew.begin(BEGIN.model_copy(update={"first": JOB}), tmp_path)
        told = []
        while len(told) < 2:
            for worker, events, ended in crew.events(10):
                told += [event.device for event in events if isinstance(event, Ready)]
                if ended:
                    crew.replace(worker)
        assert told == ["True", "False"]
        crew.close(at_once=True)

    def test_closes_what_does_not_listen(self, crew_of: CrewOf) -> None:
        """At once means at once."""
        crew = crew_of("import time; time.sleep(60)")
        pid = crew.workers[0].pid
        crew.close(at_once=True)
        assert crew.workers[0]._process.returncode == -signal.SIGKILL
        assert pid

    def test_ends_at_the_end_of_its_input(self, crew_of: CrewOf) -> None:
        """A worker that reads ends by itself."""
        crew = crew_of(SCRIPTED)
        assert isinstance(crew.workers[0], Worker)
        crew.close()
        assert crew.workers[0]._process.returncode == 0
