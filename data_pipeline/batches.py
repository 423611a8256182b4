"""Batches: shuffled and augmented ones to train on, plain ones in a fixed order to evaluate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data_pipeline.augment import Draws, draw, warp
from data_pipeline.config import AugmentConfig
from data_pipeline.store import Examples

EvalBatch = tuple[npt.NDArray[np.generic], npt.NDArray[np.int32]]
"""Inputs (b, ...) and labels (b,)."""

Columns = tuple[npt.NDArray[np.generic], ...]
"""Rows of the images, transforms, changes of light, labels and mixup weights of an epoch."""

PREFETCHED = 2
"""Batches made ahead: enough to hide their making, few enough for large images."""

PARALLEL = 2
"""Batches in the making; more would only hold memory, since each is made by all CPUs anyway."""


def generator(seed: int, trial: int, epoch: int, purpose: str) -> np.random.Generator:
    """Random numbers that depend on these four alone: no state, so any epoch can be drawn again.

    Philox (Salmon et al. 2011) gives the same numbers on every platform.

    Args:
        seed: The study's.
        trial: Number of the trial.
        epoch: Number of the epoch.
        purpose: Keeps the numbers drawn for one thing apart from those for another.
    """
    text = json.dumps([seed, trial, epoch, purpose])
    key = hashlib.sha256(text.encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def train_batches(
    split: Examples,
    *,
    batch_size: int,
    augment: AugmentConfig,
    seed: int,
    trial: int,
    epochs: Sequence[int],
) -> tf.data.Dataset:
    """Shuffled, augmented batches of consecutive epochs.

    One data set spans them, because starting one takes 50 ms, which is longer than a small epoch,
    and the next epoch's first batches are made while this one's network is evaluated. Every epoch
    is `ceil(len(split) / batch_size)` batches, the last of which may be smaller.

    Args:
        split: What to train on; not empty.
        batch_size: Images a batch.
        augment: What is drawn for each image.
        seed: The study's.
        trial: Number of the trial.
        epochs: Their numbers, such as `range(3, 20)` to go on after the first three.

    Returns:
        Images (bhwc, float32, 0..255), labels (b, int32) and `Draws.mix_b`. The element's
        specification depends on the image size alone.
    """
    drawn = _drawn(split, batch_size, augment, seed, trial, epochs)
    return prefetched(drawn.map(_warper(augment), PARALLEL))


def drawn_batches(
    split: Examples,
    *,
    batch_size: int,
    augment: AugmentConfig,
    seed: int,
    trial: int,
    epochs: Sequence[int],
) -> tf.data.Dataset:
    """`train_batches` before the warp, for a training step that applies it on a GPU.

    Returns:
        Images (bhwc, uint8), `Draws.transforms_b8`, `Draws.light_b3`, labels (b, int32) and
        `Draws.mix_b`.
    """
    return prefetched(_drawn(split, batch_size, augment, seed, trial, epochs))


def eval_batches(split: Examples, batch_size: int) -> Iterator[EvalBatch]:
    """Images (bhwc, uint8) and labels (b, int32) in the split's order, never augmented.

    Without `tf.data`: copying decoded images needs no threads, and making a data set takes longer
    than evaluating a small one.
    """
    for begin in range(0, len(split), batch_size):
        batch = slice(begin, begin + batch_size)
        yield _take(split, split.rows[batch]), split.labels[batch]


def augmented_view(
    split: Examples, augment: AugmentConfig, view: int, batch_size: int
) -> tf.data.Dataset:
    """One of several fixed views of a split, the same for every trial and every study.

    Args:
        split: The examples, which come in its order.
        augment: What is drawn; mixup is not, since it is no property of one image.
        view: Which one; 0 is the images as they are.
        batch_size: Images a batch; the view does not depend on it.

    Returns:
        Images (bhwc, float32, 0..255) and labels (b, int32).
    """
    shown = AugmentConfig() if view == 0 else augment.model_copy(update={"mixup_alpha": 0.0})

    def columns(_epoch: np.int64) -> Columns:
        rng = generator(0, 0, view, f"view {shown.model_dump_json()}")
        return _columns(split, draw(shown, len(split), split.images_bhwc.shape[1], rng))

    drawn = _batches(split, columns, [0], batch_size)
    warped = drawn.map(_warper(shown), PARALLEL)
    return prefetched(warped.map(lambda images, labels, _mix: (images, labels)))


def _drawn(
    split: Examples,
    batch_size: int,
    augment: AugmentConfig,
    seed: int,
    trial: int,
    epochs: Sequence[int],
) -> tf.data.Dataset:
    size_px = split.images_bhwc.shape[1]

    def columns(epoch: np.int64) -> Columns:
        # Drawn in the split's order, so that an image's changes do not hang on where it comes.
        draws = draw(augment, len(split), size_px, generator(seed, trial, int(epoch), "augment"))
        order = generator(seed, trial, int(epoch), "order").permutation(len(split))
        return tuple(column[order] for column in _columns(split, draws))

    return _batches(split, columns, epochs, batch_size)


def _columns(split: Examples, draws: Draws) -> Columns:
    return split.rows, draws.transforms_b8, draws.light_b3, split.labels, draws.mix_b


def _batches(
    split: Examples,
    columns: Callable[[np.int64], Columns],
    epochs: Sequence[int],
    batch_size: int,
) -> tf.data.Dataset:
    """Batches of each epoch's columns, with the images in place of their rows."""
    types = (tf.int64, tf.float32, tf.float32, tf.int32, tf.float32)
    shapes = ([None], [None, 8], [None, 3], [None], [None])
    read = _row_reader(split)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        arrays = tf.numpy_function(columns, [epoch], types)
        arrays = tuple(map(tf.ensure_shape, arrays, shapes))
        return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)

    dataset = tf.data.Dataset.from_tensor_slices(np.array(epochs, np.int64)).flat_map(one_epoch)
    return dataset.map(lambda rows, *rest: (read(rows), *rest), PARALLEL)


def _row_reader(split: Examples) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns what gathers a batch of images within a graph."""

    def read(rows: tf.Tensor) -> tf.Tensor:
        images = tf.numpy_function(partial(_take, split), [rows], tf.uint8, stateful=False)
        return tf.ensure_shape(images, [None, *split.images_bhwc.shape[1:]])

    return read


def _take(split: Examples, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Copies images from memory or from the mapped file; unlike indexing, outside Python's lock."""
    return np.take(split.images_bhwc, rows, axis=0)


def _warper(augment: AugmentConfig) -> Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns what applies the draws to a batch's images, or nothing where none changes them."""
    if augment.alone == AugmentConfig():
        return lambda images, _transforms, _light, labels, mix: (
            tf.cast(images, tf.float32),
            labels,
            mix,
        )
    return lambda images, transforms, light, labels, mix: (
        warp(images, transforms, light, augment.fill, augment.coloured),
        labels,
        mix,
    )


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Made ahead; without graph rewriting and tuning, which take longer than a small epoch."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.prefetch(PREFETCHED).with_options(options)
