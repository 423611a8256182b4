"""Tests of `hpo.search.prepare` and `hpo.search.plan`: what is refused leaves nothing behind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpo.search import plan, weights
from hpo.search.open_study import names
from hpo.search.prepare import prepare
from studies.errors import StudyError
from studies.record import LABEL_KEY, STUDY_KEY
from studies.settings import StudySettings
from studies.storage import open_storage
from tests.hpo.hand_tuned import ASKED, new_study, where


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"space": {"backbone": "cnn", "output": "sigmoid"}}, ["two classes", "10 classes"]),
        ({"space": {"backbone": "weather_2"}}, ["weather_2 needs", "96 px", "8 px"]),
        (
            {"baseline": [{"label": "wild", "settings": {"dropout": 0.9}}]},
            ["'wild'", "dropout", "0.9", "0 to 0.6"],
        ),
        (
            {"baseline": [{"label": "VGG", "settings": {"backbone": "vgg16"}}]},
            ["'VGG'", "vgg16", "cnn"],
        ),
        ({"sampler": {"name": "exhaustive"}}, ["exhaustive", "dropout = 0 to 0.6"]),
    ],
)
def test_what_does_not_fit_creates_no_study(
    tmp_path: Path, asked: dict[str, Any], words: list[str]
) -> None:
    """The message names both sides; the same name is still free."""
    with pytest.raises(StudyError) as error:
        new_study(tmp_path, **asked)
    for word in words:
        assert word in str(error.value)
    assert names(open_storage(where(tmp_path).storage)) == []


def test_missing_weights_refuse_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backbone, baseline and the reason are named before a study exists."""
    monkeypatch.setattr(plan, "unavailable", lambda names, catalogue: {"vgg16": "no network"})
    space = {"backbone": ["cnn", "vgg16"]}
    baseline = [{"label": "VGG", "settings": {"backbone": "vgg16"}}]
    with pytest.raises(StudyError, match=r"'VGG'.*vgg16.*\(no network\)"):
        new_study(tmp_path, space=space, baseline=baseline, image_size_px=32)
    assert names(open_storage(where(tmp_path).storage)) == []


@pytest.mark.parametrize(
    ("size_px", "space", "expected"),
    [
        (64, {}, {"mobilenet_1.0", "resnet50_v2"}),
        (28, {}, set()),
        (64, {"pretrained": False}, set()),
        (64, {"backbone": ["cnn", "vgg16"]}, {"vgg16"}),
        (32, {"backbone": ["cnn", "vgg16"]}, {"vgg16"}),
        (64, {"backbone": ["cnn", "vgg16"], "pretrained": False}, set()),
        (64, {"backbone": "cnn"}, set()),
    ],
)
def test_only_weights_that_will_be_used_are_downloaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size_px: int,
    space: dict[str, Any],
    expected: set[str],
) -> None:
    """Two backbones at most unless more are named, and none where none is worth it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    missing: list[str] = []

    def download(names: Sequence[str]) -> dict[str, str]:
        missing.extend(names)
        return dict.fromkeys(names, "No network.")

    monkeypatch.setattr(weights, "_download", download)
    said: list[str] = []
    monkeypatch.setattr(plan, "native_size_px", lambda _: size_px)
    settings = StudySettings(data="digits", space=space)
    planned = plan.make_plan(settings, said.append)
    assert set(missing) == expected
    assert set(planned.unavailable) == expected
    assert sum("Left out" in line for line in said) == bool(expected)
    assert not expected & set(planned.space.values("backbone"))


def test_sizes_fit_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of every size that is searched by default can be kept together."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "_download", lambda names: dict.fromkeys(names, "No network."))
    monkeypatch.setattr(plan, "native_size_px", lambda _: 500)
    settings = StudySettings(data="digits")
    free = plan.make_plan(settings, lambda _: None)
    assert free.facts.most_px > max(free.space.values("image_size_px")) == 384
    monkeypatch.setenv("HPO_CACHE_LIMIT", "1GB")
    planned = plan.make_plan(settings, lambda _: None)
    sizes_px = planned.space.values("image_size_px")
    images = len(planned.manifest.items)
    assert max(sizes_px) == 224
    assert sum(3 * size_px**2 * images for size_px in sizes_px) <= 1e9


def test_baselines_come_first_and_are_marked(tmp_path: Path) -> None:
    """What cannot be trained here is said, and left out."""
    said: list[str] = []
    settings = StudySettings.model_validate(ASKED)
    planned = partial(plan.make_plan, settings, said.append)
    opened = prepare(where(tmp_path), "hand", ASKED, planned)
    labels = [trial.user_attrs[LABEL_KEY] for trial in opened.study.trials]
    assert labels == ["by hand"]
    assert opened.study.trials[0].system_attrs["fixed_params"]["batch_size"] == 64
    assert any("Left out" in line and "'frozen VGG'" in line for line in said)


def test_a_half_created_study_is_completed(tmp_path: Path) -> None:
    """A kill between its baselines and its record leaves no second set of baselines."""
    storage = open_storage(where(tmp_path).storage)
    half = optuna.create_study(study_name="hand", storage=storage, direction="maximize")
    half.enqueue_trial({"batch_size": 64}, user_attrs={LABEL_KEY: "by hand"})
    again = new_study(tmp_path)
    assert len(again.study.trials) == 1
    assert STUDY_KEY in again.study.user_attrs


def test_a_foreign_study_is_left_alone(tmp_path: Path) -> None:
    """Its trials are not this program's."""
    storage = open_storage(where(tmp_path).storage)
    foreign = optuna.create_study(study_name="hand", storage=storage, direction="maximize")
    foreign.enqueue_trial({"x": 1})
    with pytest.raises(StudyError, match="'hand', to which another program has added trials"):
        new_study(tmp_path)
