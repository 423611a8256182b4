"""Tests of ensembles of a study's trials."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import create_trial

from hpo.results.candidates import Library, fitting_temperature
from hpo.search.open_study import read_manifest
from hpo.training.checkpoint import best_path
from models.config import ModelConfig
from models.network import build_network, head_weights
from studies.metrics import METRICS
from studies.record import CONFIG_KEY, Outcome
from studies.scheduler import Keep
from tests.hpo.conftest import BASELINE, BEST, CONFIG, FinishedStudy, train_network
from tests.models.random_weights import write_weights

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LARGER_PX, LARGER = 16, 5
"""Image size and number of a further trial."""


@pytest.fixture(scope="module")
def study(finished_study: FinishedStudy, tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """The finished study with one more trial whose weights are kept, at another image size."""
    folder = tmp_path_factory.mktemp("ensemble")
    shutil.copytree(finished_study.folder / "hpo_runs", folder / "hpo_runs")
    study = FinishedStudy(folder, finished_study.images, finished_study.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPO_CACHE_DIR", str(finished_study.folder / "cache"))
        opened = study.open()
        model = CONFIG.model.model_copy(update={"image_size_px": LARGER_PX})
        config = CONFIG.model_copy(update={"model": model})
        path = best_path(opened.files.checkpoints(LARGER), 2)
        path.parent.mkdir(parents=True)
        accuracy = train_network(read_manifest(opened), model, path)
        outcome = Outcome(reason="complete", value=accuracy, best_epoch=2)
        attributes = {CONFIG_KEY: config.model_dump(mode="json"), **outcome.attributes()}
        opened.study.add_trial(create_trial(value=accuracy, user_attrs=attributes))
        opened.files.keep(Keep({BASELINE: 2, BEST: 2, LARGER: 2}, frozenset()))
    return study


@pytest.fixture(scope="module")
def report(study: FinishedStudy) -> Iterator[dict]:
    """What `hpo best --ensemble --export --test` prints."""
    result = study.type("best", "--ensemble", "--export", "all.keras", "--test", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_two_networks_become_one_file(report: dict, study: FinishedStudy) -> None:
    """Both sizes are in it, a fresh process agrees, and it is no worse than the best trial."""
    ensemble, exported = report["ensemble"], report["exported"]
    assert {tuple(member["trials"]) for member in ensemble["members"]} == {(BEST,), (LARGER,)}
    assert sum(member["share"] for member in ensemble["members"]) == pytest.approx(1)
    assert ensemble["figures"]["accuracy"] >= max(row["value"] for row in report["best"])
    assert ensemble["latency"] > 0
    assert ensemble["size"] > 0
    assert exported["difference"] < 1e-5
    assert exported["files"] > 0
    assert (study.folder / "all.keras").exists()


def test_its_test_is_recorded(report: dict, study: FinishedStudy) -> None:
    """As that of an ensemble, with the test images that it gets right."""
    look = study.open().study.user_attrs["test_looks"][0]
    assert report["test"]["trial"] is look["trial"] is None
    assert look["subject"].startswith("ensemble of trials ")
    assert look["hits"]["images"] == look["images"]
    again = study.type("best")
    assert look["subject"] in again.output


def test_people_read_what_it_is(study: FinishedStudy) -> None:
    """Its members, what it gains, what it costs, and that it was chosen."""
    output = study.type("best", "--ensemble", "2").output
    assert "\nThe ensemble:\n" in output
    assert "Members were chosen on these images, from 3 networks" in output
    assert " ms here, and the file " in output
    assert "hpo best --study colours --ensemble --export model.keras" in output


def test_predict_takes_the_file(report: dict, study: FinishedStudy) -> None:
    """An ensemble's file is used like any other."""
    result = study.type("predict", "all.keras", str(study.images / "red" / "000.png"))
    assert result.exit_code == 0, result.output
    assert "red" in result.output


def test_a_trial_with_its_temperature(study: FinishedStudy) -> None:
    """The answers stay, and a network that was always right is less sure that it will be."""
    result = study.type("best", "--temperature", "--export", "honest.keras", "--json")
    assert result.exit_code == 0, result.output
    exported = json.loads(result.output)["exported"]
    plain = json.loads(study.type("best", "--export", "plain.keras", "--json").output)["exported"]
    assert exported["temperature"] > 1
    assert exported["figures"]["accuracy"] == plain["figures"]["accuracy"]
    assert exported["figures"]["loss"] > plain["figures"]["loss"]


@pytest.mark.parametrize(
    "words", [("--ensemble", "--trial", "0"), ("--temperature",), ("--ensemble", "1")]
)
def test_what_contradicts_itself_is_refused(study: FinishedStudy, words: tuple[str, ...]) -> None:
    """Before anything is computed."""
    assert study.type("best", *words).exit_code == 2


def test_weights_that_are_gone(own_study: FinishedStudy) -> None:
    """The message says which trials' weights there are."""
    for path in (own_study.folder / "hpo_runs" / "artifacts").glob("*-0*"):
        path.unlink()
    result = own_study.type("best", "--ensemble")
    assert result.exit_code == 1
    assert "The weights of trial 2 are needed." in result.output


def test_the_temperature_never_costs_the_metric() -> None:
    """Only an AUC can fall by it; then there is none."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    logits = 3 * rng.normal(size=(60, 3)) + 2 * np.eye(3)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for metric in METRICS.values():
        before = metric.compute(shares, labels)
        degree = fitting_temperature(shares, labels, metric)
        powers = shares ** (1 / degree)
        after = metric.compute(powers / powers.sum(axis=1, keepdims=True), labels)
        assert metric.order(after) <= metric.order(before) + 1e-9
    assert fitting_temperature(shares, labels, METRICS["accuracy"]) > 1


def test_a_soup_is_the_mean_of_fine_tuned_networks(
    study: FinishedStudy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that trained two stages and one that trained all: what the first left alone counts."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    write_weights("mobilenet_0.25", 32)
    opened = study.open()
    library = Library(opened, read_manifest(opened))
    parts = []
    for number, stages in enumerate((2, 5)):
        model = ModelConfig(
            backbone="mobilenet_0.25",
            pretrained=True,
            image_size_px=32,
            classes=3,
            trainable_stages=stages,
        )
        weights = head_weights(build_network(model, seed=0))
        rng = np.random.default_rng(number)
        weights["logits/kernel"] = rng.normal(size=weights["logits/kernel"].shape)
        config = CONFIG.model_copy(update={"model": model})
        parts.append(library._candidate((number,), config, weights, METRICS["loss"]))
    soup = library._soup(parts, METRICS["loss"])
    assert soup.config.model.trainable_stages == 5
    if len(soup.trials) == 2:
        kernels = [part.weights["logits/kernel"] for part in parts]
        np.testing.assert_allclose(soup.weights["logits/kernel"], np.mean(kernels, axis=0))
    assert METRICS["loss"].compute(soup.shares, library.labels) <= min(
        METRICS["loss"].compute(part.shares, library.labels) for part in parts[:1]
    )
