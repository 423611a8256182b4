"""Tests of `hpo.search`, `hpo.open` and what they return."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hpo
from hpo.api import running
from hpo.search import processes
from tests.hpo.api.conftest import FAST, fake_workers


def test_a_search_and_its_study(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The study is called after the data and has the trials that were asked for."""
    study = hpo.search("photos", trials=3, space=FAST)
    assert repr(study) == "hpo.open('photos')"
    assert not study.running
    trials = study.trials()
    assert list(trials.index) == [0, 1, 2]
    assert trials["state"].tolist() == ["complete"] * 3
    assert {"learning_rate", "batch_size", "backbone", "accuracy"} <= {*trials}
    best = study.best
    assert best.value == trials["value"].max() == trials.loc[best.number, "value"]
    assert best.settings["learning_rate"] == trials.loc[best.number, "learning_rate"]
    assert study.trial(1).number == 1
    said = capsys.readouterr().out
    assert "Classes: cat 30, dog 30" in said
    assert "Next: study.best.export('model.keras')" in said


def test_called_again_it_continues(here: Path) -> None:
    """The trials that are there are kept; the folder may be another one by then."""
    first = hpo.search("photos", trials=1, space=FAST)
    before = first.best
    again = hpo.search("photos", trials=2, space=FAST)
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")
    assert len(again.trials()) == len(first.trials()) == 2
    assert first.trial(before.number).settings == before.settings


def test_settings_of_every_kind(here: Path) -> None:
    """Numbers of NumPy, ranges, a baseline made of a trial, a timeout in words, a file."""
    (here / "s.toml").write_text("seed = 3\ntrials = 9\n")
    space: dict[str, Any] = {
        "backbone": "cnn",
        "batch_size": np.array([16, 32]),
        "epochs": range(3, 5),
        "dropout": np.float64(0.25),
        "learning_rate": {"low": np.float32(2**-10), "high": 1e-2, "log": True},
    }
    study = hpo.search(Path("photos"), config="s.toml", trials=1, timeout="5m", space=space)
    settings = study.best.settings
    assert (settings["batch_size"], settings["epochs"], settings["dropout"]) == (32, 4, 0.25)
    again = hpo.search(
        "photos",
        study="again",
        trials=1,
        space=space,
        baseline=[{"label": "first", "settings": settings}],
    )
    assert again.best.label == "first"
    assert again.best.settings == settings


def test_arrays_are_kept_for_later(here: Path) -> None:
    """The same arrays continue the same study, from the file that the first call wrote."""
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    labels = np.arange(60) % 2
    first = hpo.search((images, labels), trials=1, space=FAST)
    (file,) = (here / "hpo_runs" / "data").iterdir()
    assert file.stem == first.name
    assert hpo.search((images.copy(), labels), trials=2, space=FAST).name == first.name
    assert len(hpo.open().trials()) == 2


def test_a_data_frame(here: Path) -> None:
    """Files relative to the current folder, classes, groups and parts by their columns."""
    files = sorted(here.glob("photos/*/*.png"))
    frame = pd.DataFrame({"path": [str(file.relative_to(here)) for file in files]})
    frame["label"] = [file.parent.name for file in files]
    study = hpo.search(frame, study="table", trials=1, space=FAST)
    assert len(study.trials()) == 1
    assert not (here / "photos" / "table.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": "nosuch"}, hpo.DataError, "Received: 'nosuch', which cannot be opened"),
        ({"data": "photos", "trialz": 3}, hpo.StudyError, "'trialz'. Did you mean trials?"),
        ({"data": "photos", "space": {"backbon": "cnn"}}, hpo.StudyError, "Did you mean backbone?"),
        ({"data": "photos", "timeout": "5x"}, hpo.StudyError, "such as '90s', '15m' or '1h30m'"),
        ({"data": np.zeros((4, 4))}, hpo.DataError, r"an array of shape \(4, 4\), without labels"),
        ({"data": "photos", "preset": "weathr"}, hpo.StudyError, "Did you mean weather?"),
    ],
)
def test_refuses(here: Path, arguments: dict[str, Any], error: type, message: str) -> None:
    """Each says what to change, and nothing is created."""
    with pytest.raises(error, match=message) as caught:
        hpo.search(**arguments)
    assert not (here / "hpo_runs").exists()
    assert caught.value._render_traceback_() == [f"{error.__name__}: {caught.value}"]


def test_there_is_no_study(here: Path) -> None:
    """It says so, and creates nothing."""
    with pytest.raises(hpo.StudyError, match="There is no study here yet"):
        hpo.open()
    assert not (here / "hpo_runs").exists()


@pytest.fixture
def slow(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an epoch takes a while."""
    monkeypatch.setattr(processes, "WORKER", fake_workers(0.2))
    return here


def test_in_the_background(slow: Path) -> None:
    """It returns at once, stops after an epoch when it is told to, and continues later."""
    study = hpo.search("photos", trials=2, space=FAST, background=True)
    assert study.running
    assert study.wait(0.01).running
    study.stop()
    study.wait()
    assert not study.running
    study = hpo.search("photos", trials=2, space=FAST)
    assert study.trials()["state"].tolist() == ["complete"] * 2


def test_what_goes_wrong_in_the_background(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown where the search is, and raised by `wait`."""
    study = hpo.search("nosuch", background=True)
    with pytest.raises(hpo.DataError, match="'nosuch'"):
        study.wait()
    assert "Stopped: --data must be a folder" in capsys.readouterr().out


def test_ctrl_c_while_it_waits(slow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops the search instead of leaving it alone."""
    study = hpo.search("photos", trials=50, space=FAST, background=True)
    wait, presses = running.Job._wait, iter([KeyboardInterrupt])

    def interrupted(job: running.Job, timeout_s: float | None) -> None:
        for press in presses:
            raise press
        wait(job, timeout_s)

    monkeypatch.setattr(running.Job, "_wait", interrupted)
    study.wait()
    assert not study.running
    assert len(study.trials()) < 50
