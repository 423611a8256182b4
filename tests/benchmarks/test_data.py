"""Benchmarks of the data pipeline; run with `make bench`."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipeline.batches import eval_batches, train_batches
from data_pipeline.cache import Cache
from data_pipeline.manifest import Item, Manifest, create_manifest
from data_pipeline.store import Examples, open_store
from tests.benchmarks.measure import SIX, compare
from tests.hpo.training.plain_keras import augmentation_layers

pytestmark = pytest.mark.bench

PHOTOS, BATCH = 400, 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two class folders of JPEGs, 640 x 480, with a photo's share of detail and grain."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        coarse = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        pixels_hwc = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC))
        grainy_hwc = pixels_hwc + rng.normal(0, 8, pixels_hwc.shape)
        file = root / "ab"[number % 2] / f"{number}.jpg"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(grainy_hwc.clip(0, 255).astype(np.uint8)).save(file, quality=90)
    return root


def test_reading_a_decoded_store(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Second use of a decoded data set, against decoding it as Keras does in every epoch."""
    manifest = _all_in_train(create_manifest(str(photos), seed=0)[0])
    open_store(manifest, 224, Cache(tmp_path))
    # A new cache object verifies the entry's checksum, as a new process does.
    first = open_store(manifest, 224, Cache(tmp_path)).splits["train"]
    ten_epochs = Examples(
        first.images_bhwc, np.tile(first.rows, 10), np.tile(first.labels, 10), first.paths * 10
    )
    files = keras.utils.image_dataset_from_directory(
        photos, image_size=(224, 224), batch_size=BATCH, verbose=False
    )
    comparison = compare(
        "reading a decoded store, 224 px",
        lambda: _count(files),
        lambda: _count(eval_batches(ten_epochs, BATCH)),
        at_least=25,
    )
    with capsys.disabled():
        comparison.show()
    assert comparison.ratio >= comparison.at_least


@pytest.mark.parametrize(("size_px", "count"), [(64, 3200), (180, 512)])
def test_full_augmentation(size_px: int, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Flip, rotation, shift, zoom, shear and brightness, against six Keras layers."""
    shape = (count, size_px, size_px, 3)
    images_bhwc = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    labels = np.zeros(count, np.int32)
    split = Examples(images_bhwc, np.arange(count), labels, ("",) * count)
    layers = augmentation_layers(SIX)

    def augmented(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.cast(images, tf.float32)
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    reference = (
        tf.data.Dataset.from_tensor_slices((images_bhwc, labels))
        .shuffle(count)
        .batch(BATCH)
        .map(augmented, tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    comparison = compare(
        f"full augmentation, {size_px} px",
        lambda: _count(reference),
        lambda: _count(
            train_batches(split, batch_size=BATCH, augment=SIX, seed=0, trial=0, epochs=range(5))
        ),
        at_least=6,
    )
    with capsys.disabled():
        comparison.show()
    assert comparison.ratio >= comparison.at_least


def _all_in_train(manifest: Manifest) -> Manifest:
    items: tuple[Item, ...] = tuple(
        item.model_copy(update={"split": "train"}) for item in manifest.items
    )
    return manifest.model_copy(update={"items": items})


def _count(dataset: tf.data.Dataset) -> int:
    """Takes every batch of a data set and counts the images."""
    return sum(int(images.shape[0]) for images, *_ in dataset)
