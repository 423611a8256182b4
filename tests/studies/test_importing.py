"""Tests of `studies.importing`."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from studies.errors import StudyError
from studies.importing import add_runs, read_runs
from studies.metrics import METRICS
from studies.record import CONFIG_KEY
from studies.trial_config import TrialConfig
from tests.studies.spaces import PHOTOS, space_of

SPACE = space_of({"flip_horizontal": [True, False], "batch_size": [16, 64]})
HEADER = "backbone,optimizer,learning_rate,batch_size,epochs,flip_horizontal,value,label\n"
AGAIN = "cnn,sgd,0.05,16,,FALSE,0.7,\n"
ROWS = f"cnn,adam,0.001,64,10,true,0.8,mine\n{AGAIN}\n{AGAIN}"


def written(folder: Path, text: str) -> Path:
    """Returns a CSV file that holds `text`."""
    path = folder / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def added(study: optuna.Study, path: Path) -> int:
    """Imports a file; returns how many runs were new."""
    runs = read_runs(path, SPACE, PHOTOS, METRICS["accuracy"])
    return add_runs(study, runs, SPACE, PHOTOS, path.name)


def test_rows_become_complete_trials(tmp_path: Path) -> None:
    """With their settings, their value, and a mark that they are imported."""
    study = optuna.create_study(direction="maximize")
    assert added(study, written(tmp_path, HEADER + ROWS)) == 3
    first, second, _ = study.trials
    assert (first.state.name, first.value) == ("COMPLETE", 0.8)
    assert first.user_attrs["reason"] == "imported"
    assert first.user_attrs["imported_label"] == "mine"
    assert "label" not in first.user_attrs  # that is a baseline's
    config = TrialConfig.model_validate(second.user_attrs[CONFIG_KEY])
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("sgd", 0.05)
    assert config.training.batch_size == 16
    assert config.training.epochs == 10  # an empty cell is the default
    assert not config.augment.flip_horizontal
    assert second.params["sgd_learning_rate"] == 0.05


def test_the_sampler_learns_from_them(tmp_path: Path) -> None:
    """TPE, without a start-up phase of its own, proposes what was good."""
    rows = "".join(
        f"cnn,adam,{rate},64,10,true,{0.9 if rate == 0.001 else 0.2},\n"
        for rate in (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01)
        for _ in range(2)
    )
    sampler = optuna.samplers.TPESampler(n_startup_trials=5, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    added(study, written(tmp_path, HEADER + rows))
    distributions = study.trials[0].distributions
    rates = [study.ask(distributions).params["learning_rate"] for _ in range(40)]
    near = sum(0.0005 < rate < 0.002 for rate in rates)
    assert near >= 20  # by chance 12 of 40; 20 or more in one of 150 studies


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    """Nor does a longer file add its beginning again; equal rows of one file are two runs."""
    study = optuna.create_study(direction="maximize")
    path = written(tmp_path, HEADER + ROWS)
    assert [added(study, path), added(study, path)] == [3, 0]
    assert added(study, written(tmp_path, HEADER + ROWS + AGAIN)) == 1


def test_an_interrupted_import_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill in the middle the same import adds the rest and nothing twice."""
    study = optuna.create_study(direction="maximize")
    path, add = written(tmp_path, HEADER + ROWS), optuna.Study.add_trial
    calls: list[int] = []

    def killed_after_one(self: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        add(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "add_trial", killed_after_one)
        with pytest.raises(KeyboardInterrupt):
            added(study, path)
    assert len(study.trials) == 1
    assert added(study, path) == 2
    assert [trial.value for trial in study.trials] == [0.8, 0.7, 0.7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER + ROWS + "cnn,adam,0.001,64,10,true,80.4,\n", ["line 6", "0 to 1", "'80.4'"]),
        (HEADER + "cnn,adam,0.001,64,10,true,nan,\n", ["line 2", "'nan'"]),
        (HEADER + "cnn,adam,0.001,64,10,true,,\n", ["line 2", "value", "''"]),
        (HEADER + "cnn,adm,0.001,64,10,true,.8,\n", ["line 2", "optimizer", "'adm'"]),
        (HEADER + "cnn,adam,fast,64,10,true,.8,\n", ["line 2", "learning_rate", "'fast'"]),
        (HEADER + "cnn,adam,0.001,6.5,10,true,.8,\n", ["line 2", "batch_size", "6.5"]),
        (HEADER + "cnn,adam,0.001,64,10,yes,.8,\n", ["line 2", "flip_horizontal", "'yes'"]),
        (HEADER + "cnn,adam,0.001,48,10,true,.8,\n", ["batch_size lies outside", "48", "16, 64"]),
        (HEADER + ",adam,0.001,64,10,true,.8,\n", ["line 2", "backbone is missing"]),
        (HEADER + "cnn,adam\n", ["line 2", "value is the accuracy", "Received: ''"]),
        (HEADER + "cnn,adam,0,001,64,10,true,.8,x\n", ["line 2", "as many cells", "Received: 9"]),
        ("backbone;value\ncnn;0,8,5\n", ["line 2", "value is the accuracy", "'0.8.5'"]),
        ("backbone;valu\ncnn;0,8\n", ["line 1", "'valu'", "Did you mean value"]),
        ("\n\nbackbone,label\ncnn,x\n", ["line 3", "column 'value'"]),
        ("backbone,label\ncnn,x\n", ["line 1", "column 'value'"]),
        ("backbone,value,batchsize\ncnn,.8,3\n", ["line 1", "'batchsize'", "batch_size"]),
        ("backbone,value,value\ncnn,.8,.9\n", ["line 1", "twice: value"]),
        (HEADER, ["a row for each run"]),
        ("", ["column 'value'"]),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, text: str, words: list[str]) -> None:
    """The message names file, line, what was received and what is allowed."""
    with pytest.raises(StudyError) as error:
        read_runs(written(tmp_path, text), SPACE, PHOTOS, METRICS["accuracy"])
    assert "runs.csv" in str(error.value)
    for word in words:
        assert word in str(error.value)


