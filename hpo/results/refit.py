"""The best trial trained once more, on all images but those of the test."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_pipeline.manifest import Manifest
from hpo.quiet import load_tensorflow
from hpo.results.rebuild import assemble, trusted_catalogue
from hpo.search.open_study import OpenStudy
from models.errors import ModelError
from studies.errors import StudyError
from studies.record import HISTORY_KEY, read_config, value_of
from studies.settings import StudySettings

if TYPE_CHECKING:
    import keras
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Refitted:
    """A trial that was trained on the training and validation images.

    Attributes:
        model: From raw pixels to probabilities.
        trial: The trial's number.
        value: The objective of the trial as it was. The refitted one has none: no validation image
            is left that it was not trained on.
        epochs: How many epochs it was trained, or which strength of a solved head it is.
        images: Number of images that it was trained on.
        image_size_px: Their size.
        solved: Whether its head was solved.
    """

    model: keras.Model
    trial: int
    value: float
    epochs: int
    images: int
    image_size_px: int
    solved: bool

    @property
    def title(self) -> str:
        """What it is called."""
        return f"trial {self.trial}, refitted"

    def sentences(self, label: str) -> str:
        """Returns what people must know of it.

        Args:
            label: What the objective is called.
        """
        how = f"strength {self.epochs} of its penalty" if self.solved else f"{self.epochs} epochs"
        return (
            f"Trial {self.trial} was refitted: trained anew with the same settings on all "
            f"{self.images:,} training and validation images, {how}. Nothing is left to validate "
            f"it on: the validation {label} of {self.value:.4f} is that of the trial as it was."
        )


def refit_trial(opened: OpenStudy, trial: FrozenTrial, manifest: Manifest) -> Refitted:
    """Trains a trial anew; this takes about as long as the trial did.

    Raises:
        StudyError: It is not known how its training went.
        ModelError: Its pretrained weights are not on this machine, or it diverged.
    """
    config, attributes, value = read_config(trial), trial.user_attrs, value_of(trial)
    curves, best_epoch = attributes.get(HISTORY_KEY), attributes.get("best_epoch")
    if not curves or not best_epoch or value is None:
        raise StudyError(
            "--refit needs a trial that was trained here to its end. "
            f"Received: trial {trial.number}, whose epochs are not known. Choose another --trial."
        )
    catalogue = trusted_catalogue(opened, [config])
    load_tensorflow()

    from hpo.training.device import as_it_is
    from hpo.training.programs import Programs
    from hpo.training.protocol import Train
    from hpo.training.refit import refit

    settings = StudySettings.model_validate(opened.record.settings)
    with tempfile.TemporaryDirectory() as folder:
        job = Train(
            number=trial.number,
            config=config,
            seed=settings.seed,
            metric=settings.metric,
            folder=str(Path(folder) / "trial"),
            precision=attributes.get("precision", settings.precision),
        )
        try:
            weights, stages = refit(
                job, curves, best_epoch, manifest, Programs(as_it_is(), catalogue=catalogue)
            )
        except FloatingPointError as error:
            raise ModelError(
                "A refitted trial must not diverge. Received: a loss that was not finite. "
                "Export the trial as it is."
            ) from error
    return Refitted(
        model=assemble(config, weights, stages, manifest, catalogue),
        trial=trial.number,
        value=value,
        epochs=best_epoch,
        images=sum(item.split in ("train", "validation") for item in manifest.items),
        image_size_px=config.model.image_size_px,
        solved=config.is_solved,
    )
