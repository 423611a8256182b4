"""Studies of thousands of trials: what the loop around the sampler costs does not grow."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpo.results.dashboard import make_app
from studies.pruners import Percentile
from studies.samplers import TPE
from studies.stateless_sampler import StatelessSampler
from studies.storage import open_storage
from tests.hpo.search.small_study import (
    claims_of,
    make_study,
    next_of,
    outcome_of,
    recorder_of,
    tidy,
)
from tests.hpo.search.test_parallel import FakeRun, begin, finish
from tests.studies.processes import databases, storage_of

SOAK = int(os.environ.get("HPO_TEST_LONG", "10000"))
"""Trials of the long study; with fewer it only shows that everything works."""
WINDOW = SOAK // 20


@contextmanager
def counted_calls(counts: list[int]) -> Iterator[None]:
    """Counts the functions that are called inside: work that is the same on every machine."""
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)
        counts.append(calls)


def test_a_trial_costs_the_same_later(tmp_path: Path) -> None:
    """The work around one trial, sampler aside, hardly depends on how many there were before.

    Looking a list of trials through takes a call a trial or two, and that is done some ten times;
    reading everybody's notes from the database took hundreds.
    """
    study = make_study(tmp_path)
    claims = claims_of(study, total=40, rule=Percentile())
    recorder, counts = recorder_of(study, claims, tmp_path), list[int]()
    for _ in range(40):
        with counted_calls(counts):
            claim = next_of(claims)
            for epoch in (1, 2):
                recorder.report(claim, [0.1] * epoch)
                trials = claims.trials()
                claims.scheduler.judge(trials[claim.number], trials)
            recorder.finish(claim, outcome_of(0.5 - claim.number / 1_000))
            tidy(recorder, claims, claim.number)
    early, late = min(counts[5:10]), min(counts[35:40])
    assert (late - early) / 30 < 30, (early, late)


def test_a_proposal_of_tpe_costs_the_same_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there are more trials than it looks at, TPE's work stays as it is."""
    monkeypatch.setattr("studies.recent_tpe.NEWEST", 40)
    study = optuna.create_study(sampler=StatelessSampler(TPE(), 0))
    counts: list[int] = []
    for _ in range(200):
        with counted_calls(counts):
            trial = study.ask()
            value = sum(trial.suggest_float(name, -1, 1) ** 2 for name in "abcd")
        study.tell(trial, value)
    early, late = min(counts[80:100]), min(counts[180:200])
    assert (late - early) / 100 < 10, (early, late)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
@databases
def test_ten_thousand_trials(tmp_path: Path, kind: str) -> None:
    """The last 500 trials take little longer than those after the 1,000 that TPE looks at."""
    with storage_of(kind, tmp_path) as url:
        run = begin(tmp_path, url, "--trials", str(SOAK))
        assert run.wait_for(lambda: run.count(r"trial 0 .*started"))
        ends = [time.monotonic()]
        for number in range(WINDOW, SOAK + 1, WINDOW):
            ended = f"({number}/{SOAK}, "
            assert run.wait_for(partial(_was_said, run, ended), 3600)
            ends.append(time.monotonic())
        finish(url, SOAK, run)
        window_s = [later - sooner for sooner, later in pairwise(ends)]
        disk = {
            str(path.relative_to(tmp_path)): _bytes(path) for path in tmp_path.glob("hpo_runs/*")
        }
        figures = {
            "database": kind,
            "ms_per_trial": [round(1000 * s / WINDOW, 1) for s in window_s],
            "trials_s": _seconds(lambda: _list(url, tmp_path, "trials")),
            "best_s": _seconds(lambda: _list(url, tmp_path, "best")),
            "disk_bytes": disk,
            **_dashboard(url, tmp_path),
        }
    print(json.dumps(figures))
    assert window_s[-1] < 1.5 * window_s[3] or WINDOW < 500
    assert figures["trials_s"] < 5
    assert not list((tmp_path / "hpo_runs/work").glob("*/trials/*"))


def _was_said(run: FakeRun, words: str) -> bool:
    return any(words in line for line in run.lines[-99:])


def _seconds(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return round(time.monotonic() - began, 1)


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _list(url: str, folder: Path, command: str) -> None:
    words = [sys.executable, "-m", "hpo", command, "--storage", url, "--study", "s"]
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _dashboard(url: str, folder: Path) -> dict[str, float]:
    """Returns the seconds of the first request for all trials, and of one for the last ten."""
    app: Any = make_app(open_storage(url), folder / "hpo_runs" / "artifacts", None)

    def get(after: int) -> None:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/api/studies/1",
            "QUERY_STRING": f"after={after}",
            "wsgi.input": io.BytesIO(),
        }
        answers: list[str] = []
        body = b"".join(app(environ, lambda status, headers, _=None: answers.append(status)))
        assert answers == ["200 OK"]
        assert len(json.loads(body)["trials"]) == SOAK - after

    return {
        "dashboard_first_s": _seconds(lambda: get(0)),
        "dashboard_s": _seconds(lambda: get(SOAK - 10)),
    }
