"""Creates a study from what a user asked for, or opens the one that is there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage

from data_pipeline.datasets import DATASETS
from data_pipeline.unchanged import write_stamps
from hpo.paths import Paths
from hpo.search.files import Files, new_key
from hpo.search.open_study import OpenStudy, names, open_study
from hpo.search.plan import Plan
from studies.errors import StudyError
from studies.leases import CREATION, Leases
from studies.metrics import METRICS
from studies.record import LABEL_KEY, STUDY_KEY, TAKEN_KEY, StudyRecord, read_study
from studies.settings import StudySettings, differences
from studies.space import DataFacts
from studies.storage import open_storage

PACKAGES = ("hpo", "keras", "optuna", "tensorflow", "numpy", "pillow")


def study_name(data: str) -> str:
    """Returns the name of the study of a data set, where the user gives none."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).resolve().name if "/" in data else data)
    return slug.strip("-.") or "study"


def prepare(
    paths: Paths, name: str, asked: Mapping[str, Any], make_plan: Callable[[], Plan]
) -> OpenStudy:
    """Opens the study `name` where it exists, else creates it.

    Args:
        paths: Where studies live.
        name: The study's name.
        asked: Those settings that the user wrote.
        make_plan: Reads the data, which may take long; called where the study is a new one.

    Raises:
        StudyError: The study exists and was created with something else, or the settings do not
            suit the data; says what differs. No study is created.
        DataError: The data set cannot be trained on. No study is created.
    """
    require_name(name)
    plan = None if paths.exist else make_plan()  # a refusal then leaves nothing
    storage = open_storage(paths.storage)
    if opened := _existing(paths, storage, name, asked):
        return opened
    plan = plan or make_plan()
    with Leases(storage.engine).alone(CREATION):
        if opened := _existing(paths, storage, name, asked):
            return opened  # another process was faster
        if name in names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(
            storage=storage, study_name=name, direction=METRICS[plan.settings.metric].direction
        )
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names([f"validation {METRICS[plan.settings.metric].label}"])
        record = _create(Files(study, storage, paths, new_key()), plan)
    opened = open_study(paths, study, storage, record)
    write_stamps(plan.manifest, opened.files.stamps)
    return opened


def describe(opened: OpenStudy) -> str:
    """Returns what a study is about, in a line."""
    facts = DataFacts.model_validate(opened.record.facts)
    return (
        f"Study {opened.study.study_name}: {opened.record.settings['data']}, "
        f"{facts.classes} classes, {facts.train_images:,} training images of "
        f"{facts.image_size_px} px"
    )


def require_name(name: str) -> None:
    """Refuses names that would lead out of the folder of studies.

    Raises:
        StudyError: It is one.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,99}", name):
        raise StudyError(
            "A study's name begins with a letter or digit and holds letters, digits, spaces and "
            f"any of _ . + - only, 100 at most. Received: {name!r}. Choose another --study."
        )


def _existing(
    paths: Paths, storage: RDBStorage, name: str, asked: Mapping[str, Any]
) -> OpenStudy | None:
    """Returns the study `name`; None where it is missing, or a kill came while it was created."""
    if name not in names(storage):
        return None
    study = optuna.load_study(study_name=name, storage=storage)
    if STUDY_KEY not in study.user_attrs:
        _refuse_foreign(study)
        return None
    record = read_study(study)
    _refuse_differences(name, record, asked)
    return open_study(paths, study, storage, record)


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


def _refuse_foreign(study: optuna.Study) -> None:
    trials = study.get_trials(deepcopy=False)
    if any(not trial.user_attrs.keys() & {LABEL_KEY, TAKEN_KEY} for trial in trials):
        raise StudyError(
            f"The study {study.study_name!r} was not created by `hpo run`. "
            "Received: a study with trials. Choose another --study name."
        )


def _create(files: Files, plan: Plan) -> StudyRecord:
    """Stores everything the study is searched with; its record is written last."""
    study, manifest = files.study, plan.manifest
    files.write_manifest(manifest.model_dump_json())
    for number, (trial, weights) in enumerate(plan.taken):
        study.add_trial(trial)
        if weights is not None:
            files.take_weights(number, weights)
    for label, params in plan.first.items():
        study.enqueue_trial(dict(params), user_attrs={LABEL_KEY: label})
    record = StudyRecord(
        settings=plan.settings.model_dump(mode="json"),
        space=plan.space.model_dump(mode="json"),
        facts=plan.facts.model_dump(),
        manifest_digest=manifest.digest,
        manifest_artifact=files.key,
        unavailable=dict(plan.unavailable),
        versions={package: version(package) for package in PACKAGES},
    )
    record.save(study)
    return record
