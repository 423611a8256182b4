"""What is kept with studies and trials."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from models.config import ModelConfig
from studies.errors import StudyError
from studies.record import (
    CONFIG_KEY,
    FORMAT,
    STUDY_KEY,
    Outcome,
    StudyRecord,
    read_config,
    read_outcome,
    read_study,
)
from studies.trial_config import TrialConfig

CONFIG = TrialConfig(model=ModelConfig(backbone="cnn", image_size_px=8, classes=2))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
CURVES = st.integers(0, 4).flatmap(
    lambda epochs: st.fixed_dictionaries(
        {name: st.lists(FINITE, min_size=epochs, max_size=epochs) for name in ("loss", "val_loss")}
    )
)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Any outcome of a complete trial."""
    history = draw(CURVES)
    epochs = len(history["loss"])
    return Outcome(
        reason=draw(st.sampled_from(["complete", "stopped early"])),
        value=draw(FINITE),
        best_epoch=draw(st.integers(1, epochs)) if epochs else None,
        history=history,
        seconds={"total": draw(st.integers(0, 10**6)) / 1000},
        message=draw(st.none() | st.text(min_size=1)),
    )


@given(outcomes())
def test_outcome_round_trip(outcome: Outcome) -> None:
    """A finished trial tells how it ended."""
    trial = create_trial(value=outcome.value, user_attrs=outcome.attributes())
    assert read_outcome(trial) == outcome


def test_attributes_name_best_and_last() -> None:
    """Each metric is recorded at the best epoch and at the last, times per epoch."""
    outcome = Outcome(
        reason="pruned",
        best_epoch=2,
        history={"val_accuracy": [0.1, 0.9, 0.8], "loss": [3.0, 2.0, 1.0]},
        seconds={"total": 6.0, "training": 5.0},
        facts={"parameters": 7},
    )
    assert outcome.attributes() == {
        "reason": "pruned",
        "epochs_done": 3,
        "best_epoch": 2,
        "seconds": 6.0,
        "seconds_per_epoch": 2.0,
        "parameters": 7,
        "best_val_accuracy": 0.9,
        "last_val_accuracy": 0.8,
        "best_loss": 2.0,
        "last_loss": 1.0,
        "timing": {"total": 6.0, "training": 5.0},
        "history": {"val_accuracy": [0.1, 0.9, 0.8], "loss": [3.0, 2.0, 1.0]},
    }


def test_a_pruned_trial_has_no_value() -> None:
    """What Optuna keeps as a pruned trial's value is its last report, which is no result."""
    trial = create_trial(
        state=TrialState.PRUNED, value=0.5, user_attrs=Outcome(reason="pruned").attributes()
    )
    outcome = read_outcome(trial)
    assert outcome is not None
    assert outcome.value is None


def test_other_programs_trials() -> None:
    """A trial without our record has no outcome, and asking for its settings is an error."""
    trial = create_trial(value=1.0, user_attrs={"colour": "red"})
    assert read_outcome(trial) is None
    with pytest.raises(StudyError) as caught:
        read_config(trial)
    assert str(caught.value) == (
        "Trial -1 holds no settings of this program. Received: a trial with ['colour']. "
        "Use a study created by `hpo run`."
    )


def test_config_round_trip() -> None:
    """A trial's settings come back as they were."""
    trial = create_trial(value=1.0, user_attrs={CONFIG_KEY: CONFIG.model_dump(mode="json")})
    assert read_config(trial) == CONFIG


def test_study_round_trip() -> None:
    """A study tells what it was created with; one without a record, or a later one, is refused."""
    study = optuna.create_study(study_name="photos")
    with pytest.raises(StudyError, match=r"^The study 'photos' was not created by `hpo run`\."):
        read_study(study)
    record = StudyRecord(
        settings={"seed": 1},
        space={},
        facts={},
        manifest_digest="d",
        manifest_artifact="a",
        unavailable={"vgg16": "no network"},
    )
    record.save(study)
    assert read_study(study) == record
    study.set_user_attr(STUDY_KEY, record.model_dump() | {"format": FORMAT + 1})
    with pytest.raises(StudyError, match=r"created by a later version of hpo\. Received: format 3"):
        read_study(study)
    study.set_user_attr(STUDY_KEY, record.model_dump() | {"format": FORMAT - 1})
    with pytest.raises(StudyError, match=r"an earlier version of hpo\. Received: format 1"):
        read_study(study)
