"""Frozen work done once: what a frozen base makes of the images, kept like decoded images.

A frozen base computes the same activations for the same pixels in every epoch of every trial. So
the augmented images of a frozen trial are a few fixed views, each the same for every trial and
seen in turn, and what the base makes of a view is computed once and kept in the cache. Whether it
was there already changes how long a trial takes and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data_pipeline.batches import (
    EvalBatch,
    augmented_view,
    eval_batches,
    generator,
    prefetched,
)
from data_pipeline.config import AugmentConfig
from hpo.training.inputs import Batch, TrialData
from hpo.training.protocol import Train
from models.bodies import require_weights
from models.catalogue import BUILT_IN, Catalogue
from models.config import ModelConfig
from models.memory import MOST_EVALUATED, forward_elements
from models.network import build_network
from models.normalization import fold
from studies.trial_config import EPOCHS_A_VIEW, TrialConfig

FORMAT = 4
"""Raised when the same settings would be stored as other numbers."""
LIMIT_BYTES = 2 << 30
"""Larger sets of views are not kept: the base computes them anew, with fresh augmentation."""
FORWARD_BYTES = 1 << 28
"""About how much memory a forward pass of a frozen base may take; it is the same for every trial,
as the activations of all trials are."""
Floats = npt.NDArray[np.float16] | npt.NDArray[np.float32]


class _Base:
    """A frozen base and its forward pass, traced once for all batches of all views.

    Attributes:
        model: The base, its batch normalisations folded.
        image_bytes: About what one image takes in the forward pass.
        forward: Images (b, h, w, 3) to activations, float32.
    """

    def __init__(self, model: keras.Model, precision: str) -> None:
        fold(model)
        self.model = model
        self.image_bytes = forward_elements(model) * (4 if precision == "float32" else 2)
        self.forward = tf.function(
            lambda images: tf.cast(model(images, training=False), tf.float32),
            [tf.TensorSpec(model.input_shape)],
        )


class Features:
    """The activations of one frozen base, for any view of the images of one data set.

    Attributes:
        shape: Of one image's activations.
    """

    def __init__(
        self,
        model: ModelConfig,
        data: TrialData,
        precision: str,
        alive: Callable[[], None],
        catalogue: Catalogue = BUILT_IN,
    ) -> None:
        """Takes the network that the base is part of, and how its base is computed.

        Args:
            model: The network.
            data: The images.
            precision: Keras dtype policy for training images.
            alive: Called now and then while activations are computed, here or by another worker
                that this one waits for; both may take minutes.
            catalogue: Where the backbone is looked up.
        """
        self._model, self._data, self._precision = model, data, precision
        self._alive, self._catalogue = alive, catalogue
        weights = require_weights(catalogue.find(model.backbone))
        self._weights_digest = _digest(weights, weights.stat().st_size, weights.stat().st_mtime_ns)
        self._bases: dict[str, _Base] = {}
        self._opened: dict[tuple[str, ...], Floats] = {}
        self._folders: list[Path] = []
        self.shape: tuple[int, ...] = tuple(self._base(precision).model.output_shape[1:])

    @property
    def parameters(self) -> int:
        """Number of weights it holds."""
        return sum(int(base.model.count_params()) for base in self._bases.values())

    @property
    def base(self) -> keras.Model:
        """The base in float32."""
        return self._base("float32").model

    @property
    def preparing_bytes(self) -> int:
        """About how much memory a forward pass of the base takes."""
        base = self._base("float32")
        return 4 * int(base.model.count_params()) + self._batch("float32") * base.image_bytes

    def train_view(self, augment: AugmentConfig, view: int) -> Floats:
        """Returns the activations (n, *shape), float16, of one view of the training images."""
        split = self._data.split("train", self._model.image_size_px)
        if view == 0:
            augment = AugmentConfig()  # the images as they are, shared by all augmentations
        return self._open(
            ("train", augment.model_dump_json(), str(view)),
            len(split),
            np.dtype(np.float16),
            self._precision,
            lambda: augmented_view(split, augment, view, self._batch(self._precision)),
        )

    def validation(self) -> tuple[Floats, npt.NDArray[np.int32]]:
        """Returns the activations (n, *shape), float32, and labels of the validation images."""
        split = self._data.split("validation", self._model.image_size_px)
        array = self._open(
            ("validation",),
            len(split),
            np.dtype(np.float32),
            "float32",
            lambda: eval_batches(split, self._batch("float32")),
        )
        return array, split.labels

    def trace(self) -> None:
        """Traces the forward passes for training and validation images."""
        for precision in (self._precision, "float32"):
            self._base(precision).forward.get_concrete_function()

    def release(self) -> None:
        """Lets go of what was opened, so that it may be evicted from the cache."""
        self._opened.clear()
        while self._folders:
            self._data.cache.release(self._folders.pop())

    def _base(self, precision: str) -> _Base:
        if precision not in self._bases:
            network = build_network(
                self._model, seed=0, precision=precision, catalogue=self._catalogue
            )
            assert network.base is not None
            self._bases[precision] = _Base(network.base, precision)
        return self._bases[precision]

    def _batch(self, precision: str) -> int:
        """Returns how many images the base is given at once."""
        fitting = FORWARD_BYTES // self._base(precision).image_bytes
        return max(1, min(fitting, MOST_EVALUATED))

    def _open(
        self,
        what: tuple[str, ...],
        count: int,
        dtype: np.dtype[np.float16] | np.dtype[np.float32],
        precision: str,
        images: Callable[[], Iterable[Any]],
    ) -> Floats:
        if what not in self._opened:
            shape = (count, *self.shape)
            folder = self._data.cache.entry(
                "features",
                self._key(what, precision),
                lambda folder: self._compute(folder, images(), shape, dtype, precision),
                waiting=self._alive,
            )
            self._folders.append(folder)
            self._opened[what] = np.memmap(folder / "features", dtype, mode="r", shape=shape)
        return self._opened[what]

    def _key(self, what: tuple[str, ...], precision: str) -> str:
        model = self._model
        identity = [
            FORMAT,
            keras.__version__,
            self._data.manifest.digest,
            [model.backbone, model.image_size_px, model.trainable_stages, model.pooling],
            self._weights_digest,
            precision,
            bool(tf.config.get_visible_devices("GPU")),
            os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
            what,
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]

    def _compute(
        self,
        folder: Path,
        images: Iterable[Any],
        shape: tuple[int, ...],
        dtype: np.dtype[np.float16] | np.dtype[np.float32],
        precision: str,
    ) -> None:
        base = self._base(precision)
        limits = np.finfo(dtype)
        with (folder / "features").open("wb") as file:
            for batch, *_ in images:
                values = base.forward(tf.cast(batch, tf.float32)).numpy()
                self._alive()
                file.write(np.clip(values, limits.min, limits.max).astype(dtype).tobytes())
        expected = math.prod(shape) * dtype.itemsize
        assert (folder / "features").stat().st_size == expected


@lru_cache
def _digest(weights: Path, size_bytes: int, changed_ns: int) -> str:
    """Returns the SHA-256 of a file, which is read again only once it has changed."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def features_fit(features: Features, config: TrialConfig, images: int) -> bool:
    """Whether all of a trial's views together are small enough to be kept."""
    per_image = math.prod(features.shape) * np.dtype(np.float16).itemsize
    return images * per_image * config.views <= LIMIT_BYTES


