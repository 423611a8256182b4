"""A data set in memory in which wrong labels and odd images were planted."""

from __future__ import annotations

import numpy as np

from data_pipeline.manifest import Item, Manifest
from data_pipeline.store import Examples, ImageStore
from hpo.analysis.embedding import Embedded

SIZE_PX, CLASSES, TRAIN, VALIDATION, TEST = 32, 3, 240, 60, 30
WRONG = tuple(range(0, 300, 20))
DARK, BLURRED, FLAT, COPY, ODD = 31, 52, 73, 94, 115
LEAK = 151, 256


def planted() -> Embedded:
    """Features that tell three classes apart, with the images of `WRONG` under another label."""
    rng = np.random.default_rng(0)
    images = TRAIN + VALIDATION + TEST
    truth = np.arange(images) % CLASSES
    features = rng.normal(size=(images, 12)).astype(np.float32) + 4 * np.eye(12)[truth]
    labels = truth.copy()
    labels[list(WRONG)] = (truth[list(WRONG)] + 1) % CLASSES
    features[ODD] = -30.0 * rng.random(12)
    pixels = rng.integers(0, 256, (images, SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    pixels[DARK] //= 12
    ramp = np.linspace(0, 255, SIZE_PX).astype(np.uint8)
    pixels[BLURRED] = (ramp[:, None, None] // 2) + (ramp[None, :, None] // 2)
    pixels[FLAT] = 120 + pixels[FLAT] // 60
    coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    pixels[COPY] = pixels[COPY + 1] = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    pixels[COPY, 0, 0] = 0
    pixels[LEAK[0]] = pixels[LEAK[1]] = pixels[COPY][::-1]
    return embedded(pixels, labels.astype(np.int32), features)


def embedded(pixels: np.ndarray, labels: np.ndarray, features: np.ndarray) -> Embedded:
    """Returns images of three parts, of `TRAIN`, `VALIDATION` and `TEST` images."""
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    splits, items, begin = {}, [], 0
    for part, count in parts.items():
        rows = np.arange(begin, begin + count)
        paths = tuple(f"{row:03d}.png" for row in rows)
        splits[part] = Examples(pixels, rows, labels[rows], paths)
        items += [
            Item(path=path, sha256=path, label=int(labels[row]), split=part)
            for path, row in zip(paths, rows, strict=True)
        ]
        begin += count
    seen = TRAIN + VALIDATION
    return Embedded(
        manifest=Manifest(
            source="/photos",
            kind="folder",
            layout="class_folders",
            classes=("cat", "dog", "owl"),
            items=tuple(items),
            seed=0,
        ),
        backbones=("mobilenet_1.0",),
        image_size_px=SIZE_PX,
        features=(features[:seen].astype(np.float32),),
        labels=labels[:seen],
        paths=splits["train"].paths + splits["validation"].paths,
        train_images=TRAIN,
        store=ImageStore(SIZE_PX, splits),
    )
