"""Creating a study: whole or typed again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpo.paths import Paths
from hpo.search.files import Files
from hpo.search.plan import make_plan
from hpo.search.prepare import prepare
from studies.errors import StudyError
from studies.record import LABEL_KEY, StudyRecord, read_study
from studies.settings import StudySettings
from studies.storage import default_url, open_storage

ASKED: dict[str, Any] = {"data": "digits", "space": {"backbone": "cnn"}}


class Killed(BaseException):
    """The process ends here."""


def die(*_: Any, **__: Any) -> None:
    """Stands for a kill."""
    raise Killed


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    """An empty folder."""
    return Paths(default_url(tmp_path / "hpo_runs"), tmp_path / "hpo_runs")


def make(where: Paths, **asked: Any) -> optuna.Study:
    """Creates or opens the study."""
    asked = ASKED | asked
    planned = partial(make_plan, StudySettings.model_validate(asked), print)
    return prepare(where, "s", asked, planned).study


@pytest.mark.parametrize(
    ("owner", "step"),
    [(optuna.Study, "enqueue_trial"), (Files, "write_manifest"), (StudyRecord, "save")],
)
def test_killed_while_it_is_created(
    where: Paths, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    """Typed again, even with another objective and baseline, the study is as if never begun."""
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(Killed):
            make(where)
    mine = {"label": "mine", "settings": {"backbone": "cnn", "dropout": 0.1}}
    study = make(where, metric="loss", baseline=[mine])
    assert study.direction.name == "MINIMIZE"
    assert [trial.user_attrs[LABEL_KEY] for trial in study.trials] == ["mine", "default"]
    assert read_study(study).settings["metric"] == "loss"


def test_typed_twice(where: Paths) -> None:
    """The second time the study is opened as it is, the baseline not enqueued again."""
    first, second = make(where), make(where)
    assert first._study_id == second._study_id
    assert len(second.trials) == 1


def test_says_what_differs(where: Paths) -> None:
    """A study that was created otherwise is not touched."""
    make(where)
    with pytest.raises(StudyError) as caught:
        make(where, seed=1)
    assert str(caught.value) == (
        "The study 's' exists and was created otherwise. Received: seed: the study was created "
        "with 0, now asked for: 1. Drop the option to continue it, or begin another with "
        "--study NAME."
    )


def test_anothers_study_is_left_alone(where: Paths) -> None:
    """A study with trials of another program is refused and stays."""
    other = optuna.create_study(study_name="s", storage=open_storage(where.storage))
    other.tell(other.ask(), 1.0)
    with pytest.raises(StudyError, match=r"^The study 's' was not created by `hpo run`\."):
        make(where)
    assert len(other.trials) == 1