EXPECTED = ("cnn", 0.001, 64, True, 0.8, 'mine, the "best"')


@pytest.mark.parametrize(
    "text",
    [
        "backbone,learning_rate,batch_size,flip_horizontal,value,label\n"
        'cnn,0.001,64,TRUE,0.8,"mine, the ""best"""\n',
        "backbone;learning_rate;batch_size;flip_horizontal;value;label\n"
        'cnn;0,001;64;true;0,8;"mine, the ""best"""\n',
        "backbone\tlearning_rate\tbatch_size\tflip_horizontal\tvalue\tlabel\n"
        'cnn\t0.001\t64\ttrue\t0.8\t"mine, the ""best"""\n',
        '"backbone" , "learning_rate",batch_size,flip_horizontal,value,label,,\n,,,\n\n'
        'cnn,1e-3,64.0,true,.8,"mine, the ""best""",,\n,,,,,,,\n',
    ],
    ids=["commas", "semicolons and decimal commas", "tabs", "what a spreadsheet adds"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str, end: str, mark: str) -> None:
    """Their dividers, quotes, line ends, byte order mark and empty cells change nothing."""
    path = tmp_path / "runs.csv"
    path.write_bytes((mark + text.replace("\n", end)).encode())
    (run,) = read_runs(path, SPACE, PHOTOS, METRICS["accuracy"])
    found = (
        run.config.model.backbone,
        run.config.optimizer.learning_rate,
        run.config.training.batch_size,
        run.config.augment.flip_horizontal,
        run.value,
        run.label,
    )
    assert found == EXPECTED


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    """Good rows between them change nothing: nothing is imported."""
    bad = "cnn,adam,0.001,64,10,true,2,\n"
    path = written(tmp_path, HEADER + bad + "cnn,adam,0.001,64,10,true,.5,\n" + bad)
    with pytest.raises(StudyError) as error:
        read_runs(path, SPACE, PHOTOS, METRICS["accuracy"])
    first, second, last = str(error.value).splitlines()
    assert first.startswith(f"{path}, line 2: ")
    assert second.startswith(f"{path}, line 4: ")
    assert last == "Nothing was imported."


def test_a_loss_may_be_above_one(tmp_path: Path) -> None:
    """What a value may be is the study's metric's affair."""
    path = written(tmp_path, "backbone,batch_size,value\ncnn,16,1.7\n")
    (run,) = read_runs(path, SPACE, PHOTOS, METRICS["loss"])
    assert run.value == 1.7
    with pytest.raises(StudyError, match="from 0 on"):
        read_runs(
            written(tmp_path, "backbone,batch_size,value\ncnn,16,-1\n"),
            SPACE,
            PHOTOS,
            METRICS["loss"],
        )


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\x01"])
def test_unreadable_files(tmp_path: Path, content: bytes | None) -> None:
    """A missing file and one that is no text are named."""
    path = tmp_path / "runs.csv"
    if content:
        path.write_bytes(content)
    rule = r"must be CSV in UTF-8" if content else "There is no such file"
    with pytest.raises(StudyError, match=rf"{rule}\. Received: .*runs\.csv"):
        read_runs(path, SPACE, PHOTOS, METRICS["accuracy"])
