"""Makes files of a model, and keeps those that prove to be that model."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from data_pipeline.errors import DataError
from data_pipeline.manifest import Manifest
from hpo.converters import process
from hpo.converters.conversion import Conversion
from hpo.converters.table import FORMATS, Format
from hpo.results.targets import Target, place
from hpo.results.terms import Terms
from hpo.results.verify import Job, Report
from hpo.runtimes.metadata import Metadata
from models.errors import ModelError
from studies.errors import StudyError

if TYPE_CHECKING:
    import keras

VERIFIER = [sys.executable, "-P", "-m", "hpo.results.verify"]
"""`-P` keeps a `models.py` in the current folder from being taken for ours."""
CONVERTER = [sys.executable, "-P", "-m", "hpo.converters.process"]


@dataclass(frozen=True)
class Delivered:
    """One file and what a fresh process found of it, with its own runtime.

    Attributes:
        format: Its format.
        path: Its name.
        kept: Whether it is there.
        problem: Why it is not; empty where it is, or where it was not wanted.
        size_bytes: Its size, with all that belongs to it.
        report: What was found.
        difference: Largest difference of a probability to the `.keras` file.
        changed: Images that are given another class than by the `.keras` file.
        lost: Percentage points of accuracy that it is worse by; None where the images are gone.
    """

    format: Format
    path: Path
    kept: bool
    size_bytes: int
    report: Report
    difference: float = 0.0
    changed: int = 0
    lost: float | None = None
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        report = self.report.model_dump(include={"files", "accuracy", "single_ms", "batch_ms"})
        return {
            "format": self.format.name,
            "path": str(self.path),
            "kept": self.kept,
            "size_bytes": self.size_bytes,
            "largest_difference": self.difference,
            "changed": self.changed,
            "lost_points": self.lost,
            "problem": self.problem or None,
            **report,
        }


def deliver(
    model: keras.Model,
    metadata: Metadata,
    manifest: Manifest,
    targets: Sequence[Target],
    terms: Terms,
    *,
    expected: list[list[float]],
    said: list[list[float]],
    refuse: Callable[[Report], None],
    layers: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> list[Delivered]:
    """Writes a model in some formats; the first row is the `.keras` file that others come from.

    A file appears under its name only when a fresh process has loaded it with its own runtime and
    it lost no more accuracy than it may.

    Args:
        model: The model.
        metadata: What travels with it.
        manifest: The images.
        targets: The files to make, in folders that exist and on one disk.
        terms: What they must keep to.
        expected: As in `verify.Job`.
        said: The same.
        refuse: Raises unless a report on the `.keras` file is of the model that was meant.
        layers: As in `verify.Job`.
        say: Told what is being done.

    Raises:
        ModelError: The `.keras` file is not that model.
        DataError: The validation images are not what they were.
        StudyError: There is no space, or another process took a name.
    """
    try:
        with tempfile.TemporaryDirectory(dir=targets[0].path.parent, prefix=".hpo-") as folder:
            workshop = Workshop(Path(folder), metadata, manifest, terms, layers, say)
            FORMATS["keras"].convert(Conversion(model, metadata, workshop.original))
            return workshop.make(targets, expected, refuse, said)
    except OSError as error:
        raise StudyError(
            "An exported model must fit on its disk. "
            f"Received: {targets[0].path.parent} ({error}). Free space or choose another folder."
        ) from error


@dataclass(frozen=True)
class Workshop:
    """A folder in which files are made and checked before they get their names.

    Attributes:
        folder: The folder.
        metadata: What travels with the model.
        manifest: The images.
        terms: What a file must keep to.
        layers: As in `verify.Job`.
        say: Told what is being done.
    """

    folder: Path
    metadata: Metadata
    manifest: Manifest
    terms: Terms
    layers: str = ""
    say: Callable[[str], None] = lambda _: None

    @property
    def original(self) -> Path:
        """The `.keras` file, which others are made from."""
        return self.folder / FORMATS["keras"].file

    def make(
        self,
        targets: Sequence[Target],
        expected: list[list[float]],
        refuse: Callable[[Report], None],
        said: list[list[float]],
    ) -> list[Delivered]:
        """Checks the original, then makes, checks and places the others; see `deliver`."""
        import numpy as np

        self.say("Checking the Keras file in a fresh process …")
        of_original = self.folder / "original.npy"
        report = self._verify(
            "keras", self.original, of_original, decoded=not said, expected=expected, said=said
        )
        refuse(report)
        wanted = [target for target in targets if target.format.name != "keras"]
        plain = next((target for target in targets if target not in wanted), None)
        size = self.original.stat().st_size
        path = plain.path if plain else self.original
        rows = [Delivered(FORMATS["keras"], path, plain is not None, size, report)]
        rows += [self.other(target, report, np.load(of_original)) for target in wanted]
        if plain:
            place(self.original, plain.path, overwrite=self.terms.overwrite)
        return rows

    def other(self, target: Target, original: Report, expected: Any) -> Delivered:
        """Makes a file of another format, or says why there is none; the others are made anyway."""
        try:
            return self._checked(target, original, expected)
        except (DataError, ModelError) as error:
            return Delivered(target.format, target.path, False, 0, Report(), problem=str(error))

    def _checked(self, target: Target, original: Report, expected: Any) -> Delivered:
        """Makes a file of another format and keeps it if it is good enough."""
        import numpy as np

        folder = self.folder / target.format.name
        folder.mkdir()
        self.say(f"Making the file for {target.format.label} …")
        made, found = folder / target.path.name, self.folder / f"{target.format.name}.npy"
        self._convert(target.format, made)
        self.say(f"Classifying the validation images with {target.format.label} …")
        report = self._verify(target.format.reader, made, found)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shares, lost = np.load(found), None
        if report.accuracy is not None and original.accuracy is not None:
            lost = round(100 * (original.accuracy - report.accuracy), 6)
        kept = self.terms.accept or lost is None or lost <= self.terms.tolerance
        if kept:
            for part in sorted(folder.iterdir(), key=lambda part: part == made):
                goal = target.path.with_name(part.name)
                place(part, goal, overwrite=self.terms.overwrite)
        return Delivered(
            target.format,
            target.path,
            kept,
            size,
            report,
            difference=float(np.abs(shares - expected).max()),
            changed=int((shares.argmax(axis=1) != expected.argmax(axis=1)).sum()),
            lost=lost,
            problem="" if kept else self._loss(target, lost or 0.0, report.files),
        )

    def _loss(self, target: Target, lost: float, files: int) -> str:
        return (
            f"A file may lose {self.terms.tolerance:g} points of accuracy. Received: "
            f"{target.format.label}, which loses {lost:.1f} on {files} files. {target.path} was "
            "not kept. Add --accept, or raise --tolerance."
        )

    def _convert(self, row: Format, made: Path) -> None:
        job = process.Job(
            model=self.original,
            metadata=self.metadata,
            format=row.name,
            target=made,
            manifest=self.manifest,
            layers=self.layers,
        )
        done = process.Done.model_validate_json(
            _ask(CONVERTER, job, f"A model must be convertible to {row.label}")
        )
        if done.problem:
            raise DataError(f"{done.problem} No {row.label} file was kept.")

    def _verify(
        self,
        runtime: str,
        path: Path,
        probabilities: Path,
        *,
        decoded: bool = False,
        expected: list[list[float]] | None = None,
        said: list[list[float]] | None = None,
    ) -> Report:
        """Has a fresh process check a file."""
        job = Job(
            model=path.resolve(),
            manifest=self.manifest,
            image_size_px=self.metadata.image_size_px,
            runtime=runtime,
            decoded=decoded,
            probabilities=probabilities.resolve(),
            expected=expected or [],
            said=said or [],
            layers=self.layers,
        )
        report = Report.model_validate_json(
            _ask(VERIFIER, job, "An exported model must load in a fresh process")
        )
        if report.problem:
            raise DataError(f"{report.problem} No file was kept.")
        return report


def _ask(program: Sequence[str], job: BaseModel, rule: str) -> bytes:
    """Returns the last line that a fresh process prints.

    Raises:
        ModelError: It failed.
    """
    done = subprocess.run(
        program, input=job.model_dump_json().encode(), capture_output=True, check=False
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError(
            f"{rule}. Received: {words[-1] if words else f'exit status {done.returncode}'}. "
            "No file was kept."
        )
    return done.stdout.splitlines()[-1]
