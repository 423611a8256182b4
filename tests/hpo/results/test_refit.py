"""Tests of training the best trial anew on more images."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from data_pipeline.cache import Cache
from hpo.results.refit import refit_trial
from hpo.search.open_study import read_manifest
from hpo.training.refit import all_images
from studies.errors import StudyError
from studies.record import read_config
from tests.hpo.conftest import BEST, IMAGE_SIZE_PX, FinishedStudy

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def study(finished_study: FinishedStudy, tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """A copy of the finished study."""
    folder = tmp_path_factory.mktemp("refit")
    shutil.copytree(finished_study.folder / "hpo_runs", folder / "hpo_runs")
    return FinishedStudy(folder, finished_study.images, finished_study.name)


@pytest.fixture(scope="module")
def report(study: FinishedStudy) -> dict[str, Any]:
    """What `hpo best --refit --export --test` prints."""
    result = study.type("best", "--refit", "--export", "more.keras", "--test", "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_validation_images_are_trained_on(study: FinishedStudy) -> None:
    """They are among the training images, and what asks for validation images gets the old ones."""
    manifest = read_manifest(study.open())
    counts = {
        part: sum(i.split == part for i in manifest.items) for part in ("train", "validation")
    }
    data = all_images(manifest, Cache())
    assert data.train_images == sum(counts.values())
    assert len(data.split("validation", IMAGE_SIZE_PX)) == counts["validation"]
    assert data.manifest.digest != manifest.digest


def test_the_file_is_the_refitted_model(report: dict[str, Any], study: FinishedStudy) -> None:
    """No figure is claimed for it, but it was saved as it was."""
    exported = report["exported"]
    assert report["refitted"]["trial"] == BEST
    assert report["refitted"]["epochs"] == 2
    assert exported["figures"] == {}
    assert exported["difference"] < 1e-5
    assert exported["agreeing"] + exported["contradicting"] > 0
    assert (study.folder / "more.keras").exists()


def test_its_test_is_not_that_of_the_trial(report: dict[str, Any], study: FinishedStudy) -> None:
    """A comparison must not take the one for the other."""
    look = study.open().study.user_attrs["test_looks"][0]
    assert (look["trial"], look["subject"]) == (None, "trial 2, refitted")
    assert report["test"]["figures"] == look["figures"]


def test_people_read_whose_figure_it_is(study: FinishedStudy) -> None:
    """The validation figure is that of the trial as it was."""
    output = study.type("best", "--refit", "--test").output
    assert "Trial 2 was refitted" in output
    assert "is that of the trial as it was." in output
    assert "Trial 2, refitted on the 13 sealed test images:" in output


def test_the_same_again(study: FinishedStudy) -> None:
    """A refitted trial depends on the trial and the images alone."""
    here = study.open()
    trial = here.study.trials[BEST]
    first, second = (refit_trial(here, trial, read_manifest(here)) for _ in range(2))
    assert first.epochs < read_config(trial).training.epochs
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_trial_without_a_curve(study: FinishedStudy) -> None:
    """Nothing tells how long it was trained."""
    here = study.open()
    trial = here.study.trials[BEST]
    trial.user_attrs.pop("history")
    with pytest.raises(StudyError, match="trial 2, whose epochs are not known"):
        refit_trial(here, trial, read_manifest(here))


@pytest.mark.parametrize("words", [("--refit",), ("--refit", "--test", "--ensemble")])
def test_what_makes_no_sense_is_refused(study: FinishedStudy, words: tuple[str, ...]) -> None:
    """Before anything is trained."""
    assert study.type("best", *words).exit_code == 2
