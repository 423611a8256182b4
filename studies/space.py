"""What a study searches: a domain for each setting, fixed when the study is created."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel

from data_pipeline.augmentations import AUGMENTATIONS
from models.catalogue import Catalogue
from studies.declarations import domain_of, problem, undeclared
from studies.domains import Choices, Domain, Fixed, IntRange, Value
from studies.errors import StudyError
from studies.parameters import (
    LEVELS,
    PARAMETERS,
    PRETRAINED_BACKBONES,
    SCRATCH_BACKBONES,
    ParameterTable,
)

PRETRAINED_FROM_PX = 32
"""On smaller images ImageNet's features say little, however much they are enlarged."""
MOST_PRETRAINED = 3
"""Pretrained backbones that are searched; what they can do differs less than what sizes can."""
LEAST_PX = 8
"""What the networks from random weights need at least."""
PHOTOS_FROM_PX = 64
"""From this size on images are taken for photos."""
SIZES_PX = (96, 128, 160, 192, 224, 288, 384)
"""Image sizes for pretrained backbones, all whole multiples of their stride of 32."""
SCRATCH_SIZES_PX = (32, 64, 96, 128)
"""Image sizes for networks from random weights, which larger images slow down more than they help
in the time that people have."""
ENLARGED_PX, ENLARGED_PHOTO_PX = 160, 224
"""Smaller images, and smaller photos, are enlarged up to this: pretrained filters were made for
objects of that size. Frozen MobileNets had a third fewer errors on photos of 112 px at 192 px than
at 128 px."""


