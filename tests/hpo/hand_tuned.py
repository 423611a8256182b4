"""A study with baselines, as a search leaves it, written without training anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FixedTrial, create_trial

from hpo.paths import Paths
from hpo.search.open_study import OpenStudy
from hpo.search.plan import Plan, make_plan
from hpo.search.prepare import prepare
from hpo.search.recorder import STATES
from studies.hits import Hits
from studies.objectives import objectives_of
from studies.record import CLEAN_ACCURACY_KEY, CONFIG_KEY, LABEL_KEY, Outcome
from studies.settings import StudySettings
from studies.space import DataFacts, Space
from studies.storage import default_url
from studies.suggest import configure, params_of, suggest

ASKED: dict[str, Any] = {
    "image_size_px": 8,
    "published_by": "the hand-tuners",
    "space": {"backbone": "cnn", "optimizer": "adam", "l2": 0.0},
    "baseline": [
        {"label": "by hand", "settings": {"batch_size": 64}, "published": {"validation": 0.9}},
        {
            "label": "frozen VGG",
            "settings": {"backbone": "vgg16"},
            "published": {"test": 0.8, "seconds": 410},
            "optional": True,
        },
    ],
}


def where(folder: Path) -> Paths:
    """Returns the paths of commands typed in a folder."""
    return Paths(default_url(folder / "hpo_runs"), folder / "hpo_runs")


def new_study(folder: Path, **asked: Any) -> OpenStudy:
    """Creates the study `hand` on the digits; the baseline `by hand` waits and nothing else."""
    settings = StudySettings.model_validate(ASKED | asked)
    labels = {baseline.label for baseline in settings.baseline}

    def planned() -> Plan:
        plan = make_plan(settings, lambda _: None)
        named = {label: params for label, params in plan.first.items() if label in labels}
        return replace(plan, first=named)

    return prepare(where(folder), "hand", ASKED | asked, planned)


def finish(
    opened: OpenStudy,
    right: list[int],
    label: str | None = None,
    clean: float | None = None,
    **settings: Any,
) -> None:
    """Adds a complete trial of three epochs that gets these of 20 validation images right.

    Its validation loss is 1.1 minus its accuracy at the best epoch, and .1 more at the last.
    """
    space = Space.model_validate(opened.record.space)
    facts = DataFacts.model_validate(opened.record.facts)
    config = configure({"backbone": "cnn", "epochs": 10, **settings}, space, facts)
    params = params_of(config, space)
    fixed = FixedTrial(dict(params))
    suggest(fixed, space, facts)
    hits = np.isin(np.arange(20), right)
    accuracy = float(hits.mean())
    figures = {"accuracy": accuracy, "loss": 1.1 - accuracy}
    value = figures[objectives_of(opened.record.settings).first.name]
    outcome = Outcome(
        reason="complete",
        value=value,
        figures=figures,
        best_epoch=2,
        history={
            "accuracy": [0.2, min(1.0, accuracy + 0.18), 1.0],
            "val_accuracy": [0.1, accuracy, accuracy - 0.05],
            "val_loss": [1.5, 1.1 - accuracy, 1.2 - accuracy],
        },
        seconds={"total": 3.0},
        hits=Hits.of(hits),
        facts={"parameters": 1000} | ({} if clean is None else {CLEAN_ACCURACY_KEY: clean}),
    )
    opened.study.add_trial(
        create_trial(
            state=STATES[outcome.reason],
            value=value,
            params=params,
            distributions=fixed.distributions,
            user_attrs={
                CONFIG_KEY: config.model_dump(mode="json"),
                **({LABEL_KEY: label} if label else {}),
                **outcome.attributes(),
            },
        )
    )
