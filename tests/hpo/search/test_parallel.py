"""Many workers and several processes on one study: real processes whose workers train nothing."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpo.paths import Paths
from hpo.results.dashboard import make_app
from hpo.search.open_study import open_study
from studies.leases import Leases
from studies.record import read_study
from studies.storage import open_storage
from tests.hpo.running import Run
from tests.hpo.search.postgresql import cut_all, own_server
from tests.studies.processes import databases, new_database, storage_of

AWAY = "The database server does not answer; waiting for it."
BACK = "The database server is back."
TAKEN = r"^Trial (\d+) was taken over by another process\.$"


class FakeRun(Run):
    """The real command, whose workers answer at once with a made-up learning curve."""

    program = (str(Path(__file__).with_name("fake_hpo.py")),)


def begin(
    folder: Path,
    url: str,
    *words: str,
    command: str = "run",
    terminal: int | None = None,
    **settings: float,
) -> FakeRun:
    """Types a command on the study `s`.

    Args:
        folder: Where to.
        url: The storage.
        words: What follows the command.
        command: `run` or `worker`.
        terminal: What it prints on instead of a pipe.
        settings: Of `fake_hpo`: `epoch_s`, `lease_s`.
    """
    environment = {f"HPO_TEST_{name.upper()}": str(value) for name, value in settings.items()}
    words = ("--storage", url, "--study", "s", *words)
    return FakeRun(folder, *words, command=command, environment=environment, terminal=terminal)


def finish(url: str, total: int, *runs: FakeRun, timeout_s: float = 120.0) -> list[Counter[int]]:
    """Waits for the end of all, checks that each trial ended once and that nothing went wrong.

    Returns:
        How often each trial was started, by run.
    """
    try:
        for run in runs:
            assert run.end(timeout_s) == 0, run.output
            assert "Traceback" not in run.output
            assert "locked" not in run.output
    finally:
        for run in runs:
            run.process.kill()
            run.end()
    storage = open_storage(url)
    study = optuna.load_study(study_name="s", storage=storage)
    trials = study.get_trials(deepcopy=False)
    storage.engine.dispose()
    assert [trial.number for trial in trials] == list(range(total))
    assert all(trial.state.is_finished() for trial in trials)
    ended = [n for run in runs for n in _numbers(run, r"^trial (\d+) [a-z ]+ after \d+ epochs in")]
    assert sorted(ended) == list(range(total)), "each was ended by one process"
    for trial in trials:
        curve = trial.user_attrs.get("history", {}).get("val_accuracy", [])
        assert trial.intermediate_values == dict(enumerate(curve, start=1))
    return [Counter(_numbers(run, r"^trial (\d+) .*started: ")) for run in runs]


def _numbers(run: FakeRun, pattern: str) -> list[int]:
    found = (re.search(pattern, line) for line in run.lines)
    return [int(match[1]) for match in found if match]


@databases
def test_sixteen_workers_of_two_processes(tmp_path: Path, kind: str) -> None:
    """Eight here and eight there train each trial once, and both end with the study."""
    with storage_of(kind, tmp_path) as url:
        first = begin(tmp_path, url, "--trials", "24", "--workers", "8", epoch_s=0.1)
        assert first.wait_for(lambda: first.count(r"trial 0 .*started"))
        second = begin(tmp_path, url, "--workers", "8", command="worker", epoch_s=0.1)
        started = finish(url, 24, first, second)
    assert min(map(len, started)) >= 1
    assert set((started[0] + started[1]).values()) == {1}


@pytest.mark.soak
@pytest.mark.timeout(1800)
@databases
def test_sixteen_processes(tmp_path: Path, kind: str) -> None:
    """Sixteen coordinating processes at one database, which is where SQLite has to wait."""
    with storage_of(kind, tmp_path) as url:
        runs = [begin(tmp_path, url, "--trials", "200")]
        assert runs[0].wait_for(lambda: runs[0].count(r"trial 0 .*started"))
        runs += [begin(tmp_path, url, command="worker") for _ in range(15)]
        started = finish(url, 200, *runs, timeout_s=1200)
    print([len(each) for each in started])
    assert set(sum(started, Counter[int]()).values()) == {1}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def test_a_process_that_was_only_slow(tmp_path: Path, kind: str) -> None:
    """Stopped for longer than the lease it finds its trial gone, says so, and trains another."""
    with storage_of(kind, tmp_path) as url:
        slow = begin(tmp_path, url, "--trials", "6", epoch_s=0.3, lease_s=3)
        assert slow.wait_for(lambda: slow.count(r"trial 0 epoch 1/"))
        slow.process.send_signal(signal.SIGSTOP)
        other = begin(tmp_path, url, command="worker", epoch_s=0.3, lease_s=3)
        assert other.wait_for(lambda: other.count(r"continued after epoch"))
        slow.process.send_signal(signal.SIGCONT)
        started = finish(url, 6, slow, other)
    taken = _numbers(slow, TAKEN)
    assert len(taken) == 1
    assert [number for number, times in (started[0] + started[1]).items() if times > 1] == taken


def test_a_closed_terminal(tmp_path: Path) -> None:
    """The epochs under way are finished and saved, however often the system says so."""
    url = f"sqlite:///{tmp_path}/s.db"
    controller, terminal = pty.openpty()
    run = begin(tmp_path, url, "--trials", "4", epoch_s=0.5, terminal=terminal)
    os.close(terminal)
    wait_until(lambda: bool(drain(controller)) and len(reported(url)) >= 1)
    os.close(controller)
    for _ in range(2):
        run.process.send_signal(signal.SIGHUP)
    assert run.process.wait(60) == 130
    paused = reported(url)
    assert len(paused) >= 2, "the epoch in which it came"
    run = begin(tmp_path, url, "--trials", "4")
    assert run.wait_for(lambda: run.count(f"trial 0 .*continued after epoch {len(paused)}"))
    finish(url, 4, run)


def drain(controller: int) -> bool:
    """Reads what was printed on a terminal, which takes no more of it otherwise."""
    while select.select([controller], [], [], 0)[0]:
        os.read(controller, 1 << 16)
    return True


def reported(url: str) -> dict[int, float]:
    """The epochs that the first trial has reported so far."""
    if not Path(url.removeprefix("sqlite:///")).exists():
        return {}
    storage = open_storage(url)
    try:
        trials = optuna.load_study(study_name="s", storage=storage).trials
    except KeyError:
        return {}
    finally:
        storage.engine.dispose()
    return trials[0].intermediate_values if trials else {}


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for something that takes seconds."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_study_that_is_deleted_while_it_is_searched(tmp_path: Path) -> None:
    """One message, and nothing is left: no worker, no lease, no folder."""
    url = f"sqlite:///{tmp_path}/s.db"
    run = begin(tmp_path, url, "--trials", "40", "--workers", "2", epoch_s=0.2)
    assert run.wait_for(lambda: run.count(r"trial 1 epoch 2/"))
    storage = open_storage(url)
    optuna.delete_study(study_name="s", storage=storage)
    assert run.end() == 1
    assert run.lines[-1] == (
        "Error: A study must be there while it is searched. Received: 's', which was deleted. "
        "Its files are deleted, too; the command begins it anew."
    )
    assert "Traceback" not in run.output
    assert Leases(storage.engine).holders() == {}
    assert list((tmp_path / "hpo_runs/work").iterdir()) == []
    assert list((tmp_path / "hpo_runs/artifacts").iterdir()) == []
    storage.engine.dispose()


def test_a_study_that_the_dashboard_renames_while_it_is_searched(tmp_path: Path) -> None:
    """The command says what to type, and that goes on where it was."""
    url = f"sqlite:///{tmp_path}/s.db"
    storage = open_storage(url)
    app = make_app(storage, tmp_path / "hpo_runs/artifacts", None)  # takes longer than a trial
    run = begin(tmp_path, url, "--trials", "4", epoch_s=0.5)
    assert run.wait_for(lambda: run.count(r"trial 1 epoch 2/"))
    assert post(app, "/api/studies/1/rename", {"study_name": "t"}) == "201 Created"
    assert run.end() == 1
    assert "is now 't'. Type the command again with --study t; nothing is lost." in run.lines[-1]
    copied = optuna.load_study(study_name="t", storage=storage).get_trials(deepcopy=False)
    (running,) = [trial.number for trial in copied if not trial.state.is_finished()]
    other = FakeRun(tmp_path, "--storage", url, "--study", "t", "--trials", "4")
    assert other.end() == 0, other.output
    assert other.count(f"trial {running} .*continued after epoch")
    kept = optuna.load_study(study_name="t", storage=storage)
    record = read_study(kept)
    paths = Paths(url, tmp_path / "hpo_runs")
    assert sorted(open_study(paths, kept, storage, record).files.weights()) == [0, 1, 2, 3]
    storage.engine.dispose()


def post(app: Any, path: str, body: dict[str, Any]) -> str:
    """Sends the dashboard what its page sends; returns the status of the answer."""
    text, answers = json.dumps(body).encode(), list[str]()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(text)),
        "wsgi.input": io.BytesIO(text),
    }
    list(app(environ, lambda status, headers, _=None: answers.append(status)))
    return answers[0]


def test_a_trial_that_the_dashboard_fails(tmp_path: Path) -> None:
    """It is dropped with a line, and the search ends with all the others."""
    url = f"sqlite:///{tmp_path}/s.db"
    storage = open_storage(url)
    app = make_app(storage, tmp_path / "hpo_runs/artifacts", None)  # takes longer than a trial
    run = begin(tmp_path, url, "--trials", "4", epoch_s=0.5)
    assert run.wait_for(lambda: run.count(r"trial 1 epoch 2/"))
    trial = optuna.load_study(study_name="s", storage=storage).trials[1]
    answer = post(app, f"/api/trials/{trial._trial_id}/tell", {"state": "Fail"})
    assert answer.startswith("204")
    assert run.end() == 0, run.output
    assert run.count(r"^Trial 1 was ended by another program; its training stops\.$") == 1
    trials = optuna.load_study(study_name="s", storage=storage).trials
    assert [trial.state.name for trial in trials].count("FAIL") == 1
    assert len(trials) == 4
    assert not list((tmp_path / "hpo_runs/work").glob("*/trials/00001"))
    storage.engine.dispose()


@pytest.mark.parametrize(("timeout", "status"), [("1ms", 2), ("0.2s", 1), ("15s", 0)])
def test_a_timeout(tmp_path: Path, timeout: str, status: int) -> None:
    """One that leaves no time for an epoch is an error; another pauses what is in training."""
    url = f"sqlite:///{tmp_path}/s.db"
    run = begin(tmp_path, url, "--trials", "400", "--timeout", timeout, epoch_s=0.5)
    assert run.end() == status, run.output
    if status == 1:
        assert run.count(r"Stopped: --timeout must leave time to train an epoch\. Received: 0\.2 s")
    if status == 0:
        assert run.count("Nothing is lost: type the same command again to continue.") == 1


@pytest.mark.timeout(120)
def test_connections_that_are_cut(tmp_path: Path) -> None:
    """Whatever is under way when the server ends all its connections is done once, later."""
    with new_database() as url:
        run = begin(tmp_path, url, "--trials", "12", "--workers", "4", epoch_s=0.05)
        assert run.wait_for(lambda: run.count(r"trial 0 .*started"))
        cuts = 0
        while run.process.poll() is None and cuts < 15:
            cuts += cut_all(url)
        (started,) = finish(url, 12, run)
    assert cuts >= 5
    assert set(started.values()) == {1}
    assert run.count(re.escape(AWAY)) == run.count(re.escape(BACK))


@pytest.mark.timeout(120)
def test_a_server_that_is_restarted(tmp_path: Path) -> None:
    """The search says that it waits, goes on when the server is back, and loses nothing."""
    with own_server() as server:
        run = begin(tmp_path, server.url, "--trials", "12", "--workers", "2", epoch_s=0.1)
        assert run.wait_for(lambda: run.count(r"trial 1 .*started"))
        server.stop()
        assert run.wait_for(lambda: run.count(re.escape(AWAY)))
        server.start()
        (started,) = finish(server.url, 12, run)
    assert run.count(re.escape(AWAY)) == run.count(re.escape(BACK)) == 1
    assert set(started.values()) == {1}
