"""What a network is fed in training and in validation."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data_pipeline.augment import warp
from data_pipeline.batches import (
    EvalBatch,
    drawn_batches,
    eval_batches,
    generator,
    train_batches,
)
from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import Examples, ImageStore, open_store
from hpo.training.protocol import Train
from studies.trial_config import TrialConfig

OPEN_SIZES = 3
"""Image sizes that a worker has open at once."""

Batch = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Inputs (b, ...), float32; labels (b,), int32; weight of each input beside its mixup partner."""


@dataclass(frozen=True)
class TrialData:
    """The images of a study as a worker holds them. The test images are never touched.

    Attributes:
        manifest: The study's manifest.
        open_images: Opens its images as they are decoded at a size.
        cache: Where features are kept.
    """

    manifest: Manifest
    open_images: Callable[[int], ImageStore]
    cache: Cache
    _opened: OrderedDict[int, ImageStore] = field(default_factory=OrderedDict)

    @classmethod
    def open(cls, manifest_file: Path, alive: Callable[[], None]) -> TrialData:
        """Returns the images of the manifest in a file, which are opened when they are needed.

        Args:
            manifest_file: File with the manifest.
            alive: Called now and then while images are decoded.
        """
        manifest = Manifest.model_validate_json(manifest_file.read_bytes())
        cache = Cache()

        def open_images(image_size_px: int) -> ImageStore:
            return open_store(manifest, image_size_px, cache, progress=lambda *_: alive())

        return cls(manifest, open_images, cache)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.manifest.classes)

    @cached_property
    def train_images(self) -> int:
        """Number of training images."""
        return len(self.labels("train"))

    def images(self, image_size_px: int) -> ImageStore:
        """Returns the images decoded at a size, waited for if another process decodes them.

        Only the last few sizes stay open, as small sets are held in memory.
        """
        store = self._opened.pop(image_size_px, None) or self.open_images(image_size_px)
        self._opened[image_size_px] = store
        while len(self._opened) > OPEN_SIZES:
            self._opened.popitem(last=False)
        return store

    def split(self, name: str, image_size_px: int) -> Examples:
        """Returns `train` or `validation` at a size."""
        assert name != "test", "the test images are sealed"
        return self.images(image_size_px).splits[name]

    def labels(self, name: str) -> npt.NDArray[np.int32]:
        """Returns the classes (n,) of `train` or `validation`."""
        return self._labels[name]

    @cached_property
    def _labels(self) -> Mapping[str, npt.NDArray[np.int32]]:
        labels: dict[str, list[int]] = {"train": [], "validation": []}
        for item in self.manifest.items:
            if item.split in labels:
                labels[item.split].append(item.label)
        return {name: np.array(values, np.int32) for name, values in labels.items()}

    def sample(self, most: int) -> np.ndarray:
        """Returns which training examples to look at for all of them: at most `most`, mixed.

        They are the same for every trial. Of a folder the examples come class after class, so
        those of one batch would be of one class if they were not mixed.
        """
        return generator(0, 0, 0, "sample").permutation(self.train_images)[:most]


class Inputs(Protocol):
    """What a network is fed.

    Attributes:
        on_features: Whether it is activations of a frozen base instead of images.
        failure: What went wrong while inputs were made, beside TensorFlow's own error.
    """

    on_features: bool
    failure: BaseException | None

    @property
    def preparing_bytes(self) -> int:
        """About how much memory it takes to make them."""

    @property
    def base(self) -> keras.Model | None:
        """The whole frozen backbone in float32, where these are its activations; else None."""

    def __len__(self) -> int:
        """Returns the number of training examples."""

    def train(self, job: Train, epochs: Sequence[int]) -> tuple[Iterator[Batch], int]:
        """Returns the batches of consecutive epochs (from 1) and their number in one."""

    def validation(self, batch_size: int) -> Iterator[EvalBatch]:
        """Yields batches of inputs and labels, always the same."""

    def train_sample(self, most: int, batch_size: int) -> Iterator[EvalBatch]:
        """Yields batches of at most `most` training examples, always the same.

        None of them is augmented.
        """

    def trace(self) -> None:
        """Traces what makes them, before they are needed."""


class ImageInputs:
    """Decoded images, augmented anew in every epoch.

    Attributes:
        warp_on_device: Whether images are augmented where the network is trained, rather than
            beforehand on the CPU.
    """

    on_features = False
    base = None
    preparing_bytes = 0
    failure: BaseException | None = None

    def __init__(self, data: TrialData, config: TrialConfig, *, warp_on_device: bool) -> None:
        self._data, self._config = data, config
        self.warp_on_device = warp_on_device

    def __len__(self) -> int:
        return self._data.train_images

    def train(self, job: Train, epochs: Sequence[int]) -> tuple[Iterator[Batch], int]:
        """Returns the batches of consecutive epochs (from 1) and their number in one."""
        make = self._warped_on_device if self.warp_on_device else self._warped_before
        size = self._config.training.batch_size
        drawn = {
            "batch_size": size,
            "augment": self._config.augment,
            "seed": job.seed,
            "trial": job.number,
            "epochs": epochs,
        }
        return make(drawn), math.ceil(len(self) / size)

    def validation(self, batch_size: int) -> Iterator[EvalBatch]:
        """Yields batches of images and labels, always the same."""
        return eval_batches(self._split("validation"), batch_size)

    def train_sample(self, most: int, batch_size: int) -> Iterator[EvalBatch]:
        """Yields batches of at most `most` training images as they are, always the same."""
        split, chosen = self._split("train"), self._data.sample(most)
        paths = tuple(split.paths[index] for index in chosen)
        examples = replace(split, rows=split.rows[chosen], labels=split.labels[chosen], paths=paths)
        return eval_batches(examples, batch_size)

    def trace(self) -> None:
        """Nothing is traced beforehand: a warp is compiled for the size of its batch."""

    def _split(self, name: str) -> Examples:
        return self._data.split(name, self._config.model.image_size_px)

    def _warped_before(self, drawn: Mapping[str, Any]) -> Iterator[Batch]:
        return iter(train_batches(self._split("train"), **drawn))

    def _warped_on_device(self, drawn: Mapping[str, Any]) -> Iterator[Batch]:
        batches = drawn_batches(self._split("train"), **drawn)
        augment = self._config.augment
        for images, transforms, light, labels, mix in batches:
            yield warp(images, transforms, light, augment.fill, augment.coloured), labels, mix
