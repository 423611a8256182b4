"""Networks of the user's own through the commands: searched, continued, exported, refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpo.report.chapters.again import settings_file
from studies.record import read_study
from tests.hpo.conftest import FinishedStudy
from tests.hpo.running import study_of, table, type_run

NETWORKS = """
import keras
from hpo import Choice, network
from keras import layers

class Scale(layers.Layer):
    def __init__(self, times=2.0, **more):
        super().__init__(**more)
        self.times = times

    def call(self, x):
        return x * self.times

    def get_config(self):
        return super().get_config() | {"times": self.times}

@network(filters=Choice(4, 8))
def scaled(images, *, filters):
    x = Scale()(layers.Conv2D(filters, 3, activation="relu")(images))
    return layers.BatchNormalization()(x)

@network(output="softmax")
def whole(images, classes):
    return layers.Dense(classes, activation="softmax")(layers.Flatten()(images))
"""
SETTINGS = """
networks = "my_networks.py"
sampler = "random"
trials = 3
[space]
backbone = ["scaled", "whole"]
scaled.filters = 8
epochs = 1
batch_size = 128
head_widths = "none"
augmentation = "none"
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedStudy]:
    """A folder in which two networks of a file were searched; the file is gone."""
    folder = tmp_path_factory.mktemp("own-networks")
    (folder / "my_networks.py").write_text(NETWORKS)
    (folder / "s.toml").write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPO_CACHE_DIR", str(folder / "cache"))
        patch.setenv("HPO_CONFIG_DIR", str(folder / "config"))
        patch.delenv("HPO_STORAGE", raising=False)
        run = type_run(folder, "--config", "s.toml")
        assert run.process.returncode == 0, run.output
        (folder / "my_networks.py").unlink()
        yield FinishedStudy(folder, folder, "digits")


@pytest.fixture
def own(searched: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FinishedStudy:
    """A copy of that folder."""
    shutil.copytree(searched.folder, tmp_path / "own")
    return FinishedStudy(tmp_path / "own", tmp_path, "digits")


def test_they_are_searched_with_their_settings(searched: FinishedStudy) -> None:
    """Each is trained, and a trial keeps what it was."""
    rows = table(searched.folder)
    networks = [row["config"]["model"] for row in rows]
    assert {model["backbone"] for model in networks} == {"scaled", "whole"}
    settings = {model["backbone"]: model["own"]["settings"] for model in networks}
    assert settings == {"scaled": {"filters": 8}, "whole": {}}
    assert all(row["state"] in ("COMPLETE", "PRUNED") for row in rows)
    assert all(row["best_val_accuracy"] > 0.05 for row in rows)


def test_the_code_can_be_read(searched: FinishedStudy) -> None:
    """The study has the text, where the file is no more."""
    result = searched.type("networks", "--study", "digits")
    assert result.exit_code == 0
    assert NETWORKS.strip() in result.output


def test_a_report_names_their_settings(searched: FinishedStudy) -> None:
    """What a report says to type again, is read as it was."""
    text = settings_file(read_study(study_of(searched.folder)).read_settings())
    assert tomllib.loads(text)["space"]["scaled.filters"] == 8


def test_a_changed_file_is_shown(own: FinishedStudy) -> None:
    """The study would go on with other networks than it began with."""
    (own.folder / "my_networks.py").write_text(NETWORKS.replace("times=2.0", "times=3.0"))
    result = own.type("run", "--config", "s.toml")
    assert result.exit_code == 1
    assert "-    def __init__(self, times=2.0, **more):" in result.output
    assert "+    def __init__(self, times=3.0, **more):" in result.output


@pytest.mark.parametrize("command", [("best", "--test"), ("run", "--trials", "9"), ("worker",)])
def test_code_from_elsewhere_is_not_run(
    command: tuple[str, ...], own: FinishedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user has not named it."""
    monkeypatch.setenv("HPO_CONFIG_DIR", str(own.folder / "somebody"))
    words = (*command, "--study", "digits")
    result = own.type(*words, *(["--trial", _number(own, "scaled")] if "--test" in words else []))
    assert result.exit_code == 1, result.output
    assert "carries Python code" in result.output
    assert "--trust" in result.output


def _number(study: FinishedStudy, backbone: str) -> str:
    trials = study_of(study.folder).get_trials(deepcopy=False)
    return next(
        str(trial.number)
        for trial in trials
        if trial.user_attrs["config"]["model"]["backbone"] == backbone and trial.value is not None
    )


PLAIN = """
import sys
sys.modules["hpo"] = None
import model_layers
import keras, numpy as np
model = keras.saving.load_model("model.keras")
print(round(float(model.predict(np.zeros((1, 9, 12, 3)), verbose=0).sum()), 3))
"""


@pytest.mark.slow
def test_it_is_exported_continued_and_used_without_the_file(own: FinishedStudy) -> None:
    """With its layers in a file beside it, which plain Keras needs and nothing else."""
    number = _number(own, "scaled")
    result = own.type("best", "--export", "model.keras", "--trial", number)
    assert result.exit_code == 0, result.output
    assert "model_layers.py" in result.output
    alone = own.folder / "alone"
    alone.mkdir()
    for name in ("model.keras", "model_layers.py"):
        shutil.copy(own.folder / name, alone)
    run = subprocess.run(
        [sys.executable, "-c", PLAIN], cwd=alone, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip().endswith("1.0"), run.stderr
    result = own.type("predict", "model.keras", str(Path(__file__).parents[3] / "docs"))
    assert "probability" in result.output, result.output
    whole = own.type("best", "--export", "whole.keras", "--trial", _number(own, "whole"), "--test")
    assert whole.exit_code == 0, whole.output
    assert not (own.folder / "whole_layers.py").exists()
    again = type_run(own.folder, "--config", "s.toml", "--trials", "4")
    assert again.process.returncode == 0, again.output
    assert again.count("trial 3") > 0


@pytest.mark.slow
def test_a_new_study_takes_along_what_is_the_same(own: FinishedStudy) -> None:
    """Under the same text trials are the same; under another they are not."""
    words = ("--study", "wider", "--from", "digits", "--config", "s.toml", "--trials", "4")
    run = type_run(own.folder, *words)
    assert run.process.returncode == 0, run.output
    assert run.count(r"Took over 3 of the 3") == 1
    (own.folder / "my_networks.py").write_text(NETWORKS.replace("times=2.0", "times=3.0"))
    run = type_run(own.folder, "--study", "other", *words[2:])
    assert run.process.returncode == 0, run.output
    assert run.count(r"Took over 0 of the 3") == 1
