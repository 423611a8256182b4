"""Creates a study from what a user asked for, or opens the one that is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna

from data_pipeline.datasets import DATASETS
from data_pipeline.manifest import Manifest, create_manifest
from hpo.paths import Paths
from hpo.search.artifacts import Artifacts
from hpo.search.image_size import suitable_image_size
from hpo.search.open_study import OpenStudy
from hpo.search.weights import unavailable
from models.backbones import BACKBONES
from studies.errors import StudyError
from studies.metrics import METRICS
from studies.parameters import PRETRAINED_BACKBONES
from studies.record import LABEL_KEY, STUDY_KEY, StudyRecord, read_study
from studies.settings import StudySettings, differences
from studies.space import DataFacts, Space, default_space, fit
from studies.storage import open_storage
from studies.suggest import configure, default_trial, params_of

DEFAULT_LABEL = "default"
"""Label of the hand-chosen settings that come first where the user names no baseline."""
PACKAGES = ("hpo", "keras", "optuna", "tensorflow", "numpy", "pillow")

Say = Callable[[str], None]


def study_name(data: str) -> str:
    """Returns the name of the study of a data set, where the user gives none."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).resolve().name if "/" in data else data)
    return slug.strip("-.") or "study"


def prepare(
    paths: Paths, name: str, settings: StudySettings, asked: Mapping[str, Any], say: Say
) -> OpenStudy:
    """Opens the study `name` where it exists, else creates it.

    Args:
        paths: Where studies live.
        name: The study's name.
        settings: All settings, defaults included.
        asked: Only those the user wrote.
        say: Tells the user what is found.

    Raises:
        StudyError: The study exists and was created with something else; says what differs.
        DataError: The data set cannot be trained on.
    """
    storage = open_storage(paths.storage)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        direction=METRICS[settings.metric].direction,
    )
    artifacts = Artifacts(study, storage, paths.artifacts)
    if STUDY_KEY in study.user_attrs:
        record = read_study(study)
        _refuse_differences(name, record, asked)
    else:
        record = _create(study, artifacts, settings, say)
    return OpenStudy(study, record, storage, artifacts, paths.study(name))


def _refuse_differences(name: str, record: StudyRecord, asked: Mapping[str, Any]) -> None:
    created = StudySettings.model_validate(record.settings)
    asked = dict(asked)
    if "data" in asked and _source(asked["data"]) == _source(created.data):
        del asked["data"]  # the same folder in other words
    if found := differences(created, asked):
        raise StudyError(
            f"The study {name!r} exists and was created otherwise. "
            f"Received: {' '.join(found)} Drop the option to continue it, or begin another with "
            "--study NAME."
        )


def _source(data: str) -> str:
    return data if data in DATASETS else str(Path(data).resolve())


def _create(
    study: optuna.Study, artifacts: Artifacts, settings: StudySettings, say: Say
) -> StudyRecord:
    """Fixes everything the study is searched with; its record is written last."""
    if study.get_trials(deepcopy=False) and LABEL_KEY not in study.trials[0].user_attrs:
        raise StudyError(
            f"The study {study.study_name!r} was not created by `hpo run`. "
            "Received: a study with trials. Choose another --study name."
        )
    manifest = _manifest(settings, say)
    size_px = settings.image_size_px or suitable_image_size(manifest)
    facts = DataFacts(
        classes=len(manifest.classes),
        image_size_px=size_px,
        train_images=sum(item.split == "train" for item in manifest.items),
        mirror_safe=manifest.kind == "folder" or DATASETS[manifest.source].mirror_safe,
    )
    space, left_out = _space(settings, facts, say)
    _enqueue(study, settings, space, facts)
    record = StudyRecord(
        settings=settings.model_copy(
            update={"image_size_px": size_px, "data": manifest.source}
        ).model_dump(mode="json"),
        space=space.model_dump(mode="json"),
        facts=facts.model_dump(),
        manifest_digest=manifest.digest,
        manifest_artifact=artifacts.add_text("manifest.json", manifest.model_dump_json()),
        unavailable=left_out,
        versions={package: version(package) for package in PACKAGES},
    )
    record.save(study)
    return record


def _manifest(settings: StudySettings, say: Say) -> Manifest:
    manifest, audit = create_manifest(
        settings.data,
        seed=settings.seed,
        validation=settings.validation_fraction,
        test=settings.test_fraction,
        class_pattern=settings.class_pattern,
    )
    audit.require_sound()
    for finding in audit.findings:
        if finding.severity == "warning":
            say(f"{finding.message} ({finding.count})")
    return manifest


def _space(settings: StudySettings, facts: DataFacts, say: Say) -> tuple[Space, dict[str, str]]:
    """Returns the space without the backbones that cannot be had here, and those."""
    wanted = _named(settings) or list(PRETRAINED_BACKBONES)
    left_out = unavailable(wanted, facts.image_size_px)
    for name, reason in left_out.items():
        say(f"Backbone {name} is left out: {reason}")
    usable = [
        name
        for name, row in BACKBONES.items()
        if row.family == "scratch" or (name in wanted and name not in left_out)
    ]
    space = default_space(facts, usable).with_changes(settings.space)
    return fit(space, facts, usable), left_out


def _named(settings: StudySettings) -> list[str]:
    """Returns the backbones that the user's space names."""
    named = settings.space.get("backbone", [])
    return list(named) if isinstance(named, list | tuple) else [named]


def _enqueue(study: optuna.Study, settings: StudySettings, space: Space, facts: DataFacts) -> None:
    """Puts the baselines in front, or the default settings where there are none."""
    known = {trial.user_attrs.get(LABEL_KEY) for trial in study.get_trials(deepcopy=False)}
    baselines = {
        row.label: params_of(configure(row.settings, space, facts), space)
        for row in settings.baseline
    } or {DEFAULT_LABEL: default_trial(space, facts)}
    for label, params in baselines.items():
        if label not in known:
            study.enqueue_trial(params, user_attrs={LABEL_KEY: label})
