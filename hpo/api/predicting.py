"""Classes of images with a trial's model, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hpo.api.images import given_images
from hpo.results.rebuild import rebuild
from hpo.search.open_study import OpenStudy, read_manifest

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from hpo.runtimes.classifier import Classifier

Key = tuple[str, int, int | None]
_LAST: dict[Key, Classifier] = {}
"""The model that was used last: building one takes seconds."""


def predicted(opened: OpenStudy, trial: FrozenTrial, images: object) -> pd.DataFrame:
    """Returns the probabilities of images; see `hpo.Trial.predict`."""
    manifest = read_manifest(opened)
    named = given_images(images, manifest.reading)
    key = opened.files.key, trial.number, trial.user_attrs.get("best_epoch")
    if key not in _LAST:
        model = rebuild(opened, trial, manifest)  # which imports TensorFlow first

        from hpo.runtimes.classifier import Classifier

        _LAST.clear()
        _LAST[key] = Classifier(model)
    classifier = _LAST[key]
    rows = [(name, classifier.image(image_hwc)) for name, image_hwc in named]
    return pd.DataFrame(
        [shares for _, shares in rows],
        index=[name for name, _ in rows],
        columns=list(classifier.class_names),
    )
