"""Finds studies in a storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.storages import RDBStorage

from hpo.paths import Paths
from hpo.search.files import Files
from studies.errors import StudyError
from studies.optuna_private import study_id
from studies.record import STUDY_KEY, StudyRecord, read_study
from studies.storage import masked, open_storage
from studies.wording import did_you_mean

if TYPE_CHECKING:
    from data_pipeline.manifest import Manifest

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class OpenStudy:
    """A study with everything that belongs to it.

    Attributes:
        study: The Optuna study.
        record: What it was created with.
        storage: Its storage.
        files: Its files.
        fresh: Whether this process has just created it, and so read all of its images.
    """

    study: optuna.Study
    record: StudyRecord
    storage: RDBStorage
    files: Files
    fresh: bool = False


def read_manifest(opened: OpenStudy) -> Manifest:
    """Returns the manifest a study was created with.

    Where its images were moved together with the folder of the studies, it names their new place.

    Raises:
        StudyError: Its file is gone.
    """
    from data_pipeline.manifest import Manifest
    from data_pipeline.unchanged import found_again

    path = opened.files.manifest
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(
            f"The study's list of images must be in its artifacts. Received: {path} "
            f"({error.strerror}). Type the command in the folder where `hpo run` was typed."
        ) from error
    return found_again(manifest, opened.files.folder)


def open_existing(paths: Paths) -> RDBStorage:
    """Opens the storage for reading.

    Raises:
        StudyError: It is a SQLite file that does not exist; nothing is created.
    """
    if not paths.exist:
        raise StudyError(
            f"There is no study here yet. Received: {masked(paths.storage)}, which does not "
            "exist. Type `hpo run` first, or go to the folder where it was typed."
        )
    return open_storage(paths.storage, to_read=True)


def names(storage: RDBStorage) -> list[str]:
    """Returns the names of the studies, the latest last."""
    return [study.study_name for study in sorted(storage.get_all_studies(), key=study_id)]


def latest(storage: RDBStorage) -> str | None:
    """Returns the study that is meant where none is named; None where there is none.

    It is the latest that this program made, or else another program's.
    """
    chosen = max(
        storage.get_all_studies(),
        key=lambda study: (STUDY_KEY in study.user_attrs, study_id(study)),
        default=None,
    )
    return chosen.study_name if chosen else None


def find_study(paths: Paths, name: str | None) -> OpenStudy:
    """Opens the study `name`, or the latest.

    Raises:
        StudyError: There is no study of that name, or none at all.
    """
    storage = open_existing(paths)
    known, chosen = names(storage), name or latest(storage)
    if not known or chosen is None:
        raise StudyError(
            f"There is no study in this storage. Received: {masked(paths.storage)}. "
            "Type `hpo run` first."
        )
    if chosen not in known:
        listed = f"There are: {', '.join(known[-10:])}."
        hint = " ".join(filter(None, [did_you_mean(chosen, known), listed]))
        raise StudyError(f"There is no study of that name. Received: {chosen}. {hint}")
    study = optuna.load_study(study_name=chosen, storage=storage)
    return open_study(paths, study, storage, read_study(study))


def of_same_images(opened: OpenStudy) -> tuple[str, str] | None:
    """Returns name and former place of the latest other study of the same images, or None.

    It is one whose images lay elsewhere when it was created: at the same place people mean another
    study.
    """
    found = None
    for study in sorted(opened.storage.get_all_studies(), key=study_id):
        record = study.user_attrs.get(STUDY_KEY, {})
        place = record.get("settings", {}).get("data")
        same = record.get("manifest_digest") == opened.record.manifest_digest
        if same and place != opened.record.settings["data"]:
            found = study.study_name, str(place)
    return found


def find_record(paths: Paths, name: str) -> StudyRecord | None:
    """Returns what the study `name` was created with; None where there is none, or not yet."""
    if not paths.exist:
        return None
    storage = open_storage(paths.storage, to_read=True)
    if name not in names(storage):
        return None
    study = optuna.load_study(study_name=name, storage=storage)
    return read_study(study) if STUDY_KEY in study.user_attrs else None


def open_study(
    paths: Paths, study: optuna.Study, storage: RDBStorage, record: StudyRecord
) -> OpenStudy:
    """Returns a study with everything that belongs to it."""
    return OpenStudy(
        study=study,
        record=record,
        storage=storage,
        files=Files(study, storage, paths, record.manifest_artifact),
    )
