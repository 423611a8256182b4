"""Tests of `studies.settings`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from studies.errors import StudyError
from studies.metrics import METRICS
from studies.pruners import NoPruner, Percentile
from studies.samplers import TPE, Random
from studies.settings import CHANGEABLE, StudySettings, differences, merge, seconds
from studies.toml_files import make_settings

URL = "postgresql://me:secret@host/studies"


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("90s", 90),
        ("15m", 900),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d 6h", 108_000),
        ("90", 90),
        ("0.5", 0.5),
    ],
)
def test_durations(text: str, expected_s: float) -> None:
    """A text with units becomes seconds."""
    assert seconds(text) == expected_s
    assert StudySettings.model_validate({"timeout_s": text}).timeout_s == expected_s


@pytest.mark.parametrize("text", ["", "2 3", "2 hours", "h", "-1h", "1h and 2m"])
def test_wrong_durations(text: str) -> None:
    """Anything else is refused with examples."""
    with pytest.raises(ValidationError, match="such as '90s', '15m' or '1h30m'"):
        StudySettings.model_validate({"timeout_s": text})


def test_json_round_trip() -> None:
    """What a study stores gives the same settings."""
    settings = StudySettings.model_validate(
        {
            "sampler": {"name": "tpe", "n_startup_trials": 3},
            "pruner": "none",
            "space": {"dropout": {"low": 0.1, "high": 0.5}, "batch_size": [8, 16]},
            "baseline": [{"label": "a", "settings": {"dropout": 0.5}, "published": {"test": 0.8}}],
        }
    )
    assert settings.sampler == TPE(n_startup_trials=3)
    assert settings.pruner == NoPruner()
    assert StudySettings.model_validate_json(settings.model_dump_json()) == settings
    assert StudySettings.model_validate(settings.model_dump(mode="json")) == settings


def test_the_storage_is_never_stored() -> None:
    """A database URL may hold a password: it is in no dump and no representation."""
    settings = StudySettings(storage=URL)
    assert settings.storage == URL
    assert "secret" not in settings.model_dump_json() + repr(settings) + str(settings)


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_those_of_the_table(name: str) -> None:
    """Every row can be searched for."""
    assert make_settings({"metric": name}).metric == name


def test_another_metric_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(StudyError) as caught:
        make_settings({"metric": "acuracy"})
    assert str(caught.value) == (
        "metric must be one of accuracy, macro_f1, balanced_accuracy, auc, loss. "
        "Received: 'acuracy'."
    )


def test_later_layers_win() -> None:
    """The user's file changes a preset, the command line changes both; [space] entry by entry."""
    preset = {
        "trials": 30,
        "data": "a",
        "space": {"dropout": 0.1, "epochs": 5},
        "sampler": "random",
    }
    file = {"data": "b", "space": {"dropout": 0.2}, "sampler": {"name": "tpe"}}
    assert merge(preset, file, {"trials": 3}) == {
        "trials": 3,
        "data": "b",
        "space": {"dropout": 0.2, "epochs": 5},
        "sampler": {"name": "tpe"},
    }
    assert preset["space"] == {"dropout": 0.1, "epochs": 5}


def test_two_baselines_of_one_name_are_refused() -> None:
    """Listings tell them apart by their label."""
    twice = [{"label": "a", "settings": {}}, {"label": "a", "settings": {}}]
    with pytest.raises(ValidationError, match=r"Received twice: \['a'\]"):
        StudySettings.model_validate({"baseline": twice})


CREATED = StudySettings.model_validate(
    {"data": "photos", "trials": 50, "space": {"dropout": 0.1, "epochs": [5, 10]}, "seed": 3}
)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"trials": 80, "timeout_s": "2h", "workers": 4, "device": "gpu", "storage": URL},
        {"data": "photos", "space": {"dropout": 0.1}, "sampler": "tpe"},
        {"space": {"epochs": [5, 10]}, "pruner": {"name": "percentile"}},
    ],
)
def test_what_may_change_or_does_not(asked: dict[str, Any]) -> None:
    """How long and where it runs may change; the same said again is no contradiction."""
    assert differences(CREATED, asked) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"data": "other"}, ["data: ", "created with photos", "now other"]),
        ({"seed": 0}, ["seed", "3", "0"]),
        ({"sampler": "random"}, ["sampler", "name = tpe, n_startup_trials = 10", "name = random"]),
        ({"metric": "loss"}, ["metric", "accuracy", "loss"]),
        ({"image_size_px": 64}, ["image_size_px", "None", "64"]),
        ({"space": {"dropout": 0.2}}, ["space.dropout", "0.1", "0.2"]),
        ({"space": {"l2": 0.2}}, ["space.l2", "the default", "0.2"]),
        ({"baseline": [{"label": "x", "settings": {}}]}, ["baseline", "none", "label = x"]),
    ],
)
def test_contradictions_name_both_values(asked: dict[str, Any], words: list[str]) -> None:
    """What the study is made of may not change; the message says what it was and is now."""
    (message,) = differences(CREATED, asked)
    for word in words:
        assert word in message


def test_changeable_settings_exist() -> None:
    """A renamed setting does not silently become unchangeable."""
    assert StudySettings.model_fields.keys() >= CHANGEABLE


def test_defaults_come_from_the_rows() -> None:
    """Sampler and pruner default to their first row's options."""
    settings = StudySettings()
    assert settings.sampler == TPE()
    assert settings.pruner == Percentile()
    assert StudySettings.model_validate({"sampler": "random"}).sampler == Random()
    fewer = StudySettings.model_validate({"sampler": {"n_startup_trials": 3}})
    assert fewer.sampler == TPE(n_startup_trials=3)


def test_patience_needs_a_share() -> None:
    """The error of a cross-entropy cannot be told from its value."""
    assert StudySettings(patience="auto").patience == "auto"
    with pytest.raises(ValidationError, match="needs a metric that is a share of the images"):
        StudySettings(patience="auto", metric="loss")
