"""The files a study keeps: its manifest, each trial's learning curve, the best trials' weights.

They are Optuna artifacts, so the dashboard shows them. Weights hang on the study, not on their
trial, because nothing of a finished trial can be changed, and they must go when a better trial
comes.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.artifacts import (
    ArtifactMeta,
    FileSystemArtifactStore,
    get_all_artifact_meta,
    upload_artifact,
)
from optuna.storages import RDBStorage

from hpo.training.checkpoint import WEIGHTS_SUFFIX
from studies.errors import StudyError

_ID = re.compile(r"[\w-]+")
_WEIGHTS = "trial-{number:05d}" + WEIGHTS_SUFFIX
_REPLACED = "replaced" + WEIGHTS_SUFFIX
"""The name of weights that are no trial's any more, whose place others will take."""
_WEIGHTS_PATTERN = re.compile(rf"trial-(\d+)(?:{re.escape(WEIGHTS_SUFFIX)}|\.weights\.npz)")
"""Earlier versions kept `.npz` files."""


@dataclass
class Artifacts:
    """The artifacts of one study.

    Attributes:
        study: The study.
        storage: Its storage.
        folder: Where artifacts lie.
    """

    study: optuna.Study
    storage: RDBStorage
    folder: Path

    def add_text(self, name: str, text: str, trial: optuna.Trial | None = None) -> str:
        """Keeps a text file with a trial, or with the study; returns its id.

        A whole file of that name that a killed process left is taken for it.
        """
        owner = trial or self.study
        for meta in self._all(owner):
            path = self.path(meta.artifact_id)
            if meta.filename == name and path.exists() and path.read_text("utf-8") == text:
                return meta.artifact_id
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / name
            path.write_text(text, encoding="utf-8")
            return self._upload(path, owner)

    def path(self, artifact_id: str) -> Path:
        """Returns the file of an artifact.

        Raises:
            StudyError: The storage names one that would lie elsewhere.
        """
        if not _ID.fullmatch(artifact_id):
            raise StudyError(
                "An artifact's id is made of letters, digits and hyphens. "
                f"Received: {artifact_id!r}. Something else wrote into the storage; use another."
            )
        return self.folder / artifact_id

    def weights(self) -> Mapping[int, ArtifactMeta]:
        """Returns the weights that are kept, by their trial's number."""
        metas = self._all(self.study)
        matches = ((_WEIGHTS_PATTERN.fullmatch(meta.filename), meta) for meta in metas)
        return {int(match[1]): meta for match, meta in matches if match}

    def keep(self, wanted: Iterable[int], files: Mapping[int, Path]) -> None:
        """Keeps the weights of the trials `wanted`, in place of those of other trials.

        Args:
            wanted: Numbers of the trials whose weights are to be kept.
            files: Weights that are not kept yet, by their trial's number.
        """
        kept, wanted = self.weights(), set(wanted)
        free = [meta.artifact_id for meta in self._all(self.study) if meta.filename == _REPLACED]
        for number in sorted(kept.keys() - wanted):
            free.append(kept[number].artifact_id)
            if number in files and not self._holds(kept[number], files[number]):
                self._name(free[-1], _REPLACED)  # as it stood when it was laid aside
        for number in sorted(wanted & files.keys()):
            meta = kept.get(number)
            with suppress(FileNotFoundError):  # another worker goes on with a trial laid aside
                if not self._holds(meta, files[number]):
                    place = meta.artifact_id if meta else free.pop() if free else None
                    self._put(_WEIGHTS.format(number=number), files[number], place)

    def _put(self, name: str, file: Path, place: str | None) -> None:
        """Keeps a file, in place of the artifact `place` where one is given.

        An artifact is overwritten, not removed: Optuna cannot list a study's artifacts once one
        of them is gone.
        """
        if place is None:
            with tempfile.TemporaryDirectory() as scratch:
                named = Path(scratch) / name
                shutil.copyfile(file, named)
                self._upload(named, self.study)
            return
        path = self.path(place)
        with file.open("rb") as content:
            self._store().write(place, content)
        _flush(path)
        self._name(place, name)

    def _name(self, artifact_id: str, name: str) -> None:
        """Writes what an artifact of the study is called."""
        meta = ArtifactMeta(artifact_id, name, "application/octet-stream", None)
        self.storage.set_study_system_attr(
            self.study._study_id, f"artifacts:{artifact_id}", json.dumps(asdict(meta))
        )

    def _holds(self, meta: ArtifactMeta | None, original: Path) -> bool:
        """Whether an artifact has a file's content; its entry is there before it has any.

        A trial that was laid aside and continued may have other weights by now.
        """
        if meta is None:
            return False
        path = self.path(meta.artifact_id)
        return path.exists() and filecmp.cmp(path, original, shallow=False)

    def _upload(self, path: Path, owner: optuna.Trial | optuna.Study) -> str:
        artifact_id = upload_artifact(
            artifact_store=self._store(),
            file_path=str(path),
            study_or_trial=owner,
            storage=self.storage,
        )
        _flush(self.path(artifact_id))
        return artifact_id

    def _store(self) -> FileSystemArtifactStore:
        """Returns where artifacts are written, which reading never creates."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileSystemArtifactStore(self.folder)

    def _all(self, owner: optuna.Trial | optuna.Study) -> list[ArtifactMeta]:
        return get_all_artifact_meta(owner, storage=self.storage)


def _flush(path: Path) -> None:
    """Waits until a file is on the disk: the trial's own files are deleted next."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
