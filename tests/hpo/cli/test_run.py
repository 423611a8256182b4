"""The real `hpo run`: what it does once, twice, and after it was killed."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hpo.cli import main
from hpo.search import launch, session
from hpo.search.open_study import OpenStudy, names
from hpo.search.prepare import prepare
from studies.storage import default_url, open_storage
from tests.hpo.running import (
    WORDS,
    Run,
    kill_at_points,
    no_orphans,
    study_of,
    table,
    type_run,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def again(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to type in again."""
    return shutil.copytree(undisturbed, tmp_path / "again")


def test_ends_with_the_trials_asked_for(undisturbed: Path) -> None:
    """Eight trials, all finished, the default settings first, checkpoints of the best kept."""
    rows = table(undisturbed)
    assert [row["number"] for row in rows] == list(range(8))
    assert {row["state"] for row in rows} == {"COMPLETE", "PRUNED"}
    assert [row["step"] for row in rows[:2]] == ["default", "cosine"]
    (folder,) = (undisturbed / "hpo_runs/work").iterdir()
    kept = {int(trial.name) for trial in (folder / "trials").iterdir()}
    complete = {row["number"] for row in rows if row["state"] == "COMPLETE"}
    assert kept <= complete
    assert len(kept) == min(5, len(complete)), "the best can be continued"
    for row in rows:
        assert row["image_size_px"] == 8
        assert row["parameters"] > 1000
        assert row["device"].startswith("CPU")
        curve = row["history"]["val_accuracy"]
        assert list(row["reports"].values()) == curve
        assert row["best_val_accuracy"] == max(curve)
        if row["state"] == "COMPLETE":
            assert row["value"] == max(curve)


def test_typed_again_trains_nothing(again: Path) -> None:
    """The same command on a finished study ends at once and changes nothing."""
    before, began = table(again), time.monotonic()
    run = type_run(again, *WORDS)
    assert run.process.returncode == 0
    assert run.count("started") == 0
    assert "Best trials" in run.output
    assert table(again) == before
    assert time.monotonic() - began < 20


def test_fewer_trials_than_there_are(again: Path) -> None:
    """A smaller total changes nothing either."""
    before = table(again)
    run = type_run(again, "--config", "s.toml", "--trials", "3")
    assert run.process.returncode == 0
    assert table(again) == before


def test_more_trials_continue(again: Path) -> None:
    """A larger total adds the trials that are missing."""
    before = table(again)
    run = type_run(again, "--config", "s.toml", "--trials", "10")
    assert run.process.returncode == 0, run.output
    rows = table(again)
    assert len(rows) == 10
    assert rows[:8] == before
    assert run.count(r"trial \d+ started") == 2