class DataFacts(BaseModel):
    """What the space and the trials need to know of a data set.

    Attributes:
        classes: Number of classes.
        native_size_px: Median shorter side of the images.
        train_images: Number of training images.
        mirror_safe: Whether a mirrored image is still of its class.
        most_px: Larger sizes are not searched unless somebody asks for them, since the decoded
            images would not fit into the cache.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: int = Field(ge=2)
    native_size_px: int = Field(ge=1)
    train_images: int = Field(ge=1)
    mirror_safe: bool = True
    most_px: int = Field(default=4096, ge=1)


class Space(RootModel[dict[str, Domain]]):
    """Parameter name to domain, in any order.

    A setting that is not in it has its config's default; for a part of the augmentation, the
    level's value.
    """

    model_config = ConfigDict(frozen=True)

    _table: ParameterTable = PrivateAttr(default_factory=lambda: PARAMETERS)

    def of(self, table: ParameterTable) -> Space:
        """Returns this space of other settings: those of a study with backbones of its own."""
        space = self.model_copy()
        space._table = table
        return space

    @property
    def table(self) -> ParameterTable:
        """The settings that its domains are of; not stored, as it is made of the backbones."""
        return self._table

    def __contains__(self, name: str) -> bool:
        return name in self.root

    def __getitem__(self, name: str) -> Domain:
        return self.root[name]

    @property
    def searched(self) -> tuple[str, ...]:
        """The parameters that Optuna is asked for, in the order in which they are sampled."""
        return tuple(name for name in self.table if name in self and self[name].searched)

    @property
    def digest(self) -> str:
        """Hash of every domain."""
        ordered = Space(dict(sorted(self.root.items())))
        return hashlib.sha256(ordered.model_dump_json().encode()).hexdigest()[:16]

    def values(self, name: str) -> tuple[Value, ...]:
        """Returns what `name`, a parameter without an order, may be."""
        domain = self[name]
        if isinstance(domain, Fixed):
            return (domain.value,)
        assert isinstance(domain, Choices), name
        return domain.values

    @property
    def largest_px(self) -> int:
        """The largest image size that a trial can have."""
        names = [str(name) for name in self.values("backbone")]
        loads = "pretrained" in self and True in self.values("pretrained")
        pretrained = [loads and self.table.catalogue.find(name).has_weights for name in names]
        sizes = {True: self["image_size_px"], False: self["scratch_image_size_px"]}
        return max(int(sizes[kind].nearest(1 << 20)) for kind in {*pretrained})

    def with_changes(self, changes: Mapping[str, Any]) -> Space:
        """Returns this space changed as the [space] table of a TOML file says.

        A list declares choices, a table `{low, high, log, step, zero}` a range, a single value
        fixes the parameter, and `false` puts it back to its default.

        Args:
            changes: Parameter name to what the file holds.

        Raises:
            StudyError: Something is unknown or not allowed; names every such thing.
        """
        table = self.table
        problems = [
            found for name in changes if (found := problem(name, changes[name], table)) is not None
        ]
        if problems:
            raise StudyError("\n".join(problems))
        followed = {
            row.name: changes[row.follows]
            for row in table.values()
            if row.follows is not None and row.follows in changes
        }
        domains = self.root | {
            name: domain_of(table[name], change) for name, change in {**followed, **changes}.items()
        }
        return _space(domains, table)


def _space(domains: Mapping[str, Domain | None], table: ParameterTable) -> Space:
    return Space({name: domain for name, domain in domains.items() if domain is not None}).of(table)


def default_space(
    facts: DataFacts, available_backbones: Sequence[str], table: ParameterTable = PARAMETERS
) -> Space:
    """Returns what is searched unless the study says otherwise.

    Args:
        facts: The data, which decide about sizes and mirroring.
        available_backbones: Those that can be built on this machine, weights included.
        table: The settings there are, and the backbones.

    Raises:
        StudyError: No backbone accepts images this small.
    """
    fitted: dict[str, Domain] = {
        "backbone": _one_of(_backbones(facts, available_backbones, table.catalogue)),
        "image_size_px": _one_of(_sizes_px(facts)),
        "scratch_image_size_px": _one_of(
            _large_enough(_scratch_sizes_px(facts), available_backbones, table.catalogue)
        ),
        "augmentation": _one_of(_levels(facts)),
        "batch_size": _one_of(_batch_sizes(facts.train_images)),
        "epochs": IntRange(low=5, high=_most_epochs(facts.train_images), log=True),
    }
    domains = {
        row.name: fitted.get(row.name) or row.default or undeclared(row) for row in table.values()
    }
    return _space(domains, table)


def _one_of(values: Sequence[Value]) -> Domain:
    return Choices(values=tuple(values)) if len(values) > 1 else Fixed(value=values[0])


def _backbones(facts: DataFacts, available: Sequence[str], catalogue: Catalogue) -> list[str]:
    """Returns the pretrained backbones that are here, and those that need no weights."""
    small = []
    for name in available:
        row = catalogue.find(name)
        if row.has_weights and facts.native_size_px < PRETRAINED_FROM_PX:
            continue
        sizes_px = _sizes_px(facts) if row.has_weights else _scratch_sizes_px(facts)
        if row.code or row.min_size_px <= max(sizes_px):
            small.append(name)
    if not small:
        raise StudyError(
            f"No backbone accepts images this small. Received: {facts.native_size_px} px. "
            f"Choose an --image-size of at least "
            f"{min(catalogue.find(name).min_size_px for name in available)}."
        )
    pretrained = [name for name in PRETRAINED_BACKBONES if name in small][:MOST_PRETRAINED]
    known = {*pretrained, *SCRATCH_BACKBONES} & {*small}
    if pretrained and facts.native_size_px >= PHOTOS_FROM_PX:
        # On photos a network from random weights would need hours to come near.
        known = {*pretrained}
    own = [name for name in small if catalogue.find(name).code]
    chosen = [name for name in by_preference(facts) if name in known]
    return [*chosen, *own] if chosen else small


def by_preference(facts: DataFacts) -> tuple[str, ...]:
    """Returns the backbones worth trying first on such data, best choice first."""
    if facts.native_size_px < PRETRAINED_FROM_PX:
        return (*SCRATCH_BACKBONES, *PRETRAINED_BACKBONES)
    return (*PRETRAINED_BACKBONES, *reversed(SCRATCH_BACKBONES))


def _sizes_px(facts: DataFacts) -> list[int]:
    """Sizes up to the images' own, or beyond where those are small."""
    is_photo = facts.native_size_px >= PHOTOS_FROM_PX
    wanted_px = max(ENLARGED_PHOTO_PX if is_photo else ENLARGED_PX, facts.native_size_px * 1.15)
    most_px = min(wanted_px, facts.most_px)
    return [size_px for size_px in SIZES_PX if size_px <= most_px] or [SIZES_PX[0]]