class FeatureInputs:
    """Activations of a frozen base, of one view of the images in each epoch."""

    on_features = True

    def __init__(self, data: TrialData, config: TrialConfig, features: Features) -> None:
        self._data, self._config, self._features = data, config, features
        self.failure: BaseException | None = None

    @property
    def base(self) -> keras.Model | None:
        """The frozen backbone, where all of it is."""
        return self._features.base if self._config.model.trainable_stages == 0 else None

    @property
    def preparing_bytes(self) -> int:
        """About how much memory it takes to compute them."""
        return self._features.preparing_bytes

    def __len__(self) -> int:
        return self._data.train_images

    def train(self, job: Train, epochs: Sequence[int]) -> tuple[Iterator[Batch], int]:
        """Returns the batches of consecutive epochs (from 1) and their number in one."""
        count, size = len(self), self._config.training.batch_size
        types, shapes = (tf.int64, tf.int64, tf.int32, tf.float32), [[None]] * 4

        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            columns = tf.numpy_function(lambda e: self._columns(job, int(e)), [epoch], types)
            columns = tuple(map(tf.ensure_shape, columns, shapes))
            return tf.data.Dataset.from_tensor_slices(columns).batch(size)

        batches = tf.data.Dataset.from_tensor_slices(np.array(epochs, np.int64)).flat_map(one_epoch)
        batches = batches.map(
            lambda rows, views, labels, mix: (self._look_up(rows, views), labels, mix)
        )
        return iter(prefetched(batches)), math.ceil(count / size)

    def validation(self, batch_size: int) -> Iterator[EvalBatch]:
        """Yields batches of activations and labels, always the same."""
        array, labels = self._features.validation()
        for begin in range(0, len(labels), batch_size):
            batch = slice(begin, begin + batch_size)
            yield array[batch], labels[batch]

    def train_sample(self, most: int, batch_size: int) -> Iterator[EvalBatch]:
        """Yields batches of the activations of at most `most` unaugmented training images."""
        array = self._features.train_view(AugmentConfig(), 0)
        labels = self._data.labels("train")
        chosen = self._data.sample(most)
        for begin in range(0, len(chosen), batch_size):
            rows = chosen[begin : begin + batch_size]
            yield array[rows], labels[rows]

    def trace(self) -> None:
        """Traces the frozen base, before it has to compute anything."""
        self._features.trace()

    def _columns(self, job: Train, epoch: int) -> tuple[npt.NDArray[Any], ...]:
        """Returns one epoch's rows, views, labels and mixup weights, in training order."""
        count, alpha = len(self), self._config.augment.mixup_alpha
        order = generator(job.seed, job.number, epoch, "order").permutation(count)
        rng = generator(job.seed, job.number, epoch, "mixup")
        mix = rng.beta(alpha, alpha, count) if alpha else np.ones(count)
        view = (epoch - 1) // EPOCHS_A_VIEW % self._config.views
        return (
            order,
            np.full(count, view),
            self._data.labels("train")[order],
            mix.astype(np.float32),
        )

    def _read(
        self, rows: npt.NDArray[np.int64], views: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        try:
            view = self._features.train_view(self._config.augment.alone, int(views[0]))
        except BaseException as error:
            self.failure = error  # TensorFlow would hand on its text alone
            raise
        return view[rows].astype(np.float32)

    def _look_up(self, rows: tf.Tensor, views: tf.Tensor) -> tf.Tensor:
        values = tf.numpy_function(self._read, (rows, views), tf.float32, stateful=False)
        return tf.ensure_shape(values, (None, *self._features.shape))
