"""`hpo.Trial`: one trial, to look at, export, test and classify with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.api.entry import public
from hpo.api.frames import figures_of, settings_of
from hpo.results.ranking import rank
from hpo.search.open_study import OpenStudy

if TYPE_CHECKING:
    import pandas as pd
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Trial:
    """One trial of a study that has a value.

    Attributes:
        study: Name of its study.
        number: Its number there.
        label: The baseline or the step of the opening that it is, or None.
        state: How it ended, or `running` or `interrupted`.
        metric: What the study improves.
        value: That metric at the best epoch, on the validation images.
        figures: Metric name to its value on the validation images, of the same epoch.
        best_epoch: The epoch, from 1, whose weights are kept.
        epochs_done: Epochs that it was trained.
        settings: Its settings under their names in the space; a baseline takes them as they are.
    """

    study: str
    number: int
    label: str | None
    state: str
    metric: str
    value: float
    figures: Mapping[str, float]
    best_epoch: int | None
    epochs_done: int | None
    settings: Mapping[str, Any]
    _opened: OpenStudy = field(repr=False, compare=False)
    _id: int = field(repr=False, compare=False)
    _chosen_from: int = field(repr=False, compare=False)

    @public
    def export(self, path: str | PathLike[str] = "model.keras", *, overwrite: bool = False) -> Path:
        """Writes its model to one file, whose ending chooses the format, and checks the file.

        A fresh process loads it with its own runtime and must reproduce the validation metric;
        otherwise no file is kept.

        Args:
            path: A name that ends in `.keras`, `.onnx`, `.tflite` or `.xml` (OpenVINO).
            overwrite: Whether a file of that name is replaced.

        Returns:
            The path.

        Raises:
            StudyError: Nothing can be written there, or the trial's weights were not kept.
            ModelError: What was written is not the trial's model, or the format's package is
                missing.
        """
        from hpo.results.export import export
        from hpo.results.targets import check_target, find_target
        from hpo.results.terms import Terms
        from models.errors import ModelError

        target = find_target(Path(path), None)
        check_target(target, overwrite=overwrite)
        exported = export(self._opened, self._frozen, [target], Terms(overwrite=overwrite))
        if exported.problems:
            raise ModelError("\n".join(exported.problems))
        return target.path

    @public
    def test(self) -> pd.DataFrame:
        """Evaluates it on the sealed test images, and records that in the study.

        Test figures are honest only as long as nobody chooses by them.

        Returns:
            One row a metric: `value`, and `low` and `high` of the 95 % interval where there is one.
            `attrs` has the number of `images`, and how often they were `used_before`.

        Raises:
            StudyError: The study has no test images, or the trial's weights were not kept.
        """
        from hpo.api.frames import look_frame
        from hpo.results.sealed_test import earlier_looks, look

        before = len(earlier_looks(self._opened))
        return look_frame(look(self._opened, self._frozen, self._chosen_from), before)

    @public
    def predict(self, images: object) -> pd.DataFrame:
        """Classifies images.

        Args:
            images: A path or several, folders among them; a Pillow image or several; or arrays:
                (height, width[, 3]), or (n, height, width[, 3]) for several, RGB. Integers are
                0..255. Floats are 0..255 or 0..1, as in training.

        Returns:
            The probabilities: one row an image, one column a class. `.idxmax(axis=1)` gives the
            classes. Paths are the index where `images` are paths.

        Raises:
            DataError: An image cannot be read.
            StudyError: The trial's weights were not kept.
        """
        from hpo.api.predicting import predicted

        return predicted(self._opened, self._frozen, images)

    @property
    def _frozen(self) -> FrozenTrial:
        return self._opened.storage.get_trial(self._id)

    def _repr_html_(self) -> str:
        """Shows figures and settings in a notebook."""
        title = f"Trial {self.number}" + (f" ({self.label})" if self.label else "")
        figures = "".join(_line(name, f"{value:.4f}") for name, value in self.figures.items())
        settings = "".join(_line(name, str(value)) for name, value in self.settings.items())
        return (
            f"<p><b>{escape(title)}</b> of {escape(self.study)}: {escape(self.state)}, "
            f"validation {escape(self.metric)} <b>{self.value:.4f}</b> at epoch "
            f"{self.best_epoch or '?'} of {self.epochs_done or '?'}</p>"
            f"<table>{figures}</table><details><summary>Settings</summary>"
            f"<table>{settings}</table></details>"
        )


def _line(name: str, text: str) -> str:
    return f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>"


def read_trial(opened: OpenStudy, number: int | None) -> Trial:
    """Returns the trial of a number, or the best one.

    Raises:
        StudyError: There is none, or it has no value.
    """
    ranking = rank(opened)
    row = ranking.find(number)
    assert row.value is not None
    return Trial(
        study=opened.study.study_name,
        number=row.number,
        label=row.title,
        state=row.ending,
        metric=ranking.metric.name,
        value=row.value,
        figures=figures_of(row),
        best_epoch=row.best_epoch(ranking.metric),
        epochs_done=row.epochs_done,
        settings=settings_of(row, opened.record.read_space()),
        _opened=opened,
        _id=row.trial_id,
        _chosen_from=len(ranking.best),
    )
