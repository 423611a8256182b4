"""The worker processes: real ones that train nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import psutil
import pytest

from hpo.search import failures
from hpo.search import processes as module
from hpo.search.files import Files
from hpo.search.processes import (
    RESIDENT_GROWTH,
    RESIDENT_SLACK_BYTES,
    LocalWorker,
    WorkerPool,
    gpu_ids,
)
from hpo.search.runner import Heard, Job, Runner, Setup
from hpo.training.protocol import Begin, Event, Ready, Train
from models.config import ModelConfig
from studies.trial_config import TrialConfig
from tests.hpo.search.small_study import files_of

SCRIPT = Path(__file__).with_name("fake_worker.py")
READY = Ready(device="CPU")
SCRIPTED = """
import sys
for line in sys.stdin.buffer:
    pass
"""
LISTENS = """
import json, sys
print('{"kind":"ready","device":"none"}', flush=True)
for line in sys.stdin.buffer:
    told = json.loads(line)
    if told["kind"] == "train":
        bytes_held = (1 << 30) + told["number"] * (1 << 32)
        finished = {"kind": "finished", "outcome": None, "resident_bytes": bytes_held}
        print(json.dumps(finished), flush=True)
"""
"""A worker that is ready at once and holds more memory the higher the number of the trial is."""

SETUP = Setup(image_size_px=8, device="cpu", seed=3, metric="accuracy", precision="auto")
CONFIG = TrialConfig(model=ModelConfig(backbone="cnn", image_size_px=8, classes=2))
PoolOf = Callable[..., WorkerPool]


@pytest.fixture
def files(study: optuna.Study, tmp_path: Path) -> Files:
    """The files of an empty study."""
    return files_of(study, tmp_path)


@pytest.fixture
def pool_of(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[PoolOf]:
    """Makes a pool of workers that are a few lines of Python."""
    pools = []

    def make(script: str, size: int = 1) -> WorkerPool:
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-uc", script))
        pools.append(pool := WorkerPool())
        pool.start(size, "cpu")
        pool.begin(SETUP, files, None)
        return pool

    yield make
    for pool in pools:
        pool.close(at_once=True)


def log_of(files: Files, index: int = 0) -> Path:
    """The log of a worker."""
    return files.logs / f"worker-{index}.log"


def hear_until(pool: WorkerPool, condition: Callable[[], object]) -> list[Heard]:
    """Listens until something holds; returns what was heard."""
    heard: list[Heard] = []
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, heard
        heard += pool.events(0.1)
    return heard


def hear_the_end(pool: WorkerPool) -> tuple[list[Event], Heard]:
    """Listens until a worker has ended; returns all that was said, and the end."""
    events: list[Event] = []
    while True:
        for heard in pool.events(5):
            events += heard.events
            if heard.ended:
                return events, heard


class TestSuccession:
    """A worker that has grown gives way to a fresh one."""

    def test_once_its_successor_is_ready(self, pool_of: PoolOf) -> None:
        """It trains on until then; the other worker is not touched."""
        pool: Runner = pool_of(LISTENS, 2)
        assert isinstance(pool, WorkerPool)
        worker, other = pool.workers
        hear_until(pool, lambda: worker.ready and other.ready)
        for number in (0, 1):
            worker.train(Job(number, CONFIG))
            hear_until(pool, lambda: not worker.busy)
        assert not worker.has_grown(1 << 30)
        hear_until(pool, lambda: pool.workers[0] is not worker)
        assert pool.workers[0].ready
        assert pool.workers[1] is other
        assert not psutil.pid_exists(worker.pid)

    def test_one_that_ran_out_of_memory_at_last(self, pool_of: PoolOf) -> None:
        """It has given way when its word is looked at, and is not replaced a second time."""
        pool = pool_of(LISTENS)
        worker = pool.workers[0]
        hear_until(pool, lambda: worker.ready)
        for number in (0, 1):
            worker.train(Job(number, CONFIG))
            hear_until(pool, lambda: not worker.busy)
        hear_until(pool, lambda: pool.workers[0] is not worker)
        successors = list(pool.workers)
        pool.replace(worker)
        assert pool.workers == successors

    def test_not_while_it_trains(self, pool_of: PoolOf) -> None:
        """A trial is not interrupted for it."""
        pool = pool_of(
            LISTENS.replace('if told["kind"] == "train"', "if told.get('number') in (0, 1)")
        )
        worker = pool.workers[0]
        hear_until(pool, lambda: worker.ready)
        for number in (0, 1):
            worker.train(Job(number, CONFIG))
            hear_until(pool, lambda: not worker.busy)
        worker.train(Job(2, CONFIG))
        ready = [heard.worker for _ in range(20) for heard in pool.events(0.1) if heard.events]
        assert len(ready) == 1, "the successor"
        assert pool.workers == [worker]
        worker.busy = False  # as when it has finished
        pool.events(0.1)
        assert pool.workers == ready

    def test_a_successor_that_dies(self, pool_of: PoolOf) -> None:
        """The worker trains on, and another successor can be started."""
        pool = pool_of(LISTENS)
        worker = pool.workers[0]
        hear_until(pool, lambda: worker.ready)
        worker.train(Job(0, CONFIG))
        hear_until(pool, lambda: not worker.busy)
        for number in (1, 2):
            before = set(psutil.Process().children())
            worker.train(Job(number, CONFIG))
            worker.busy = True
            while not (born := set(psutil.Process().children()) - before):
                pool.events(0.1)
                worker.busy = True  # so that it is not relieved
            (successor,) = born
            successor.kill()
            ended = [heard.ended for _ in range(10) for heard in pool.events(0.1)]
            assert not any(ended)
            assert pool.workers == [worker]

    def test_growth_counts_from_the_first_trial(self, pool_of: PoolOf) -> None:
        """What a worker holds then is what it needs."""
        worker, first = pool_of(SCRIPTED).workers[0], 1 << 30
        assert not worker.has_grown(first)
        limit = first * RESIDENT_GROWTH + RESIDENT_SLACK_BYTES
        assert not worker.has_grown(int(limit))
        assert worker.has_grown(int(limit) + 1)


class TestWorkerPool:
    """Real processes."""

    def test_what_a_worker_is_told(self, pool_of: PoolOf, files: Files) -> None:
        """Where its files are is found out here, and how many processors it may use."""
        script = (
            "import json, sys\n"
            "for line in sys.stdin:\n"
            "    sys.stderr.write(line); sys.stderr.flush()\n"
        )
        pool = pool_of(script, 2)
        pool.workers[0].train(Job(7, CONFIG))
        pool.close()
        told = pool.workers[0].printed.splitlines()
        begun = Begin.model_validate_json(told[0])
        job = Train.model_validate_json(told[1])
        assert begun.manifest == str(files.manifest.resolve())
        assert begun.threads == max(1, len(psutil.Process().cpu_affinity()) // 2)
        assert (begun.image_size_px, begun.device) == (8, "cpu")
        assert job.folder == str(files.checkpoints(7))
        assert (job.number, job.seed, job.metric, job.config) == (7, 3, "accuracy", CONFIG)

    def test_a_worker_that_died_is_sent_a_trial(self, pool_of: PoolOf) -> None:
        """What it did not live to read is no error, then or when it is replaced."""
        pool = pool_of("pass")
        worker = pool.workers[0]
        psutil.Process(worker.pid).wait()
        worker.train(Job(0, CONFIG))
        events, heard = hear_the_end(pool)
        assert (events, heard.worker) == ([], worker)
        end = pool.replace(worker)
        assert (end.cause, end.killed) == ("exit status 0", False)

    def test_a_successor_replaces_a_worker_that_died(self, pool_of: PoolOf) -> None:
        """Another is put in its place, which is told the same."""
        pool = pool_of(LISTENS)
        worker = pool.workers[0]
        hear_until(pool, lambda: worker.ready)
        os.kill(worker.pid, signal.SIGKILL)
        _, heard = hear_the_end(pool)
        end = pool.replace(worker)
        assert heard.worker is worker
        assert (end.cause, end.killed, end.out_of_memory) == ("signal SIGKILL", True, None)
        hear_until(pool, lambda: pool.workers[0].ready)

    def test_the_kernels_killer(self, pool_of: PoolOf, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the kernel says that it killed somebody just now, a killed worker was it."""
        pool = pool_of(SCRIPTED)
        monkeypatch.setattr(failures, "oom_kills", lambda: 1 << 40)
        end = pool.replace(pool.workers[0], at_once=True)
        assert end.out_of_memory == "The kernel killed the worker because memory ran out."

    def test_half_a_line(self, pool_of: PoolOf) -> None:
        """A worker killed in the midst of a line has said nothing; halves are joined."""
        script = (
            "import os, time\n"
            'os.write(1, b\'{"kind":"ready","dev\'); time.sleep(0.3)\n'
            'os.write(1, b\'ice":"CPU"}\\n{"kind":"re\')\n'
        )
        events, _ = hear_the_end(pool_of(script))
        assert events == [READY]

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
    def test_gibberish(self, pool_of: PoolOf, said: str, heard: str) -> None:
        """A worker that says what is no event is taken for broken; what it said before counts."""
        ready = READY.model_dump_json()
        pool = pool_of(f"import time; print({ready!r}, flush=True); {said}; time.sleep(60)")
        events, _ = hear_the_end(pool)
        assert events == [READY]
        end = pool.replace(pool.workers[0])
        assert end.cause.startswith(f"it said {heard}")
        assert end.cause.endswith(", which is no event")

    def test_prints(self, pool_of: PoolOf, files: Files) -> None:
        """What a worker printed is told apart from what those before it did."""
        files.logs.mkdir(parents=True)
        log_of(files).write_text("std::bad_alloc\n")
        pool = pool_of("import sys; sys.stderr.write('mine')")
        hear_the_end(pool)
        end = pool.replace(pool.workers[0])
        assert (end.printed, end.log) == ("mine", str(log_of(files)))

    def test_prints_last_what_ended_it(self, pool_of: PoolOf) -> None:
        """Warnings from before it knew its study come first, whenever they are read."""
        script = (
            "import json, os, sys\n"
            "sys.stderr.write('a warning, '); sys.stderr.flush()\n"
            "log = json.loads(sys.stdin.readline())['log']\n"
            "os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)\n"
            "sys.stderr.write('the error')\n"
        )
        pool = pool_of(script)
        hear_the_end(pool)
        assert pool.replace(pool.workers[0]).printed == "a warning, the error"

    def test_prints_before_it_knows_its_study(self, pool_of: PoolOf, files: Files) -> None:
        """Until it is told where to print, what it prints is kept, and then put with the rest."""
        pool = pool_of("import sys; sys.stderr.write('no TensorFlow')")
        hear_the_end(pool)
        assert pool.replace(pool.workers[0]).printed == "no TensorFlow"
        assert log_of(files).read_text() == "no TensorFlow"

    def test_ends_twice(self, pool_of: PoolOf, files: Files) -> None:
        """Whatever interrupts the end of one worker, closing the pool ends the others."""
        pool = pool_of(SCRIPTED, 2)
        first, second = pool.workers
        first.end(at_once=True)
        log_of(files, 1).unlink()
        log_of(files, 1).mkdir()
        pool.close(at_once=True)
        assert [first.end(), second.end()] == [-signal.SIGKILL] * 2

    def test_ends_before_it_knows_its_study(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the study is refused, its workers end and leave nothing."""
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-c", SCRIPTED))
        pool = WorkerPool()
        pool.start(2, "cpu")
        pool.close(at_once=True)
        assert [worker.end() for worker in pool.workers] == [-signal.SIGKILL] * 2
        pool.close()

    def test_tells_a_first_trial_once(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever replaces a worker is not told: the trial may be what ended it."""
        script = (
            "import json, sys\n"
            "begin = json.loads(sys.stdin.readline())\n"
            "print(json.dumps({'kind': 'ready', 'device': str(begin['first'] is not None)}))\n"
        )
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-uc", script))
        pool = WorkerPool()
        pool.start(1, "cpu")
        pool.begin(SETUP, files, Job(0, CONFIG))
        told: list[str] = []
        while len(told) < 2:
            events, heard = hear_the_end(pool)
            told += [event.device for event in events if isinstance(event, Ready)]
            pool.replace(heard.worker)
        assert told == ["True", "False"]
        pool.close(at_once=True)

    def test_no_process_is_left_behind(self, pool_of: PoolOf) -> None:
        """Successors end with the others."""
        before = set(psutil.Process().children())
        pool = pool_of(LISTENS, 2)
        worker = pool.workers[0]
        hear_until(pool, lambda: worker.ready)
        for number in (0, 1):
            worker.train(Job(number, CONFIG))
            hear_until(pool, lambda: not worker.busy)
        pool.close()
        assert set(psutil.Process().children()) == before

    def test_closes_what_does_not_listen(self, pool_of: PoolOf) -> None:
        """At once means at once."""
        pool = pool_of("import time; time.sleep(60)")
        pool.close(at_once=True)
        assert pool.workers[0].end() == -signal.SIGKILL

    def test_ends_at_the_end_of_its_input(self, pool_of: PoolOf) -> None:
        """A worker that reads ends by itself."""
        pool = pool_of(SCRIPTED)
        assert isinstance(pool.workers[0], LocalWorker)
        pool.close()
        assert pool.workers[0].end() == 0


@pytest.mark.parametrize(("set_to", "ids"), [("0,2", ("0", "2")), ("", ())])
def test_gpus_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, set_to: str, ids: tuple[str, ...]
) -> None:
    """Those that the environment allows."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", set_to)
    assert gpu_ids() == ids
