"""The one look at the test images: figures, their uncertainty, and a note that it was taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import open_store
from hpo.results.ranking import rank
from hpo.results.rebuild import rebuild
from hpo.search.open_study import OpenStudy, read_manifest
from studies.errors import StudyError
from studies.hits import Hits
from studies.metrics import evaluate, f1_of_guesses
from studies.record import read_config
from studies.storage import require_writable

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from hpo.results.ensemble import Ensemble
    from hpo.results.refit import Refitted
    from hpo.results.trial_rows import TrialRow
    from studies.metrics import Labels, Probabilities

LOOKS_KEY = "test_looks"
RESAMPLES = 2000


class Look(BaseModel):
    """One evaluation on the test images.

    Attributes:
        trial: The trial evaluated; None where it is something else, see `subject`.
        when: Time (UTC, ISO 8601).
        images: Number of test images.
        figures: Metric name to its value.
        intervals: Metric name to the ends of its 95 % interval.
        chosen_from: Trials with a value that the study had then.
        hits: Test images that it got right, to compare two trials in pairs; None in a record that
            an earlier version made.
        best_epoch: The epoch whose weights these were, since a paused trial may go on to a better
            one; None in a record that an earlier version made.
        subject: What was evaluated, where it is no trial as it was; empty for a trial.
    """

    model_config = ConfigDict(frozen=True)

    trial: int | None
    when: str
    images: int
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    chosen_from: int
    hits: Hits | None = None
    best_epoch: int | None = None
    subject: str = ""

    @property
    def title(self) -> str:
        """What was evaluated."""
        return self.subject or f"trial {self.trial}"


def earlier_looks(opened: OpenStudy) -> list[Look]:
    """Returns the evaluations so far, the oldest first."""
    return [Look.model_validate(look) for look in opened.study.user_attrs.get(LOOKS_KEY, [])]


def look(opened: OpenStudy, trial: FrozenTrial, chosen_from: int) -> Look:
    """Evaluates a trial on the test images, once, and records that in the study.

    Args:
        opened: The study.
        trial: A trial whose weights are kept.
        chosen_from: Number of trials it was chosen from.

    Raises:
        StudyError: The study has no test images or cannot be written, or the trial's weights are
            gone.
        DataError: The images are not what they were.
    """
    manifest = _require_test_images(opened)
    model = rebuild(opened, trial, manifest)

    from hpo.runtimes.classifier import Classifier

    split = open_store(manifest, read_config(trial).model.image_size_px, Cache()).splits["test"]
    shares = Classifier(model).split(split)
    what = {"trial": trial.number, "best_epoch": trial.user_attrs["best_epoch"]}
    return _taken(opened, what, shares, split.labels, chosen_from)


def look_at_ensemble(opened: OpenStudy, ensemble: Ensemble, chosen_from: int) -> Look:
    """Evaluates an ensemble on the test images, as `look` does a trial.

    Raises:
        StudyError: The study has no test images or cannot be written.
        ModelError: Pretrained weights are not on this machine.
        DataError: The images are not what they were.
    """
    from hpo.results.ensemble import classify

    manifest = _require_test_images(opened)
    shares, labels = classify(ensemble.build(manifest), manifest, "test")
    what = {"trial": None, "subject": ensemble.title}
    return _taken(opened, what, shares, labels, chosen_from)


def look_at_refitted(opened: OpenStudy, refitted: Refitted, chosen_from: int) -> Look:
    """Evaluates a refitted trial on the test images, as `look` does a trial.

    Raises:
        StudyError: The study has no test images or cannot be written.
        DataError: The images are not what they were.
    """
    from hpo.runtimes.classifier import Classifier

    manifest = _require_test_images(opened)
    split = open_store(manifest, refitted.image_size_px, Cache()).splits["test"]
    shares = Classifier(refitted.model).split(split)
    what = {"trial": None, "subject": refitted.title}
    return _taken(opened, what, shares, split.labels, chosen_from)


def _require_test_images(opened: OpenStudy) -> Manifest:
    require_writable(opened.storage)  # a look that is not recorded would be for nothing
    manifest = read_manifest(opened)
    if not any(item.split == "test" for item in manifest.items):
        raise StudyError(
            "--test needs test images. Received: a study without any. "
            "Create one with `test_fraction` above 0, or with a folder that has a test part."
        )
    return manifest


def _taken(
    opened: OpenStudy,
    what: dict[str, Any],
    shares: Probabilities,
    labels: Labels,
    chosen_from: int,
) -> Look:
    """Returns what probabilities come to, and records it."""
    figures, guesses = evaluate(shares, labels), shares.argmax(axis=1)
    right, classes = guesses == labels, shares.shape[1]
    taken = Look(
        **what,
        when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        images=len(labels),
        figures=figures,
        intervals={
            "accuracy": wilson(int(right.sum()), len(labels)),
            "macro_f1": bootstrap_macro_f1(guesses, labels, classes),
        },
        chosen_from=chosen_from,
        hits=Hits.of(right),
    )
    looks = [*earlier_looks(opened), taken]
    opened.study.set_user_attr(LOOKS_KEY, [row.model_dump(mode="json") for row in looks])
    return taken


def remembering(looks: Sequence[Look]) -> Callable[[TrialRow], Look | None]:
    """Returns what finds the latest look at the test images by a trial's best weights so far."""
    before = {(taken.trial, taken.best_epoch): taken for taken in looks}

    def remember(row: TrialRow) -> Look | None:
        best_epoch = row.attributes.get("best_epoch")
        return before.get((row.number, best_epoch)) or before.get((row.number, None))

    return remember


def tester(opened: OpenStudy, tell: Callable[[str], None]) -> Callable[[TrialRow], Look | None]:
    """Returns what evaluates a trial on the test images, or remembers what it was.

    It returns None for a trial whose weights are gone.

    Args:
        opened: The study.
        tell: Told which trial is evaluated.
    """
    chosen_from = len(rank(opened).best)
    kept = opened.files.weights()
    remember = remembering(earlier_looks(opened))

    def test(row: TrialRow) -> Look | None:
        taken = remember(row)
        if (taken and taken.hits) or row.number not in kept:
            return taken
        tell(f"Classifying the test images with trial {row.number} …")
        return look(opened, opened.storage.get_trial(row.trial_id), chosen_from)

    return test


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share (Wilson 1927, Journal of the ASA 22:209-212)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_macro_f1(
    guesses: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[float, float]:
    """Returns the 95 % percentile interval of macro F1 over resampled images (Efron 1979).

    Args:
        guesses: Classes given, int (n,).
        labels: Classes, int (n,).
        classes: How many there are.
    """
    from scipy.stats import bootstrap

    interval = bootstrap(
        (guesses, labels),
        lambda guesses, labels: f1_of_guesses(guesses, labels, classes),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),  # the same interval each time
    ).confidence_interval
    return float(interval.low), float(interval.high)
