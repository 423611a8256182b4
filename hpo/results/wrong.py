"""The validation images that a trial's model gives another class, the surest first."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

from hpo.results.judged import judge
from hpo.results.rebuild import rebuild
from hpo.results.tables import Column, Table
from hpo.search.open_study import OpenStudy, read_manifest
from studies.record import read_config

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Wrong:
    """One image that is given another class than its label.

    Attributes:
        image: Its path, as in the manifest.
        label: Its class.
        guess: The class that it is given.
        probability: Of the latter.
        probability_of_label: Of the former.
    """

    image: str
    label: str
    guess: str
    probability: float
    probability_of_label: float


def wrong_images(opened: OpenStudy, trial: FrozenTrial) -> list[Wrong]:
    """Returns the validation images that a trial's model is wrong about, the surest first.

    Raises:
        StudyError: The trial's weights are gone.
        DataError: The images are gone or have changed.
    """
    manifest = read_manifest(opened)
    model = rebuild(opened, trial, manifest)

    from data_pipeline.cache import Cache
    from data_pipeline.store import open_store

    store = open_store(manifest, read_config(trial).model.image_size_px, Cache())
    judged = judge(model, manifest, store, ["validation"])["validation"]
    return [
        Wrong(
            image=judged.paths[place],
            label=judged.classes[judged.labels[place]],
            guess=judged.classes[judged.guesses[place]],
            probability=float(judged.surety[place]),
            probability_of_label=float(judged.probabilities[place, judged.labels[place]]),
        )
        for place in judged.surest_errors()
    ]


def as_table(found: Sequence[Wrong]) -> Table:
    """Returns one row an image."""
    columns = [
        Column("image"),
        Column("label"),
        Column("taken for"),
        Column("probability", ".4f"),
        Column("of label", ".4f"),
    ]
    return Table(columns, [astuple(row) for row in found])


def as_csv(found: Sequence[Wrong]) -> str:
    """Returns one line an image, numbers unrounded."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([field.name for field in fields(Wrong)])
    writer.writerows(map(astuple, found))
    return file.getvalue().rstrip("\n")
