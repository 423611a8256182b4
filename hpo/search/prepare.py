"""Creates a study from what a user asked for, or opens an existing one."""

from __future__ import annotations

import re
import shlex
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage

from data_pipeline.manifest import Manifest
from data_pipeline.parts import SPLITS
from data_pipeline.sources.opening import may_have_moved, open_source, place_of
from data_pipeline.unchanged import moved, write_stamps
from hpo.paths import Paths
from hpo.search.files import Files, new_key
from hpo.search.networks import files_in, refuse_changed
from hpo.search.open_study import OpenStudy, names, open_study, read_manifest
from hpo.search.plan import Plan
from studies.errors import StudyError
from studies.leases import CREATION, Leases
from studies.objectives import objectives_of
from studies.record import LABEL_KEY, STUDY_KEY, TAKEN_KEY, StudyRecord, read_study
from studies.settings import differences
from studies.space import DataFacts
from studies.storage import open_storage

FILES = (".csv", ".tsv", ".zip", ".npz")
"""Endings of data that are one file, which its study is named without."""
PACKAGES = ("hpo", "keras", "optuna", "tensorflow", "numpy", "pillow")


GENERAL_NAMES = frozenset({"labels", "train", "metadata", "images", "data", "annotations"})
"""What tables and archives are called that are known by their folder instead."""
SHOWN_CLASSES = 12


def study_name(data: str) -> str:
    """Returns the name of the study of a data set, where the user gives none.

    It is that of the folder or file, with the letters of every script.
    """
    path = Path(place_of(data))
    name = path.name if path.suffix.lower() not in FILES else path.stem
    if path.suffix.lower() in FILES and name.lower() in GENERAL_NAMES:
        name = path.parent.name
    slug = re.sub(r"[^\w.+-]+", "-", unicodedata.normalize("NFC", name))
    return re.sub(r"^\W+", "", slug)[:100].rstrip("-.") or "study"


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
        objectives = objectives_of(plan.settings.model_dump())
        study = optuna.create_study(
            storage=storage, study_name=name, directions=objectives.directions
        )
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names(objectives.names)
        record = _create(Files(study, storage, paths, new_key()), plan)
    opened = open_study(paths, study, storage, record)
    write_stamps(plan.manifest, opened.files.stamps)
    return replace(opened, fresh=True)


def describe(opened: OpenStudy) -> str:
    """Returns what a study is about: a line on the data, and one on the classes it trains on."""
    facts = DataFacts.model_validate(opened.record.facts)
    return (
        f"Study {opened.study.study_name}: {opened.record.settings['data']}, "
        f"{facts.classes} classes, {facts.train_images:,} training images of "
        f"{facts.native_size_px} px\n{describe_classes(read_manifest(opened))}"
    )


def describe_classes(manifest: Manifest) -> str:
    """Returns the classes and the parts of the split with their numbers of images, in a line."""
    counts = manifest.counts()
    images = {name: sum(row.values()) for name, row in counts.items()}
    shown = [f"{name} {n:,}" for name, n in list(images.items())[:SHOWN_CLASSES]]
    if more := len(images) - len(shown):
        least, most = min(images.values()), max(images.values())
        size = f"{least:,} to {most:,} images" if least < most else f"{most:,} images each"
        shown.append(f"and {more} more classes with {size}")
    parts = (f"{split} {sum(row[split] for row in counts.values()):,}" for split in SPLITS)
    return f"Classes: {', '.join(shown)} | {', '.join(parts)}"


def require_name(name: str) -> None:
    """Refuses names that would lead out of the folder of studies.

    Raises:
        StudyError: It is one.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,99}", name):
        raise StudyError(
            "A study's name must begin with a letter or digit and hold letters, digits, spaces and "
            f"_ . + - only, 100 at most. Received: {name!r}. Choose another --study."
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
    opened = open_study(paths, study, storage, read_study(study))
    asked = dict(asked)
    # The same place in other words, such as `~/photos`, and the place that it was moved to.
    data = asked.pop("data", opened.record.settings["data"])
    images = asked.pop("images", None)
    refuse_changed(name, opened.record.networks, files_in(asked))
    asked.pop("networks", None)
    _refuse_differences(name, opened.record, asked)
    return _placed(opened, data, images)


def _refuse_differences(name: str, record: StudyRecord, asked: Mapping[str, Any]) -> None:
    if found := differences(record.read_settings(), asked, record.table):
        raise StudyError(
            f"The study {name!r} exists with other settings. "
            f"Received: {' '.join(found)} Leave out the option to continue this study, or create "
            "another with --study NAME."
        )


def _placed(opened: OpenStudy, data: str, images: str | None) -> OpenStudy:
    """Returns a study with the place of its images as it is now, which is stored if it is new.

    Raises:
        StudyError: The study is one of other images.
        DataError: The images at the new place differ.
    """
    settings, name = opened.record.settings, opened.study.study_name
    created = settings["data"], settings.get("images")
    asked = place_of(data), place_of(images) if images else created[1]
    if asked == created:
        manifest = read_manifest(opened)  # found again where the whole project was moved
    elif not may_have_moved(created[0], data):
        raise StudyError(
            f"The study {name!r} exists with other images. "
            f"Received: --data {data}; it was created with {created[0]}. To continue it: "
            f"hpo run --study {shlex.quote(name)}. To create another: hpo run --data "
            f"{shlex.quote(data)} --study NAME."
        )
    else:
        manifest = moved(read_manifest(opened), open_source(data, images))
    if (manifest.source, manifest.images) == created:
        return opened
    opened.files.write_manifest(manifest.model_dump_json())  # workers read it there
    changes = {"data": manifest.source, "images": manifest.images}
    record = opened.record.model_copy(update={"settings": settings | changes})
    record.save(opened.study)
    return replace(opened, record=record)


def _refuse_foreign(study: optuna.Study) -> None:
    trials = study.get_trials(deepcopy=False)
    if any(not trial.user_attrs.keys() & {LABEL_KEY, TAKEN_KEY} for trial in trials):
        raise StudyError(
            "A study must have been created by `hpo run` to be continued. "
            f"Received: {study.study_name!r}, to which another program has added trials. "
            "Choose another --study name."
        )


def _create(files: Files, plan: Plan) -> StudyRecord:
    """Stores everything the study is searched with; its record is written last."""
    study, manifest = files.study, plan.manifest
    files.write_manifest(manifest.model_dump_json())
    for number, (trial, weights) in enumerate(plan.taken):
        study.add_trial(trial)
        if weights is not None:
            files.take_weights(number, weights)
    if plan.learned:
        files.write_lessons(plan.learned)
    for label, params in plan.first.items():
        study.enqueue_trial(dict(params), user_attrs={LABEL_KEY: label})
    record = StudyRecord(
        settings=plan.settings.model_dump(mode="json"),
        space=plan.space.model_dump(mode="json"),
        facts=plan.facts.model_dump(),
        manifest_digest=manifest.digest,
        manifest_artifact=files.key,
        unavailable=dict(plan.unavailable),
        learned_from=tuple(lessons.study for lessons in plan.learned),
        versions={package: version(package) for package in PACKAGES},
        networks=plan.networks,
    )
    record.save(study)
    return record
