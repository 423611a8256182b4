"""What an exported file says of its model."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from data_pipeline.manifest import Manifest
from hpo.results.sealed_test import earlier_looks, wilson
from hpo.runtimes.metadata import Metadata
from hpo.search.open_study import OpenStudy
from studies.metrics import METRICS
from studies.objectives import value_in
from studies.record import read_config

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

USAGE = (
    "Give it RGB images, 0..255, of any size, as (images, height, width, 3); it returns the "
    "probability of each class, in the order of `classes`. The model card says how to read a file."
)


def describe(
    opened: OpenStudy, trial: FrozenTrial, manifest: Manifest, license_id: str
) -> Metadata:
    """Returns what travels with a trial's model."""
    config = read_config(trial).model
    images = sum(item.split == "validation" for item in manifest.items)
    known = {name: value_in(metric, trial.user_attrs) for name, metric in METRICS.items()}
    figures = {name: value for name, value in known.items() if value is not None}
    looks = [look for look in earlier_looks(opened) if look.trial == trial.number]
    accuracy = figures.get("accuracy")
    return Metadata(
        classes=manifest.classes,
        reading=manifest.reading,
        image_size_px=config.image_size_px,
        name=opened.study.study_name,
        trial=trial.number,
        backbone=config.backbone,
        parameters=trial.user_attrs.get("parameters"),
        figures=figures,
        interval=None if accuracy is None else interval_of(accuracy, images),
        images=images,
        test_figures=looks[-1].figures if looks else {},
        data=manifest.digest,
        license=license_id,
        made_by=f"hpo {version('hpo')}, Keras {version('keras')}",
        usage=USAGE,
    )


def interval_of(accuracy: float, images: int) -> tuple[float, float]:
    """Returns the 95 % interval of an accuracy on so many images."""
    return wilson(round(accuracy * images), images)
