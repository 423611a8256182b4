"""What a study knows, as data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hpo.results.trial_rows import TrialRow, read_trials
from hpo.search.open_study import OpenStudy
from studies.metrics import METRICS
from studies.objectives import objectives_of
from studies.record import CONFIG_KEY
from studies.space import Space
from studies.suggest import values_of
from studies.trial_config import TrialConfig

if TYPE_CHECKING:
    from hpo.results.sealed_test import Look

ALWAYS = ("label", "state", "value", "best_epoch", "epochs_done", "seconds", "parameters")


def trials_frame(opened: OpenStudy) -> pd.DataFrame:
    """Returns all trials; see `hpo.Study.trials`."""
    metric = objectives_of(opened.record.settings).first
    rows = read_trials(opened.storage, opened.study, [f"best_val_{name}" for name in METRICS])
    space = opened.record.read_space()
    records = [
        {
            "label": row.title,
            "state": row.ending,
            "value": row.best_so_far(metric),
            "best_epoch": row.best_epoch(metric),
            "epochs_done": row.epochs_done,
            "seconds": row.attributes.get("seconds"),
            "parameters": row.attributes.get("parameters"),
            **figures_of(row),
            **settings_of(row, space),
        }
        for row in rows
    ]
    names = list(dict.fromkeys([*ALWAYS, *(name for record in records for name in record)]))
    index = pd.Index([row.number for row in rows], name="trial")
    return pd.DataFrame(records, index=index, columns=names)


def figures_of(row: TrialRow) -> dict[str, float]:
    """Returns metric name to value, on the validation images."""
    found = {name: row.figure(metric) for name, metric in METRICS.items()}
    return {name: value for name, value in found.items() if value is not None}


def settings_of(row: TrialRow, space: Space) -> dict[str, Any]:
    """Returns a trial's settings under their names in the space; none before it began."""
    stored = row.attributes.get(CONFIG_KEY)
    return dict(values_of(TrialConfig.model_validate(stored), space)) if stored else {}


def look_frame(look: Look, used_before: int) -> pd.DataFrame:
    """Returns the figures on the test images; see `hpo.Trial.test`."""
    ends = {name: look.intervals.get(name, (None, None)) for name in look.figures}
    frame = pd.DataFrame(
        {
            "value": look.figures,
            "low": {name: low for name, (low, _) in ends.items()},
            "high": {name: high for name, (_, high) in ends.items()},
        },
        dtype="float64",
    )
    frame.index.name = "metric"
    frame.attrs = {"images": look.images, "used_before": used_before}
    return frame
