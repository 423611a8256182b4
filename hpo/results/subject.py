"""What can be exported: a trial, an ensemble, or a trial that was trained anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import open_store
from hpo.results.about import describe, interval_of
from hpo.results.ensemble import Ensemble, classify
from hpo.results.layers_file import layers_needed
from hpo.results.rebuild import rebuild
from hpo.results.refit import Refitted
from hpo.results.sealed_test import earlier_looks
from hpo.results.verify import MOST_DIFFERENCE, rows_to_check
from hpo.runtimes.metadata import Metadata
from hpo.search.open_study import OpenStudy
from models.errors import ModelError
from studies.ensembles import softmax
from studies.metrics import METRICS, evaluate
from studies.objectives import objectives_of
from studies.record import read_config, value_of

if TYPE_CHECKING:
    import keras
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Subject:
    """A model that is exported, and what its file must prove.

    Attributes:
        model: From raw pixels to probabilities.
        metadata: What travels with it.
        recorded: The study's objective for it.
        said: As in `hpo.results.verify.Job`.
        temperature: What its logits were divided by; None where nobody looked for one.
        layers: Python code that its layers need to be loaded; empty where they are Keras's own.
    """

    model: keras.Model
    metadata: Metadata
    recorded: float
    said: tuple[tuple[float, ...], ...] = ()
    temperature: float | None = None
    layers: str = ""


def of_trial(
    opened: OpenStudy,
    trial: FrozenTrial,
    manifest: Manifest,
    license_id: str,
    *,
    honest: bool = False,
) -> Subject:
    """Returns a trial whose weights are kept.

    Args:
        opened: The study.
        trial: The trial.
        manifest: The study's images.
        license_id: Of the model, for its card.
        honest: Divide the logits by the temperature that fits the validation images, which changes
            no answer but makes the percentages honest.

    Raises:
        StudyError: Its weights are gone.
        ModelError: Its pretrained weights are not on this machine.
        DataError: The images are not what they were.
    """
    recorded = value_of(trial)
    assert recorded is not None
    model = rebuild(opened, trial, manifest)
    metadata, layers = (
        describe(opened, trial, manifest, license_id),
        layers_needed(opened, read_config(trial).model),
    )
    subject = Subject(model, metadata, recorded, layers=layers)
    if not honest:
        return subject
    from hpo.results.candidates import Library
    from models.export import scale_logits

    metric, library = objectives_of(opened.record.settings).first, Library(opened, manifest)
    candidate = library.trial(trial.number, read_config(trial), metric)
    scale_logits(model, 1.0 / candidate.temperature)
    figures = evaluate(softmax(candidate.scores), library.labels)
    note = (
        f"Its logits are divided by {candidate.temperature:.2f}, a temperature that was fitted to "
        "the validation images, so that its percentages can be taken at their word."
    )
    return replace(
        subject,
        metadata=subject.metadata.model_copy(update={"figures": figures, "note": note}),
        recorded=figures[metric.name],
        temperature=candidate.temperature,
    )


def of_ensemble(
    opened: OpenStudy, ensemble: Ensemble, manifest: Manifest, license_id: str
) -> Subject:
    """Returns an ensemble.

    Raises:
        ModelError: Pretrained weights are not on this machine, or it is not what its members say.
        DataError: The images are not what they were.
    """
    metric, whole = objectives_of(opened.record.settings).first, ensemble.build(manifest)
    said: tuple[tuple[float, ...], ...] = ()
    if len(whole.sizes_px) > 1:  # then no one size of decoded images is what it sees
        found, _ = classify(whole, manifest, "validation")
        difference = float(np.abs(found - ensemble.shares).max())
        if difference > MOST_DIFFERENCE:
            raise ModelError(
                "An ensemble must say what its members say together. Received: probabilities that "
                f"differ by up to {difference:.6f}. Were the packages changed since?"
            )
        said = tuple(map(tuple, found[rows_to_check(len(found))].tolist()))
    described = describe(
        opened, opened.study.trials[ensemble.members[0].trials[0]], manifest, license_id
    )
    looks = [look for look in earlier_looks(opened) if look.subject == ensemble.title]
    metadata = described.model_copy(
        update={
            "trial": None,
            "image_size_px": whole.sizes_px[-1],
            "backbone": ", ".join(
                dict.fromkeys(member.config.model.backbone for member in ensemble.members)
            ),
            "parameters": int(whole.model.count_params()),
            "figures": ensemble.figures,
            "interval": interval_of(ensemble.figures["accuracy"], described.images),
            "test_figures": looks[-1].figures if looks else {},
            "note": f"It is an {ensemble.title}, chosen from {ensemble.candidates} networks by the "
            "validation images. Their logits are averaged and divided by a temperature, so that "
            "its percentages can be taken at their word.",
        }
    )
    return Subject(whole.model, metadata, ensemble.figures[metric.name], said, ensemble.temperature)


def of_refitted(
    opened: OpenStudy,
    trial: FrozenTrial,
    refitted: Refitted,
    manifest: Manifest,
    license_id: str,
) -> Subject:
    """Returns a trial that was trained anew.

    Raises:
        DataError: The images are not what they were.
    """
    from hpo.runtimes.classifier import Classifier

    said: tuple[tuple[float, ...], ...] = ()
    if manifest.open().is_there():
        split = open_store(manifest, refitted.image_size_px, Cache()).splits["validation"]
        shares = Classifier(refitted.model).split(split)
        said = tuple(map(tuple, shares[rows_to_check(len(split))].tolist()))
    looks = [look for look in earlier_looks(opened) if look.subject == refitted.title]
    label = METRICS[opened.record.settings["metric"]].label
    metadata = describe(opened, trial, manifest, license_id).model_copy(
        update={
            "test_figures": looks[-1].figures if looks else {},
            "note": refitted.sentences(label),
        }
    )
    layers = layers_needed(opened, read_config(trial).model)
    return Subject(refitted.model, metadata, refitted.value, said, layers=layers)
