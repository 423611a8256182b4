"""Whether two ways to train the same settings score the same, within noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpo.training.device import Device
from hpo.training.inputs import TrialData
from hpo.training.programs import Programs
from hpo.training.trial import run_trial
from studies.trial_config import TrialConfig
from tests.hpo.training.data import FakeLink, make_job

SEEDS = (0, 1, 2)


def accuracy(config: TrialConfig, data: TrialData, folder: Path, seed: int) -> float:
    """Returns the validation accuracy of a trial in float32."""
    job = make_job(config, folder / str(seed)).model_copy(update={"seed": seed})
    programs = Programs(Device("CPU", False, "float32", False))
    outcome = run_trial(job, data, programs, FakeLink()).outcome
    assert outcome is not None
    assert outcome.reason == "complete", outcome.message
    assert outcome.value is not None
    return outcome.value


def assert_agree(first: Sequence[float], second: Sequence[float], *, images: int) -> None:
    """Checks that the means agree within three standard errors of their difference.

    The error is estimated from the seeds' own spread, but not below one of the validation images:
    three seeds can agree by chance.
    """
    spread = (np.var(first, ddof=1) + np.var(second, ddof=1)) / len(SEEDS)
    error = max(math.sqrt(spread), 1 / images)
    assert abs(np.mean(first) - np.mean(second)) < 3 * error
