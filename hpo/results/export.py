"""Writes a trial's model to files, and keeps those that prove to be that model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_pipeline.manifest import Manifest
from hpo.results.about import describe
from hpo.results.delivery import Delivered, deliver
from hpo.results.layers_file import layers_needed, write_layers
from hpo.results.model_card import write_card
from hpo.results.rebuild import rebuild
from hpo.results.targets import Target, card_of
from hpo.results.terms import Terms
from hpo.results.verify import Report
from hpo.search.open_study import OpenStudy, read_manifest
from models.errors import ModelError
from studies.metrics import METRICS
from studies.record import read_config, value_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST_CONTRADICTING = 0.03
"""Share of the files that may clearly be given another class than their decoded images. Those were
rounded to whole grey levels after resizing, which the model's own resizing is not, so that pixels
differ by up to one level."""

MOST_DIFFERENCE = 1e-4
"""Of the probabilities of one model before and after it was saved, both in float32."""


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
            "card": self.card and str(self.card),
            "layers": self.layers and str(self.layers),
            "files": [row.as_json() for row in self.files],
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
    """Writes the model of a trial in some formats, and a card beside them.

    A file appears under its name only when a fresh process has loaded it with its own runtime. The
    `.keras` file, from which the others are made, must reproduce the trial's objective.

    Args:
        opened: The study.
        trial: A trial whose weights are kept.
        targets: The files, all in one folder.
        terms: What they must keep to.
        license_id: Of the model, for its card.
        say: Told what is being done.

    Raises:
        StudyError: The trial's weights are gone, or there is no space for the files.
        ModelError: What was written is not the trial's model; it is not kept.
        DataError: The validation images are not what they were.
    """
    recorded = value_of(trial)
    assert recorded is not None
    manifest = read_manifest(opened)
    layers = layers_needed(opened, read_config(trial).model)
    model = rebuild(opened, trial, manifest)
    metadata = describe(opened, trial, manifest, license_id)
    metric = opened.record.settings["metric"]
    rows = deliver(
        model,
        metadata,
        manifest,
        targets,
        terms,
        expected=[] if manifest.open().is_there() else _on_noise(model),
        refuse=lambda report: refuse_another(report, metric, recorded, manifest),
        layers=layers,
        say=say,
    )
    of_keras = [row.path for row in rows if row.kept and row.format.reader == "keras"]
    beside = [write_layers(path, layers) for path in of_keras]
    card = None
    if any(row.kept for row in rows):
        card = card_of(targets[0].path)
        write_card(card, metadata, manifest, rows)
    return Exported(recorded, rows, len(targets), card, beside[0] if beside else None)


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
    if report.contradicting > max(1, math.ceil(MOST_CONTRADICTING * report.files)):
        raise ModelError(
            "An exported model must give a file the same class as its decoded image. "
            f"Received: clearly another class for {report.contradicting} of {report.files} files. "
            "No file was kept."
        )
