"""Writes a trial's model to files, and keeps those that prove to be that model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_pipeline.manifest import Manifest
from hpo.results.delivery import Delivered, deliver
from hpo.results.layers_file import write_layers
from hpo.results.model_card import write_card
from hpo.results.subject import Subject, of_trial
from hpo.results.targets import Target, card_of
from hpo.results.terms import Terms
from hpo.results.verify import MOST_DIFFERENCE, Report
from hpo.search.open_study import OpenStudy, read_manifest
from models.errors import ModelError
from studies.metrics import METRICS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST_CONTRADICTING = 0.03
"""Share of the files that may clearly be given another class than their decoded images. Those were
rounded to whole grey levels after resizing, which the model's own resizing is not, so that pixels
differ by up to one level."""


@dataclass(frozen=True)
class Exported:
    """Files that were checked.

    Attributes:
        recorded: The trial's objective as the study has it.
        files: What became of each file; the first is the `.keras` file, wanted or not.
        wanted: How many files were asked for.
        card: The card beside them; None where no file was kept.
        layers: File that Keras needs besides, for layers of the user's own; None without any.
    """

    recorded: float
    files: Sequence[Delivered]
    wanted: int
    card: Path | None
    layers: Path | None = None
    temperature: float | None = None

    @property
    def report(self) -> Report:
        """What a fresh process found of the `.keras` file."""
        return self.files[0].report

    @property
    def kept(self) -> Sequence[Delivered]:
        """The files that are there."""
        return [row for row in self.files if row.kept]

    @property
    def problems(self) -> list[str]:
        """Why the others are not."""
        return [row.problem for row in self.files if row.problem]

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        first = next(iter(self.kept), self.files[-1])
        return {
            "path": str(first.path),
            "size_bytes": first.size_bytes,
            "recorded": self.recorded,
            "temperature": self.temperature,
            "card": self.card and str(self.card),
            "layers": self.layers and str(self.layers),
            "formats": [row.as_json() for row in self.files],
            **self.report.model_dump(exclude={"problem", "timed_px"}),
        }


def export(
    opened: OpenStudy,
    trial: FrozenTrial,
    targets: Sequence[Target],
    terms: Terms = Terms(),  # noqa: B008  # frozen
    *,
    license_id: str = "unknown",
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Writes the model of a trial in some formats, and a card beside them; see `export_subject`.

    Raises:
        StudyError: The trial's weights are gone, or there is no space for the files.
        ModelError: What was written is not the trial's model; it is not kept.
        DataError: The validation images are not what they were.
        temperature: What the logits were divided by; None where they are the trial's own.
    """
    subject = of_trial(opened, trial, read_manifest(opened), license_id)
    return export_subject(opened, subject, targets, terms, say=say)


def export_subject(
    opened: OpenStudy,
    subject: Subject,
    targets: Sequence[Target],
    terms: Terms = Terms(),  # noqa: B008  # frozen
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Writes a model in some formats, and a card beside them.

    A file appears under its name only when a fresh process has loaded it with its own runtime. The
    `.keras` file, from which the others are made, must reproduce the recorded objective, or where
    that cannot be computed again the probabilities from before it was saved.

    Args:
        opened: The study.
        subject: The model.
        targets: The files, all in one folder.
        terms: What they must keep to.
        say: Told what is being done.

    Raises:
        StudyError: There is no space for the files.
        ModelError: What was written is not that model; it is not kept.
        DataError: The validation images are not what they were.
    """
    manifest, metric = read_manifest(opened), opened.record.settings["metric"]
    sure = manifest.open().is_there() and not subject.said
    rows = deliver(
        subject.model,
        subject.metadata,
        manifest,
        targets,
        terms,
        expected=[] if sure else _on_noise(subject.model),
        said=[list(row) for row in subject.said],
        refuse=lambda report: refuse_another(report, metric, subject.recorded, manifest),
        layers=subject.layers,
        say=say,
    )
    of_keras = [row.path for row in rows if row.kept and row.format.reader == "keras"]
    beside = [write_layers(path, subject.layers) for path in of_keras]
    card = None
    if any(row.kept for row in rows):
        card = card_of(targets[0].path)
        write_card(card, subject.metadata, manifest, rows)
    layers = beside[0] if beside else None
    return Exported(subject.recorded, rows, len(targets), card, layers, subject.temperature)


def _on_noise(model: Any) -> list[list[float]]:
    """Returns the probabilities of an unsaved model for images of noise."""
    from hpo.results.verify import noise
    from hpo.runtimes.classifier import Classifier

    classifier = Classifier(model)
    return [classifier.image(image).tolist() for image in noise()]


def refuse_another(report: Report, metric: str, recorded: float, manifest: Manifest) -> None:
    """Raises ModelError unless the file is the model that the trial ended with."""
    if report.difference is not None and report.difference > MOST_DIFFERENCE:
        raise ModelError(
            "An exported model must give the same probabilities as before it was saved. "
            f"Received: some that differ by up to {report.difference:.6f}. No file was kept."
        )
    if report.contradicting > max(1, math.ceil(MOST_CONTRADICTING * report.files)):
        raise ModelError(
            "An exported model must give a file the same class as its decoded image. "
            f"Received: clearly another class for {report.contradicting} of {report.files} files. "
            "No file was kept."
        )
    if metric not in report.figures:
        return  # the images are gone; `report.left_out` says so
    found = report.figures[metric]
    images = Counter(item.label for item in manifest.items if item.split == "validation")
    if abs(found - recorded) > METRICS[metric].tolerance(recorded, list(images.values())):
        raise ModelError(
            f"An exported model must reproduce its trial's validation {metric}. "
            f"Received: {found:.6f} from the file, {recorded:.6f} in the study. No file was kept. "
            "Were the pretrained weights or the packages changed since? `hpo studies --json` "
            "shows the versions."
        )