def test_a_contradiction_is_an_error(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs from the study's creation is named; nothing changes."""
    before = table(again)
    monkeypatch.chdir(again)
    result = CliRunner().invoke(main, ["run", "--config", "s.toml", "--seed", "1"])
    assert result.exit_code == 1
    assert result.output == (
        "Error: The study 'digits' exists with other settings. "
        "Received: seed: created with 0, now 1. "
        "Leave out the option to continue this study, or create another with --study NAME.\n"
    )
    assert table(again) == before


def test_signals(fresh: Path, undisturbed: Path) -> None:
    """Ctrl-C and SIGTERM finish the epoch, a second Ctrl-C does not; each says how to go on.

    A study that was interrupted in all three ways ends as if it had not been.
    """
    with no_orphans(fresh):
        for number, signals in enumerate(([signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 2)):
            run = Run(fresh, *WORDS)
            assert run.wait_for(lambda run=run: run.count(r" epoch \d"))  # type: ignore[misc]
            for sent in signals:
                run.process.send_signal(sent)
                time.sleep(0.02)
            assert run.end() == 130, run.output
            assert run.count("Finishing the epoch and saving; once more to stop at once.") == 1
            assert run.count("Nothing is lost: type the same command again") == 1
            assert "Traceback" not in run.output
            assert run.count("continued after epoch") == (1 if number else 0)
        assert type_run(fresh, *WORDS).process.returncode == 0
    assert table(fresh) == table(undisturbed)


def test_interrupted_before_training(fresh: Path) -> None:
    """A signal while workers are still importing TensorFlow ends the run soon.

    Python ends by the signal itself where that came in the midst of an import; shells call it 130.
    """
    with no_orphans(fresh):
        run = Run(fresh, *WORDS)
        assert run.wait_for(run.workers)
        time.sleep(0.3)
        run.process.send_signal(signal.SIGINT)
        assert run.end(timeout_s=15) in (130, -signal.SIGINT), run.output
    assert run.count("started") == 0
    assert "Traceback" not in run.output


def test_a_deadline_before_the_first_epoch(fresh: Path) -> None:
    """A `--timeout` that leaves no time to train is an error; the study goes on later."""
    with no_orphans(fresh):
        run = type_run(fresh, *WORDS, "--timeout", "1s")
    assert run.process.returncode == 1, run.output
    assert run.count("Stopped: --timeout must leave time to train an epoch. Received: 1.0 s") == 1
    assert run.count("Nothing is lost: type the same command again to continue.") == 1
    assert sum(trial.state.is_finished() for trial in study_of(fresh).trials) < 8


def test_what_an_interrupted_trial_has_come_to(fresh: Path, undisturbed: Path) -> None:
    """Its best epoch can be exported while it waits, which changes nothing of its end."""
    run = Run(fresh, *WORDS)
    assert run.wait_for(lambda: run.count(r"trial 0 epoch 1/"))
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130, run.output
    assert run.count("hpo best --study digits --export model.keras") == 1
    best = Run(fresh, "--export", "model.keras", "--json", command="best")
    assert best.end() == 0, best.output
    found = json.loads(best.output)
    (trial,) = found["best"]
    assert (trial["trial"], trial["ending"]) == (0, "interrupted")
    assert found["exported"]["recorded"] == trial["value"] == trial["best_val_accuracy"]
    assert (fresh / "model.keras").exists()
    words = Run(fresh, command="best")
    assert words.end() == 0
    assert words.count(r"Trial 0 is interrupted after \d of \d epochs") == 1
    assert type_run(fresh, *WORDS).process.returncode == 0
    assert table(fresh) == table(undisturbed)


@pytest.mark.timeout(900)
def test_killed_at_named_points(fresh: Path, undisturbed: Path) -> None:
    """Before and after each step that must be whole or not there: the twelve kills leave no trace.

    A trial's end in the storage, a report and an artifact, of the coordinator; a checkpoint, the
    best epoch's weights and a rename, of the worker.
    """
    with no_orphans(fresh):
        killed = kill_at_points(fresh, WORDS)
    assert len(killed) == 12, sorted(killed)
    assert table(fresh) == table(undisturbed)


def type_here(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """Types `hpo run` in a folder, in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HPO_CACHE_DIR", str(folder / "cache"))
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    return CliRunner().invoke(main, ["run", *words])


def draw(path: Path, grey: int) -> None:
    """Writes a small image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 12), (grey, grey, grey)).save(path)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A folder full of data sets and settings that cannot be used."""
    (tmp_path / "empty").mkdir()
    for number in range(8):
        draw(tmp_path / f"one/a/{number}.png", number)
    draw(tmp_path / "two/a/1.png", 1)
    draw(tmp_path / "two/b/2.png", 2)
    for name in "ab":
        (tmp_path / "few" / name).mkdir(parents=True)
        (tmp_path / "few" / name / "x.png").write_text("no image")
    texts = {
        "key": 'seed = 1\n[space]\nbackbon = "cnn"\n',
        "syntax": "seed = \n",
        "baseline": '[space]\nbackbone="cnn"\n[[baseline]]\nlabel="x"\n'
        'settings={backbone="cnn", dropout=0.99}\n',
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--data nosuch",
            "--data must be a folder of images, a table of labels, a .zip, an .npz or a built-in "
            "name. Received: 'nosuch', which cannot be opened (No such file or directory). "
            "Built-in names: digits, cifar10, cifar100, mnist, fashion_mnist.",
        ),
        (
            "--data empty",
            "A folder of images must hold images. Received: '{here}/empty', with none (0 other "
            "files or folders in it were left out: it is empty). Check the path.",
        ),
        (
            "--data one",
            "Training on this data set would be wrong. Received: There is only one class, so "
            "there is nothing to tell apart. Pass the folder that holds the class folders. "
            "(a) See all findings with `hpo doctor`.",
        ),
        (
            "--data two",
            "Training on this data set would be wrong. Received: The class has too few different "
            "images for every part of the split. Add images, remove it, or leave out such classes: "
            "--min-class-images N. (2: a (1 different images or groups), b (1 different images or "
            "groups)) See all findings with `hpo doctor`.",
        ),
        (
            "--data few",
            "A data set must hold images that can be used. Received: '{here}/few'. The "
            "file is named like an image but cannot be opened as one. It is left out. "
            "(2: a/x.png, b/x.png)",
        ),
        ("--config nosuch.toml", "There is no such file. Received: nosuch.toml. Check the path."),
        (
            "--config key.toml",
            "key.toml, line 3: There is no setting of this name. Received: 'backbon'. "
            "Did you mean backbone?",
        ),
        (
            "--config syntax.toml",
            "The file must be valid TOML. Received: syntax.toml (Invalid value (at line 1, "
            "column 8)).",
        ),
        (
            "--config baseline.toml",
            "The baseline 'x' does not fit the study: dropout lies outside the space. "
            "Received: 0.99. Allowed: 0 to 0.6. Widen it in [space], or change the value.",
        ),
        (
            "--storage garbage",
            "--storage must be a database URL. Received: something else. Write it as "
            "sqlite:///studies.db or postgresql://user:password@host/database.",
        ),
        (
            "--image-size 4",
            "\n".join(
                f"{name} needs images of at least 8 px. Received: 4 px. "
                "Set a larger --image-size, or leave it out of backbone."
                for name in ("cnn_deep", "resnet_small", "cnn")
            ),
        ),
    ],
    ids=lambda value: value if value.startswith("--") and len(value) < 30 else "",
)
def test_refuses(bad: Path, monkeypatch: pytest.MonkeyPatch, words: str, message: str) -> None:
    """Each says what is wrong and what to do, ends with 1, and leaves no study behind."""
    result = type_here(bad, monkeypatch, *words.split(), "--study", "s")
    assert result.output == f"Error: {message.format(here=bad)}\n"
    assert result.exit_code == 1
    assert names(open_storage(default_url(bad / "hpo_runs"))) == []
    assert not (bad / "hpo_runs" / "work").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--trials 0", "Invalid value for '--trials': 0 is not in the range x>=1."),
        ("--seed -1", "Invalid value for '--seed': -1 is not in the range x>=0."),
        ("--image-size 2", "Invalid value for '--image-size': 2 is not in the range 4<=x<=4096."),
        (
            "--timeout 5x",
            "Invalid value for '--timeout': It must be seconds or a text such as '90s', '15m' or "
            "'1h30m'. Received: '5x'.",
        ),
        ("--device tpu", "Invalid value for '--device': 'tpu' is not one of 'auto', 'cpu', 'gpu'."),
    ],
)
def test_refuses_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, message: str
) -> None:
    """An option out of range ends with 2 before anything is created."""
    result = type_here(tmp_path, monkeypatch, *words.split())
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: {message}"
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `hpo_runs` cannot be made, nothing is; a file in its place stays."""
    (tmp_path / "hpo_runs").write_text("mine")
    result = type_here(tmp_path, monkeypatch)
    assert result.exit_code == 1
    assert result.output.startswith("Error: The storage cannot be opened. Received: sqlite:///")
    assert (tmp_path / "hpo_runs").read_text() == "mine"


def test_a_refused_study_does_not_set_the_next_ones_direction(
    bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was refused once is free for a study of another metric."""
    assert type_here(bad, monkeypatch, "--data", "empty", "--study", "s").exit_code == 1
    (bad / "loss.toml").write_text('metric = "loss"\n[space]\nbackbone = "cnn"\n')
    monkeypatch.setattr(launch, "run_study", _not_run)
    type_here(bad, monkeypatch, "--config", "loss.toml", "--study", "s")
    assert study_of(bad, "s").direction.name == "MINIMIZE"


def _not_run(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_the_timeout_counts_from_the_commands_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a large data set is part of it."""
    times: list[float] = []

    def noted(*words: Any, **more: Any) -> OpenStudy:
        times.append(time.monotonic())
        return prepare(*words, **more)

    def not_run(*_: object, began_s: float, **__: object) -> None:
        times.append(began_s)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "prepare", noted)
    monkeypatch.setattr(launch, "run_study", not_run)
    type_here(tmp_path, monkeypatch, "--timeout", "1h")
    reading, began = times
    assert began <= reading


def test_data_that_were_changed_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A continued study refuses images that are not what they were, before anything is trained."""
    for number in range(12):
        draw(tmp_path / f"data/{'ab'[number % 2]}/{number}.png", 9 * number)
    (tmp_path / "s.toml").write_text('[space]\nbackbone = "cnn"\n')
    words = ("--config", "s.toml", "--data", "data", "--study", "s")
    with monkeypatch.context() as patch:
        patch.setattr(launch, "run_study", _not_run)
        assert type_here(tmp_path, monkeypatch, *words).exit_code == 130
    before = (tmp_path / "data/a/4.png").read_bytes()
    draw(tmp_path / "data/a/4.png", 200)
    result = type_here(tmp_path, monkeypatch, *words)
    assert result.exit_code == 1
    assert result.output.endswith(
        "Error: A data set must stay as it was when its study was created. "
        f"Received: '{tmp_path}/data/a/4.png': its contents changed. Restore it, or "
        f"create a new study on the data as it is now: hpo run --data {tmp_path}/data "
        "--study NAME.\n"
    )
    assert not list((tmp_path / "hpo_runs/work").glob("*/logs"))
    (tmp_path / "data/a/4.png").write_bytes(before)
    monkeypatch.setattr(session, "Search", _not_run)
    assert type_here(tmp_path, monkeypatch, *words).exit_code == 130


@pytest.mark.parametrize("name", ["../../x", "a/b", ".hidden", "x" * 101])
def test_study_names_that_lead_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study's name cannot lead out of the folder of studies; nothing is made."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["run", "--study", name, "--trials", "1"])
    assert result.exit_code == 1
    assert f"spaces and _ . + - only, 100 at most. Received: {name!r}." in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_preset_wants_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset is not run on the embedded digits by mistake; nothing is made."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["run", "--preset", "weather"])
    assert result.exit_code == 1
    assert "Received: --preset weather without --data. Add --data PATH" in result.output
    assert list(tmp_path.iterdir()) == []


def test_missing_data_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused study leaves no storage behind."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["run", "--data", "missing/"])
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_images_that_another_study_has_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new study of moved images says how to continue the other one, unless it was named."""
    for number in range(12):
        draw(tmp_path / f"photos/{'ab'[number % 2]}/{number}.png", 9 * number)
    (tmp_path / "s.toml").write_text('[space]\nbackbone = "cnn"\n')
    monkeypatch.setattr(launch, "run_study", _not_run)
    words = ("--config", "s.toml", "--data")
    assert "new study" not in type_here(tmp_path, monkeypatch, *words, "photos").output
    (tmp_path / "photos").rename(tmp_path / "moved")
    result = type_here(tmp_path, monkeypatch, *words, "moved")
    assert (
        f"This is a new study. The study 'photos' is of the same images, which lay in "
        f"{tmp_path}/photos. To continue that one: hpo run --study photos --data moved\n"
    ) in result.output
    for more in (("--study", "third"), ("--study", "photos"), ()):
        assert "new study" not in type_here(tmp_path, monkeypatch, *words, "moved", *more).output
