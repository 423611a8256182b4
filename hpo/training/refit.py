"""Trains a trial once more, on the training and validation images together.

Nothing is left to judge the epochs by then. So every decision that depended on validation is taken
as it was taken before: the trial's own curve is played back to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import ImageStore, open_store
from hpo.training.checkpoint import best_path, load_weights
from hpo.training.inputs import TrialData
from hpo.training.link import Paused
from hpo.training.phase_run import PhaseRun
from hpo.training.programs import Programs
from hpo.training.protocol import Alive, EpochEnd, Progress, Started, Train
from hpo.training.solving import SolvedHeads
from hpo.training.trial import TrialRun
from models.solved_head import LinearHead


def all_images(manifest: Manifest, cache: Cache) -> TrialData:
    """Returns a study's images with those of validation among those of training.

    They are validation images still, for what asks for some. What is cached of these data is kept
    apart from that of the study.
    """
    items = tuple(
        item.model_copy(update={"split": "train"}) if item.split == "validation" else item
        for item in manifest.items
    )
    merged = Manifest(**{**dict(manifest), "items": items})

    def open_images(image_size_px: int) -> ImageStore:
        before = open_store(manifest, image_size_px, cache).splits["validation"]
        store = open_store(merged, image_size_px, cache)
        return replace(store, splits={**store.splits, "validation": before})

    return TrialData(merged, open_images, cache)


def refit(
    job: Train,
    curves: Mapping[str, Sequence[float]],
    best_epoch: int,
    manifest: Manifest,
    programs: Programs,
) -> tuple[dict[str, np.ndarray], int]:
    """Trains a trial to its best epoch, on the training and validation images.

    Args:
        job: The trial.
        curves: Its history: metric name to one value an epoch.
        best_epoch: That epoch, from 1; of a solved head its strength.
        manifest: The study's images.
        programs: Where its network is traced.

    Returns:
        Weights as `hpo.training.checkpoint.load_weights` returns them.

    Raises:
        FloatingPointError: The loss was not finite.
    """
    cache = Cache()
    before = TrialData(manifest, lambda size_px: open_store(manifest, size_px, cache), cache)
    run = _Refit(
        job, all_images(manifest, cache), programs, Until(best_epoch), curves=curves, before=before
    )
    try:
        run.train()
    except Paused:
        return load_weights(best_path(Path(job.folder), best_epoch))
    raise FloatingPointError("The loss was not finite.")


@dataclass
class _Refit(TrialRun):
    """A trial that is told what validation said, and what was decided by it.

    Attributes:
        curves: What it said, metric name to one value an epoch.
        before: The images as they were split.
    """

    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    before: TrialData | None = None

    def _validate(self, run: PhaseRun) -> dict[str, float]:
        return {
            name.removeprefix("val_"): curve[self.state.epoch]
            for name, curve in self.curves.items()
            if name.startswith("val_")
        }

    def _first_head(self) -> LinearHead:
        assert self.before is not None
        chosen = SolvedHeads(self.config, self.before, self.programs, self.state.precision)
        return self._new_heads().head(chosen.best_number(self.metric.name))


@dataclass
class Until:
    """What stands for the coordinator.

    Attributes:
        epoch: The epoch after which it pauses the trial; None lets it train to its end.
    """

    epoch: int | None
    _done: int = 0

    def send(self, event: Alive | Started | Progress | EpochEnd) -> None:
        """Notes how far the trial is."""
        if isinstance(event, EpochEnd):
            self._done = len(event.values)

    def verdict(self) -> str:
        """Returns whether it goes on."""
        return "continue" if self.epoch is None or self._done < self.epoch else "pause"

    def stopped(self) -> bool:
        """Returns that no epoch is cut short."""
        return False
