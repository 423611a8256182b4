"""Benchmarks of studies of thousands of trials; run with `make bench`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest

from studies.samplers import TPE
from studies.stateless_sampler import StatelessSampler
from studies.storage import open_storage
from studies.suggest import suggest
from tests.benchmarks.clone import clone_trials
from tests.hpo.search.small_study import SPACE
from tests.hpo.search.test_parallel import FakeRun, begin
from tests.studies.processes import databases, storage_of
from tests.studies.spaces import DIGITS

pytestmark = pytest.mark.bench

FIRST, MANY, WINDOW = 400, 10_000, 200
RANDOM = 'data = "digits"\nsampler = "random"\n'


@databases
@pytest.mark.timeout(1800)
def test_ten_thousand_trials(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop around the sampler costs as much at the end, and listings answer within 2 s.

    A report is at most 10 MB. Trials between the first and the last are copies, and workers
    answer at once.
    """
    (tmp_path / "s.toml").write_text(RANDOM)
    with storage_of(kind, tmp_path) as url:
        early_s = _loop_s(tmp_path, url, FIRST)
        clone_trials(url, MANY - WINDOW)
        late_s = _loop_s(tmp_path, url, MANY)
        proposal_s = _proposal_s(url)
        listings_s = {name: _listing_s(tmp_path, url, name) for name in ("trials", "best")}
        report_s = _listing_s(tmp_path, url, "report")
    figures = {
        "what": f"a trial's loop at {MANY} trials, {kind}",
        "early_ms": round(1000 * early_s, 1),
        "late_ms": round(1000 * late_s, 1),
        "tpe_proposal_s": round(proposal_s, 3),
        "hpo_report_s": round(report_s, 2),
        "report_mb": (tmp_path / "s.html").stat().st_size / 1e6,
        **{f"hpo_{name}_s": round(seconds, 2) for name, seconds in listings_s.items()},
    }
    with capsys.disabled():
        print("\n" + json.dumps(figures))
    assert late_s < 1.5 * early_s
    assert proposal_s < 0.5
    assert max(listings_s.values()) < 2.0
    assert (tmp_path / "s.html").stat().st_size < 10e6


def _loop_s(folder: Path, url: str, total: int) -> float:
    """Trains until there are `total` trials; returns the processor seconds of each of the last."""
    run: FakeRun = begin(folder, url, "--config", "s.toml", "--trials", str(total))
    process = psutil.Process(run.process.pid)

    def used_s() -> float:
        times = process.cpu_times()
        return times.user + times.system

    assert run.wait_for(lambda: f"({total - WINDOW // 2}/{total}, " in run.output, 900)
    began_s = used_s()
    assert run.wait_for(lambda: f"({total - 5}/{total}, " in run.output, 900)
    taken_s = used_s() - began_s
    assert run.end() == 0, run.output
    return taken_s / (WINDOW // 2 - 5)


def _proposal_s(url: str) -> float:
    """The seconds that a proposal of TPE takes on that storage."""
    storage = open_storage(url)
    study = optuna.load_study(study_name="s", storage=storage, sampler=StatelessSampler(TPE(), 0))
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        suggest(study.ask(), SPACE, DIGITS)
        seconds.append(time.perf_counter() - began)
    storage.engine.dispose()
    return statistics.median(seconds)


def _listing_s(folder: Path, url: str, command: str) -> float:
    """The seconds that a command takes on the whole, in the median."""
    words = [sys.executable, "-m", "hpo", command, "--storage", url, "--study", "s"]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
