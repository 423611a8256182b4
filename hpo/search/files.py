"""What a study keeps in files: its list of images, weights, checkpoints, logs. All on this disk.

Weights and the list of images lie beside those of other studies in one folder, as Optuna's
`FileSystemArtifactStore` has them, so the dashboard offers them for download. Checkpoints and logs
lie in a folder of the study. All of it is found by the study's key, which stands in its record: a
study that was renamed, here or in the dashboard, has its files still.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import optuna
from optuna.artifacts import ArtifactMeta
from optuna.storages import RDBStorage
from pydantic import TypeAdapter

from hpo.paths import Paths
from hpo.training.checkpoint import best_path
from studies.errors import StudyError
from studies.learning import Lessons
from studies.optuna_private import (
    all_artifacts_of,
    artifacts_of,
    offer_artifact,
    withdraw_artifact,
)
from studies.scheduler import Keep

_LESSONS = TypeAdapter(list[Lessons])
_KEY = re.compile(r"[\w-]+")
_EARLIER_WEIGHTS = re.compile(r"trial-(\d+)\.weights\..+")


def new_key() -> str:
    """Returns a key that no other study has."""
    return str(uuid4())


@dataclass
class Files:
    """The files of one study.

    Attributes:
        study: The study.
        storage: Its storage.
        paths: Where studies live.
        key: What no other study has: `StudyRecord.manifest_artifact`.

    Raises:
        StudyError: The key would lead elsewhere.
    """

    study: optuna.Study
    storage: RDBStorage
    paths: Paths
    key: str

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise StudyError(
                "The key of a study's files must consist of letters, digits and hyphens. "
                f"Received: {self.key!r}, which hpo did not write. Use another storage."
            )

    @property
    def folder(self) -> Path:
        """Folder of the study's checkpoints and logs."""
        return self.paths.study(self.study.study_name, self.key)

    @property
    def manifest(self) -> Path:
        """File with the list of the study's images."""
        return self.paths.artifacts / self.key

    @property
    def stamps(self) -> Path:
        """File with what tells whether the data set is as it was."""
        return self.folder / "files.json"

    @property
    def lessons(self) -> Path:
        """File with what the sampler learned from other studies."""
        return self.folder / "learned.json"

    @property
    def logs(self) -> Path:
        """Folder of what workers print."""
        return self.folder / "logs"

    def checkpoints(self, number: int) -> Path:
        """Returns the folder of a trial's checkpoints and of its best epoch's weights."""
        return self.folder / "trials" / f"{number:05d}"

    def weights(self) -> Mapping[int, Path]:
        """Returns the files of the weights that are kept, by their trial's number."""
        kept = self._kept(artifacts_of(self.study))
        return {number: self.paths.artifacts / name for number, name in kept.items()}

    def has_weights(self, number: int) -> bool:
        """Whether the weights of a trial are kept, those of earlier versions not counted."""
        return (self.paths.artifacts / self._name(number)).exists()

    def write_manifest(self, text: str) -> None:
        """Writes the list of the study's images."""
        self.paths.artifacts.mkdir(parents=True, exist_ok=True)
        temporary = self.manifest.with_name(f".{self.key}")
        temporary.write_text(text, encoding="utf-8")
        _put(temporary, self.manifest)
        self._offer(self.key, "manifest.json")

    def write_lessons(self, lessons: Sequence[Lessons]) -> None:
        """Writes what the sampler learned from other studies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.lessons.with_name(".learned.json")
        temporary.write_bytes(_LESSONS.dump_json(list(lessons)))
        _put(temporary, self.lessons)

    def read_lessons(self) -> list[Lessons]:
        """Returns that.

        Raises:
            StudyError: The file is gone, without which the sampler would propose something else.
        """
        try:
            return _LESSONS.validate_json(self.lessons.read_bytes())
        except OSError as error:
            raise StudyError(
                "What the study learned from others must be in its files. "
                f"Received: {self.lessons} ({error.strerror}). Type the command in the folder "
                "where `hpo run` was typed, or begin another study."
            ) from error

    def offer_report(self, page: bytes) -> None:
        """Lets the dashboard show a report, an HTML page, in place of the one before."""
        self.paths.artifacts.mkdir(parents=True, exist_ok=True)
        temporary = self.paths.artifacts / f".{self._report}"
        temporary.write_bytes(page)
        _put(temporary, self.paths.artifacts / self._report)
        self._offer(self._report, "report.html", "text/html")

    def keep(self, keep: Keep) -> None:
        """Keeps what a scheduler says, and deletes the rest.

        New weights are on the disk before anything is deleted. A kill in between leaves files that
        the next call deletes.
        """
        self.paths.artifacts.mkdir(parents=True, exist_ok=True)
        offered = artifacts_of(self.study)
        kept = self._kept(offered)
        outdated = [name for number, name in kept.items() if number not in keep.weights]
        for number, epoch in keep.weights.items():
            source = best_path(self.checkpoints(number), epoch)
            name = self._name(number)
            try:
                copied = _copy(source, self.paths.artifacts / name)
            except FileNotFoundError:  # they were kept before, or another worker goes on with it
                copied = False
            if copied and kept.get(number, name) != name:
                outdated.append(kept[number])
            # The dashboard forgets what it offers for download when it renames a study.
            if copied or (number in kept and kept[number] not in offered):
                self._offer(name, f"trial-{number:05d}.weights{source.suffix}")
        for name in outdated:
            self._remove(name)
        for folder in (self.folder / "trials").glob("[0-9]*"):
            if int(folder.name) not in keep.checkpoints:
                shutil.rmtree(folder, ignore_errors=True)

    def take_weights(self, number: int, source: Path) -> None:
        """Keeps a copy of weights that another study has kept; nothing where they are gone."""
        name = self._name(number)
        with suppress(FileNotFoundError):
            _copy(source, self.paths.artifacts / name)
            self._offer(name, f"trial-{number:05d}.weights{best_path(self.folder, 1).suffix}")

    def drop_checkpoints(self, number: int) -> None:
        """Deletes a trial's checkpoints."""
        shutil.rmtree(self.checkpoints(number), ignore_errors=True)

    def delete(self) -> None:
        """Deletes all files of the study, which may have been deleted itself."""
        names = [self.key, self._report, *self._named()]
        with suppress(KeyError):
            names += all_artifacts_of(self.study)
        for name in filter(_KEY.fullmatch, names):
            (self.paths.artifacts / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _report(self) -> str:
        return f"{self.key}-report"

    def _name(self, number: int) -> str:
        return f"{self.key}-{number:05d}"

    def _kept(self, offered: Mapping[str, str]) -> dict[int, str]:
        """Returns the names of the weights that are kept, by their trial's number.

        The names tell the trial, since what Optuna knows of a study's artifacts is lost when the
        dashboard renames it. Earlier versions left the names to Optuna: these are in `offered`,
        what the study's artifacts are called by their names.
        """
        kept: dict[int, str] = {}
        for name, shown in offered.items():
            match = _EARLIER_WEIGHTS.fullmatch(shown)
            if match and _KEY.fullmatch(name):
                kept[int(match[1])] = name
        return kept | {int(name.removeprefix(f"{self.key}-")): name for name in self._named()}

    def _named(self) -> list[str]:
        """Returns the names of the weights that are there, but of earlier versions."""
        pattern = f"{self.key}-{5 * '[0-9]'}*"
        return [path.name for path in self.paths.artifacts.glob(pattern)]

    def _remove(self, name: str) -> None:
        (self.paths.artifacts / name).unlink(missing_ok=True)
        withdraw_artifact(self.storage, self.study, name)

    def _offer(self, name: str, shown: str, kind: str = "application/octet-stream") -> None:
        """Lets the dashboard offer a file for download."""
        meta = ArtifactMeta(name, shown, kind, None)
        offer_artifact(self.study, meta)


def _copy(source: Path, target: Path) -> bool:
    """Copies a file unless its copy is there already; returns whether it did.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    temporary = target.with_name(f".{target.name}")
    shutil.copyfile(source, temporary)
    _put(temporary, target)
    return True


def _put(temporary: Path, target: Path) -> None:
    """Puts a file in place as a whole, once it is on the disk: its source is deleted next."""
    with temporary.open("r+b") as file:  # Windows syncs no file that is open to be read
        os.fsync(file.fileno())
    temporary.replace(target)