def _scratch_sizes_px(facts: DataFacts) -> list[int]:
    """Sizes up to the images' own, the smallest of those being their own where that is small."""
    own_px = min(facts.native_size_px, max(facts.most_px, SCRATCH_SIZES_PX[0]))
    if own_px < SCRATCH_SIZES_PX[0]:
        return [max(LEAST_PX, own_px)]  # smaller ones are enlarged
    return [size_px for size_px in SCRATCH_SIZES_PX if own_px / 3 < size_px <= own_px] or [
        SCRATCH_SIZES_PX[-1]
    ]


def _large_enough(sizes_px: list[int], available: Sequence[str], catalogue: Catalogue) -> list[int]:
    """Returns the sizes that every network of the user's own takes, or the least one."""
    rows = map(catalogue.find, available)
    least_px = max((row.min_size_px for row in rows if row.code), default=0)
    return [size_px for size_px in sizes_px if size_px >= least_px] or [least_px]


def _levels(facts: DataFacts) -> list[str]:
    levels = {name: AUGMENTATIONS[name].config for name in LEVELS}
    return [
        name
        for name, level in levels.items()
        if facts.mirror_safe or not (level.flip_horizontal or level.flip_vertical)
    ]


def _batch_sizes(train_images: int) -> list[int]:
    """Powers of two that give an epoch at least 4 steps, and not more than it needs."""
    sizes = [size for size in (8, 16, 32, 64, 128, 256, 512) if size <= train_images / 4]
    least = 16 if train_images < 1000 else max(32, train_images / 1500)
    useful = [size for size in sizes if size >= least]
    # Data sets too large for all of them get the largest, those too small for any a tiny one.
    return (useful or sizes[-1:] or [min(8, train_images)])[:5]


def _most_epochs(train_images: int) -> int:
    """Small data sets need more passes for the same number of steps."""
    return min(max(200_000 // train_images, 40), 60)


def fit(space: Space, facts: DataFacts, available_backbones: Sequence[str]) -> Space:
    """Returns `space` without the backbones whose weights are not here, and sizes too small.

    Args:
        space: What was asked for.
        facts: The data.
        available_backbones: Those that can be built on this machine, weights included.

    Raises:
        StudyError: No backbone is left, one needs larger images, or the output does not suit the
            classes; says what was asked for and what there is.
    """
    asked = space.values("backbone")
    values_of_pretrained = space.values("pretrained") if "pretrained" in space else (False,)
    may_load = True in values_of_pretrained
    usable = [name for name in asked if name in available_backbones or not may_load]
    problems: list[str] = []
    sizes: dict[str, Domain] = {}
    for parameter, pretrained in (("image_size_px", True), ("scratch_image_size_px", False)):
        rows = map(space.table.catalogue.find, map(str, usable))
        least_px = {
            row.name: row.min_size_px
            for row in rows
            if pretrained in (values_of_pretrained if row.has_weights else (False,))
        }
        asked_px = space[parameter]
        if isinstance(asked_px, Choices):
            # A backbone that takes the larger ones only leaves the study these.
            large = [px for px in asked_px.values if int(px) >= max(least_px.values(), default=0)]
            if large:
                sizes[parameter] = _one_of(large)
                continue
        smallest_px = int(asked_px.nearest(0))
        problems += [
            f"{name} needs images of at least {px} px. Received: {smallest_px} px. "
            "Set a larger --image-size, or leave it out of backbone."
            for name, px in least_px.items()
            if px > smallest_px
        ]
    if not usable:
        problems.append(
            "None of the backbones has its weights on this machine. "
            f"Received: {', '.join(map(str, asked))}. Available: {', '.join(available_backbones)}. "
            "Set backbone in [space], or pretrained = false."
        )
    if "sigmoid" in space.values("output") and facts.classes != 2:
        problems.append(
            f"output = sigmoid is for two classes. Received: {facts.classes} classes. "
            "Set output = 'softmax'."
        )
    if problems:
        raise StudyError("\n".join(problems))
    return _space(space.root | sizes | {"backbone": _one_of(usable)}, space.table)
