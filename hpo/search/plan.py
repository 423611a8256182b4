"""Everything a new study is searched with, found out and checked before anything is stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from optuna.trial import FrozenTrial

from data_pipeline.cache import Cache
from data_pipeline.inspect_image import Keep
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import Manifest, create_manifest
from hpo.search.image_size import native_size_px
from hpo.search.networks import NO_NETWORKS, Networks
from hpo.search.weights import unavailable
from studies.baselines import place
from studies.domains import Value
from studies.grid import combinations
from studies.learning import Lessons
from studies.network_files import NetworkFile
from studies.parameters import ParameterTable
from studies.settings import StudySettings
from studies.space import DataFacts, Space, default_space, fit

MOST_DOWNLOADS = 2
"""Backbones whose weights are downloaded for a study that names none; any others that are here are
searched too."""
CACHE_PARTS = 3
"""The decoded images at the largest size take one of so many parts of the cache: at all sizes that
are searched together they take up to three times as much."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """A study that can be created.

    Attributes:
        settings: What was asked for, with the source of the data filled in.
        manifest: The data.
        facts: What the space and the trials need to know of them.
        space: What is searched.
        unavailable: Backbone to the reason why it is not in the space.
        first: Label to the Optuna parameters of the trials that come first.
        taken: Trials of another study that this one begins with, and the files of their weights
            where these were kept.
        learned: What the sampler learns from other studies.
        networks: The user's network files.
    """

    settings: StudySettings
    manifest: Manifest
    facts: DataFacts
    space: Space
    unavailable: Mapping[str, str]
    first: Mapping[str, Mapping[str, Value]]
    taken: Sequence[tuple[FrozenTrial, Path | None]] = ()
    learned: Sequence[Lessons] = ()
    networks: tuple[NetworkFile, ...] = ()


def make_plan(
    settings: StudySettings,
    say: Say,
    keep: Keep | None = None,
    networks: Networks = NO_NETWORKS,
) -> Plan:
    """Reads the data and fits the settings to them.

    Args:
        settings: All settings, defaults included.
        say: Tells the user what is found.
        keep: Given each image of a folder that can be used.
        networks: The user's own, which are built here once.

    Raises:
        DataError: The data set cannot be trained on.
        ModelError: A network of the user's own cannot be built.
        StudyError: The settings do not suit the data or this machine; says what differs.
    """
    manifest = _manifest(settings, say, keep)
    facts = DataFacts(
        classes=len(manifest.classes),
        native_size_px=native_size_px(manifest),
        train_images=sum(item.split == "train" for item in manifest.items),
        mirror_safe=manifest.open().mirror_safe,
        most_px=most_px(len(manifest.items)),
    )
    space, left_out = _space(settings, facts, networks.table, say)
    if settings.sampler.name == "exhaustive":
        combinations(space)  # refuses what has no end
    baselines = place(settings.baseline, space, facts, left_out)
    if baselines.left_out:
        labels = ", ".join(map(repr, baselines.left_out))
        say(f"Left out of the baselines, since their backbones are: {labels}.")
    return Plan(
        settings=settings.model_copy(update={"data": manifest.source, "images": manifest.images}),
        manifest=manifest,
        facts=facts,
        space=space,
        unavailable=left_out,
        first=baselines.params,
        networks=networks.checked(space, facts, say),
    )


def most_px(images: int) -> int:
    """Returns the largest image size at which that many decoded images are kept in the cache.

    They take a share of it, since a study keeps them at smaller sizes as well.
    """
    return max(1, math.isqrt(Cache().limit_bytes // (CACHE_PARTS * 3 * images)))


def _manifest(settings: StudySettings, say: Say, keep: Keep | None) -> Manifest:
    manifest, audit = create_manifest(
        settings.data,
        seed=settings.seed,
        validation=settings.validation_fraction,
        test=settings.test_fraction,
        labelling=labelling(settings),
        resize=settings.resize,
        keep=keep,
    )
    audit.require_sound()
    for finding in audit.findings:
        if finding.severity == "warning":
            say(finding.sentence())
    if out := len(settings.exclude_images):
        say(f"Left out, as --exclude asks: {out:,} {'image' if out == 1 else 'images'}.")
    return manifest


def labelling(settings: StudySettings) -> Labelling:
    """Returns what settings say about the classes of the images."""
    names = (field.name for field in fields(Labelling))
    return Labelling(**{name: getattr(settings, name) for name in names})


def _space(
    settings: StudySettings, facts: DataFacts, table: ParameterTable, say: Say
) -> tuple[Space, dict[str, str]]:
    """Returns the space without the backbones that cannot be had here, and those."""
    catalogue = table.catalogue
    everything = default_space(facts, tuple(catalogue), table).with_changes(settings.changes)
    left_out: dict[str, str] = {}
    usable = list(catalogue)
    # Without pretrained weights every backbone can be built, and nothing is looked for.
    if "pretrained" in everything and True in everything.values("pretrained"):
        wanted = [str(name) for name in everything.values("backbone")]
        if "backbone" not in settings.space:
            wanted = [name for name in wanted if catalogue.find(name).has_weights][:MOST_DOWNLOADS]
        left_out = unavailable(wanted, catalogue)
        usable = [
            name
            for name, row in catalogue.rows.items()
            if row.weights is None or row.weights.here() is not None
        ]
    if left_out:
        # One download that fails stands for all, so its reason is said once.
        say(f"Left out of the backbones: {', '.join(left_out)}. {next(iter(left_out.values()))}")
    space = default_space(facts, usable, table).with_changes(settings.changes)
    return fit(space, facts, usable), left_out
