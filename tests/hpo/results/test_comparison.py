"""Tests of `hpo compare` and what it prints."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from hpo.cli import main
from hpo.cli.compare import FORMS
from hpo.results.comparison import SEARCHED, compare
from hpo.results.sealed_test import LOOKS_KEY
from studies.errors import StudyError
from studies.storage import default_url, open_storage
from tests.hpo.conftest import BASELINE, BEST, FinishedStudy
from tests.hpo.hand_tuned import finish, new_study


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study: a baseline with 12 of 20 right, and the best with 17."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    opened = new_study(tmp_path)
    opened.study.ask()  # the enqueued baseline, interrupted
    finish(opened, list(range(12)), label="again by hand", batch_size=64)
    finish(opened, list(range(3, 20)))
    finish(opened, list(range(5)))
    return tmp_path


def typed(*words: str) -> Result:
    """Types `hpo compare`."""
    result = CliRunner().invoke(main, ["compare", *words], prog_name="hpo")
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.usefixtures("folder")
def test_rows_are_the_baselines_and_the_best() -> None:
    """With how far the best is ahead on the same images, and the published figures beside."""
    shown = json.loads(typed("--format", "json").output)
    interrupted, done, best, missing = shown["rows"]
    assert (interrupted["name"], interrupted["ending"]) == ("by hand", "interrupted")
    assert interrupted["published"] == {"validation": 0.9}
    assert (done["name"], done["figures"]["validation"]) == ("again by hand", 0.6)
    assert done["figures"]["train"] == pytest.approx(0.78)
    difference, low, high = done["gain"]
    assert difference == pytest.approx(0.25)
    assert low < 0.22 < high  # 8 gained, 3 lost of 20
    assert (best["name"], best["trial"], best["gain"]) == (SEARCHED, 2, None)
    assert (missing["name"], missing["trial"]) == ("frozen VGG", None)
    assert missing["published"] == {"test": 0.8, "seconds": 410}
    assert (shown["images"], shown["published_by"]) == (20, "the hand-tuners")


@pytest.mark.usefixtures("folder")
def test_the_table_says_whose_figures_are_whose() -> None:
    """Published ones have columns of their own and a note."""
    output = typed().output
    head = output.splitlines()[0]
    assert "published validation" in head
    assert "published test" in head
    assert "Published figures are those of the hand-tuners" in output
    assert "paired on the same 20 images" in output
    assert "frozen VGG" in output


@pytest.mark.usefixtures("folder")
def test_csv_holds_numbers_unrounded() -> None:
    """One line a row; what is not known stays empty."""
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(typed("--format", "csv").output))}
    assert float(rows["again by hand"]["gain"]) == pytest.approx(0.25)
    assert rows[SEARCHED]["gain"] == ""
    assert rows["frozen VGG"]["published_seconds"] == "410.0"
    assert rows["frozen VGG"]["published_by"] == "the hand-tuners"
    assert rows[SEARCHED]["published_by"] == ""


@pytest.mark.usefixtures("folder")
def test_markdown_is_a_table() -> None:
    """Every line has as many cells, and columns without anything are left out."""
    lines = typed("--format", "markdown").output.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 4
    assert len({line.count("|") for line in table}) == 1
    assert " test " not in table[0].replace("published test", "")


def test_an_exhaustive_study_shows_every_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the trials, by their backbones where they have no label."""
    monkeypatch.chdir(tmp_path)
    space = {"optimizer": "adam", "learning_rate": 0.001, "dropout": 0.0, "l2": 0.0}
    space |= {"backbone": ["cnn", "resnet_small"], "mixup_alpha": 0.0, "head_widths": "none"}
    opened = new_study(
        tmp_path,
        sampler={"name": "exhaustive"},
        space=space | {"epochs": 10, "batch_size": 64, "augmentation": "none"},
        baseline=[],
    )
    finish(opened, list(range(12)))
    finish(opened, list(range(9)), backbone="resnet_small")
    found = compare(opened)
    assert [row.name for row in found.rows[-2:]] == ["cnn", "resnet_small"]
    assert found.rows[-2].gain is None
    assert found.rows[-1].gain is not None


def test_without_a_complete_trial_it_says_so(tmp_path: Path) -> None:
    """There is nothing to compare with."""
    opened = new_study(tmp_path)
    with pytest.raises(StudyError, match="needs a complete trial"):
        compare(opened)


def test_without_kept_weights_there_is_no_test_figure(folder: Path) -> None:
    """Nor a look at the test images."""
    rows = json.loads(typed("--test", "--format", "json").output)["rows"]
    assert all("test" not in row["figures"] for row in rows)
    assert LOOKS_KEY not in new_study(folder).study.user_attrs


def test_the_lead_on_the_test_images_is_paired_too(own_study: FinishedStudy) -> None:
    """It is the difference of the test figures, with an interval, in every format."""
    shown = json.loads(own_study.type("compare", "--test", "--format", "json").output)
    baseline, best = shown["rows"]
    difference, low, high = baseline["test_gain"]
    assert difference == pytest.approx(best["figures"]["test"] - baseline["figures"]["test"])
    assert low < difference <= high
    assert best["test_gain"] is None
    shapes = {form: own_study.type("compare", "--test", "--format", form).output for form in FORMS}
    assert "best ahead in test by" in shapes["table"].splitlines()[0]
    assert f"paired on the same {shown['test_images']} images, which" in shapes["table"]
    assert "best ahead in test by" in shapes["markdown"].splitlines()[0]
    assert float(next(csv.DictReader(io.StringIO(shapes["csv"])))["test_gain_low"]) == low


def test_a_look_without_hits_is_taken_again(own_study: FinishedStudy) -> None:
    """An earlier version did not keep which images were right."""
    own_study.type("compare", "--test")
    storage = open_storage(default_url(own_study.folder / "hpo_runs"))
    study = optuna.load_study(study_name=own_study.name, storage=storage)
    looks = study.user_attrs[LOOKS_KEY]
    study.set_user_attr(LOOKS_KEY, [look | {"hits": None} for look in looks])
    rows = json.loads(own_study.type("compare", "--test", "--format", "json").output)["rows"]
    assert [row["test_gain"] is None for row in rows] == [False, True]
    assert len(json.loads(own_study.type("best", "--json").output)["earlier_tests"]) == 4


def test_a_test_is_one_look_a_trial(own_study: FinishedStudy) -> None:
    """Typed again, the command remembers what it saw."""
    words = ("compare", "--test", "--format", "json")
    rows = json.loads(own_study.type(*words).output)["rows"]
    found = {row["trial"]: row["figures"]["test"] for row in rows}
    assert found.keys() == {BASELINE, BEST}
    assert all(0 <= accuracy <= 1 for accuracy in found.values())
    assert json.loads(own_study.type(*words).output)["rows"] == rows
    looks = json.loads(own_study.type("best", "--json").output)["earlier_tests"]
    assert sorted(look["trial"] for look in looks) == [BASELINE, BEST]


def test_training_accuracy_is_that_of_unchanged_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was measured; a note says so of the others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    opened = new_study(tmp_path)
    finish(opened, list(range(12)), label="mixed", clean=0.95, batch_size=64)
    finish(opened, list(range(17)), clean=0.97)
    shown = json.loads(typed("--format", "json").output)
    figures = {row["name"]: row["figures"].get("train") for row in shown["rows"]}
    assert (figures["mixed"], figures[SEARCHED]) == (0.95, 0.97)
    assert "on augmented images" not in typed().output
    finish(opened, list(range(3)), label="older")
    assert "train is the mean over the epoch, on augmented images" in typed().output
