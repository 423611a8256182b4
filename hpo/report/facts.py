"""Everything that is known of a study, gathered once for all chapters of its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data_pipeline.errors import DataError
from hpo.analysis.questions import KEYS
from hpo.results.comparison import Comparison, compare
from hpo.results.sealed_test import Look, earlier_looks, remembering, tester
from hpo.results.trial_rows import TrialRow, best_first, read_trials
from hpo.search.open_study import OpenStudy, read_manifest
from models.errors import ModelError
from studies.errors import StudyError
from studies.metrics import METRICS, Metric
from studies.objectives import objectives_of
from studies.record import HITS_KEY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from data_pipeline.manifest import Manifest
    from data_pipeline.parts import Split
    from hpo.report.images import ImagesFacts
    from hpo.results.judged import Judged

TIMED = 12
"""Trials whose latency is measured, the best ones; those that share a network share the figure."""
Tell = Callable[[str], None]
"""Called with what is done next, for a line of progress."""


@dataclass(frozen=True, eq=False)
class Winner:
    """The best trial and what its model says about the images.

    Attributes:
        row: The trial.
        image_size_px: Height and width that its network sees.
        validation: What it says about the validation images.
        test: About the sealed test images; None unless this very model was tested on them before
            or is so now.
        traits: What was measured of each validation image, by its name.
        pictures: Validation path to a small picture, JPEG, of the surest errors of each kind.
        heat: Validation path to the picture of what was looked at, JPEG, of the surest errors.
    """

    row: TrialRow
    image_size_px: int
    validation: Judged
    test: Judged | None = None
    traits: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    heat: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class StudyFacts:
    """All that chapters are made of.

    Attributes:
        opened: The study.
        metric: Its first objective.
        rows: All its trials, in the order of their numbers.
        ranked: Those with a value that were trained here, best first.
        comparison: The baselines beside the best; None where no trial has a value.
        looks: All looks at the test images, the oldest first.
        manifest: Its images; None where their list is gone.
        winner: The best trial's model and images; None where they cannot be had.
        problem: Why they cannot; empty where they can, or no trial has a value.
        images: What was found out about its images; None where they cannot be looked at.
        images_problem: Why they cannot; empty where they can.
        latency_ms: Trial number to milliseconds an image on this machine, of the best.
    """

    opened: OpenStudy
    metric: Metric
    rows: Sequence[TrialRow]
    ranked: Sequence[TrialRow]
    comparison: Comparison | None
    looks: Sequence[Look]
    manifest: Manifest | None
    winner: Winner | None
    problem: str = ""
    images: ImagesFacts | None = None
    images_problem: str = ""
    latency_ms: Mapping[int, float] = field(default_factory=dict)

    @property
    def best(self) -> TrialRow | None:
        """The best trial; None where none has a value."""
        return self.ranked[0] if self.ranked else None

    @property
    def look(self) -> Look | None:
        """The latest look at the test images by the best trial's model; None without one."""
        return None if self.best is None else remembering(self.looks)(self.best)


def gather(opened: OpenStudy, *, test: bool, tell: Tell) -> StudyFacts:
    """Gathers all that is known of a study.

    The best trial's model is built and classifies the validation images. The test images are used
    only if that is asked for, which the study records, or if this model was tested before.

    Args:
        opened: The study.
        test: Whether to look at the test images.
        tell: Told what is done next.

    Raises:
        StudyError: The test images are asked for, and there are none.
    """
    tell("Reading the trials …")
    metric = objectives_of(opened.record.settings).first
    keys = [
        *KEYS,
        HITS_KEY,
        "timing",
        "device",
        "precision",
        *(f"best_val_{name}" for name in METRICS),
    ]
    rows = read_trials(opened.storage, opened.study, keys)
    ranked = best_first(rows, metric)
    looking = tester(opened, tell) if test else remembering(earlier_looks(opened))
    comparison = compare(opened, looking) if ranked else None
    looks = earlier_looks(opened)
    manifest, winner, problem = None, None, ""
    try:
        manifest = read_manifest(opened)
        if ranked:
            winner = _winner(opened, ranked[0], manifest, looks, tell)
    except (StudyError, DataError, ModelError) as error:
        problem = str(error)
    images, images_problem = _look_at(opened, manifest, ranked, tell) if manifest else (None, "")
    return StudyFacts(
        opened=opened,
        metric=metric,
        rows=rows,
        ranked=ranked,
        comparison=comparison,
        looks=looks,
        manifest=manifest,
        winner=winner,
        problem=problem,
        images=images,
        images_problem=images_problem,
        latency_ms=_latencies(ranked[:TIMED], tell),
    )


def _look_at(
    opened: OpenStudy, manifest: Manifest, ranked: Sequence[TrialRow], tell: Tell
) -> tuple[ImagesFacts | None, str]:
    """Returns what is found out about the images, or why it cannot be."""
    from hpo.report.images import embed_like, look_at

    source = manifest.open()
    if not source.is_there():
        return None, (
            "The images must be where they were to be looked at. "
            f"Received: {source.images or source.name!r}, which is gone. Put them back."
        )
    tell("Looking for suspect images …")
    try:
        native_px: int = opened.record.facts["native_size_px"]
        return look_at(embed_like(manifest, ranked, native_px), growth=True), ""
    except (StudyError, DataError, ModelError) as error:
        return None, str(error)


def _winner(
    opened: OpenStudy, row: TrialRow, manifest: Manifest, looks: Sequence[Look], tell: Tell
) -> Winner:
    from data_pipeline.cache import Cache
    from data_pipeline.store import open_store
    from hpo.report.pictures import error_pictures, heat_pictures
    from hpo.results.judged import judge
    from hpo.results.rebuild import rebuild
    from hpo.results.traits import traits

    tell("Building the best model …")
    size_px: int = row.settings["model.image_size_px"]
    model = rebuild(opened, opened.storage.get_trial(row.trial_id), manifest)
    tell("Classifying the validation images …")
    store = open_store(manifest, size_px, Cache())
    parts: list[Split] = ["validation"]
    if remembering(looks)(row):
        parts.append("test")
    judged = judge(model, manifest, store, parts)
    validation = judged["validation"]
    tell("Looking at what the network looked at …")
    return Winner(
        row=row,
        image_size_px=size_px,
        validation=validation,
        test=judged.get("test"),
        traits=traits(manifest, store.splits["validation"]),
        pictures=error_pictures(manifest, validation),
        heat=heat_pictures(model, manifest, size_px, validation),
    )


def _latencies(rows: Sequence[TrialRow], tell: Tell) -> dict[int, float]:
    from data_pipeline.cache import Cache
    from hpo.results.latency import latency_ms
    from models.config import ModelConfig
    from studies.record import CONFIG_KEY

    if rows:
        tell("Measuring the milliseconds an image …")
    cache = Cache()
    return {
        row.number: latency_ms(
            ModelConfig.model_validate(row.attributes[CONFIG_KEY]["model"]), cache
        )
        for row in rows
    }
