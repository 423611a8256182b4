"""The ensemble of a study: found among its kept networks, built as one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import open_store
from hpo.results.calibration import tempered
from hpo.results.candidates import Candidate, Library, fitting_temperature
from hpo.results.comparison import Gain, gain
from hpo.results.ranking import Ranking
from hpo.results.trial_rows import read_attribute
from hpo.search.open_study import OpenStudy
from models.catalogue import BUILT_IN, Catalogue
from studies.ensembles import choose
from studies.hits import Hits
from studies.metrics import evaluate
from studies.record import HITS_KEY

if TYPE_CHECKING:
    import keras

    from data_pipeline.store import Examples
    from models.ensemble import Whole
    from studies.metrics import Labels, Probabilities


@dataclass(frozen=True)
class Ensemble:
    """Networks that are one together.

    Attributes:
        members: The networks, those of most weight first.
        counts: How often each was chosen; the share of its logits is its part of their sum.
        figures: Metric name to its value for the validation images, on which it was chosen.
        hits: The validation images that it gets right.
        gain: Accuracy over the best trial alone on the validation images; None where that trial's
            hits are not known. It was chosen on them, so that this is the most to expect.
        temperature: What its logits are divided by to make its percentages honest.
        candidates: How many networks it was chosen from.
        shares: Its probabilities for the validation images, which are honest.
    """

    members: Sequence[Candidate]
    counts: Sequence[int]
    figures: dict[str, float]
    hits: Hits
    gain: Gain | None
    temperature: float
    candidates: int
    shares: Probabilities

    @property
    def trials(self) -> list[int]:
        """Numbers of the trials that are part of it."""
        return sorted({number for member in self.members for number in member.trials})

    @property
    def title(self) -> str:
        """What it consists of, in a few words."""
        total = sum(self.counts)
        parts = [
            f"{'+'.join(map(str, member.trials))} ({count / total:.0%})"
            for member, count in zip(self.members, self.counts, strict=True)
        ]
        return f"ensemble of trials {', '.join(parts)}"

    @property
    def alone(self) -> int | None:
        """The number of the trial that is all of it, where no ensemble was better; else None."""
        first = self.members[0].trials
        return first[0] if len(self.members) == len(first) == 1 else None

    def build(self, manifest: Manifest, catalogue: Catalogue = BUILT_IN) -> Whole:
        """Returns it as a model, from raw pixels to honest probabilities.

        Raises:
            ModelError: Pretrained weights below it are not on this machine.
        """
        from models.ensemble import Member, ensemble_model

        total = sum(self.counts)
        members = [
            Member(
                member.config.model,
                member.weights,
                count / total / member.temperature / self.temperature,
            )
            for member, count in zip(self.members, self.counts, strict=True)
        ]
        return ensemble_model(
            members,
            class_names=manifest.classes,
            reading=manifest.reading.text(),
            resize=manifest.reading.resize,
            catalogue=catalogue,
        )


def find_ensemble(opened: OpenStudy, ranking: Ranking, manifest: Manifest, most: int) -> Ensemble:
    """Returns the ensemble of at most `most` networks that is best on the validation images.

    It is never worse there than the best trial whose weights are kept, as that may be all of it.

    Raises:
        StudyError: No trial's weights are there.
        DataError: The images are not what they were.
    """
    library = Library(opened, manifest)
    candidates = library.candidates(ranking)
    found = choose([c.scores for c in candidates], library.labels, ranking.metric, most)
    order = sorted(found.counts, key=lambda number: (-found.counts[number], number))
    degree = fitting_temperature(found.probabilities, library.labels, ranking.metric)
    honest = tempered(found.probabilities, degree)
    best = ranking.best[0]
    known = read_attribute(opened.storage, [best], HITS_KEY).get(best.trial_id)
    hits = Hits.of(np.asarray(honest.argmax(axis=1) == library.labels))
    return Ensemble(
        members=[candidates[number] for number in order],
        counts=[found.counts[number] for number in order],
        figures=evaluate(honest, library.labels),
        hits=hits,
        gain=gain(hits, Hits.model_validate(known)) if known else None,
        temperature=degree,
        candidates=len(candidates),
        shares=honest,
    )


def of_sizes(core: keras.Model, splits: Sequence[Examples], rows: np.ndarray) -> np.ndarray:
    """Returns the probabilities (n, classes), float64, of an ensemble for decoded images.

    Args:
        core: `models.ensemble.Whole.core`.
        splits: The same images as they are decoded at each of its sizes.
        rows: Which of the images, (n,).
    """
    import tensorflow as tf

    from hpo.runtimes.model import BATCH, to_probabilities

    specs = [tf.TensorSpec((None, *split.images_bhwc.shape[1:]), tf.float32) for split in splits]
    forward = tf.function(lambda *squares: core([*squares], training=False), input_signature=specs)
    parts = []
    for begin in range(0, len(rows), BATCH):
        batch = rows[begin : begin + BATCH]
        squares = [split.images_bhwc[split.rows[batch]].astype(np.float32) for split in splits]
        parts.append(to_probabilities(forward(*squares).numpy()))
    return np.concatenate(parts)


def classify(whole: Whole, manifest: Manifest, part: str) -> tuple[Probabilities, Labels]:
    """Returns an ensemble's probabilities for one part of the images, and their classes."""
    splits = [open_store(manifest, size_px, Cache()).splits[part] for size_px in whole.sizes_px]
    return of_sizes(whole.core, splits, np.arange(len(splits[0]))), splits[0].labels
