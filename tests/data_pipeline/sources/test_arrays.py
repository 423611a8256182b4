"""Arrays of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import create_manifest
from data_pipeline.sources.arrays import Arrays

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), np.uint8)
LABELS = np.arange(20) % 2


def save(folder: Path, **arrays: Any) -> str:
    """Writes an .npz file."""
    np.savez(folder / "a.npz", **arrays)
    return str(folder / "a.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": IMAGES, "labels": LABELS},
        {"x": IMAGES, "y": LABELS[:, None]},
        {"X": IMAGES, "Y": np.eye(2)[LABELS]},
        {"data": IMAGES, "targets": LABELS.astype(np.float32)},
        {"images": IMAGES[..., 0], "labels": LABELS},
        {"images": IMAGES[..., :1], "labels": LABELS.astype(bool)},
        {"images": IMAGES.astype(np.float32) / 255, "labels": LABELS},
        {"images": IMAGES.astype(np.uint16) * 16, "labels": LABELS},
    ],
)
def test_usual_keys_and_types(tmp_path: Path, arrays: dict[str, Any]) -> None:
    """Grey or colour, of any number type; labels as numbers or one-hot."""
    data = save(tmp_path, **arrays)
    manifest, _ = create_manifest(data, seed=0)
    assert len(manifest.classes) == 2
    images = next(iter(arrays.values()))
    expected = IMAGES[3] if images.ndim == 4 and images.shape[-1] == 3 else IMAGES[3, ..., :1]
    found = np.asarray(manifest.open().read("3", manifest.reading))
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("xtrain", "ytrain", "xtest", "ytest"),
    ],
)
def test_given_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    """The test part stays, and the rows are numbered through."""
    parts = (IMAGES[:14], LABELS[:14], IMAGES[14:], LABELS[14:])
    manifest, _ = create_manifest(save(tmp_path, **dict(zip(names, parts, strict=True))), seed=0)
    assert {int(i.path) for i in manifest.items if i.split == "test"} == set(range(14, 20))


def test_names_and_groups(tmp_path: Path) -> None:
    """Labels index the names, and groups stay together."""
    data = save(
        tmp_path,
        images=IMAGES,
        labels=LABELS,
        class_names=["cat", "dog"],
        groups=np.arange(20) // 4,
    )
    manifest, _ = create_manifest(data, seed=0)
    assert manifest.classes == ("cat", "dog")
    sides = {(int(item.path) // 4, item.split) for item in manifest.items}
    assert len(sides) == 5


def test_numbers_are_sorted_by_value(tmp_path: Path) -> None:
    """Ten comes after nine."""
    data = save(
        tmp_path, images=np.concatenate([IMAGES, 255 - IMAGES])[:36], labels=np.arange(36) % 12
    )
    assert create_manifest(data, seed=0)[0].classes == tuple(map(str, range(12)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "images (20, 6, 5, 3). Rename"),
        ({}, "nothing. Rename"),
        ({"images": IMAGES[0], "labels": LABELS}, "for 6 images"),
        ({"images": IMAGES[0, 0], "labels": LABELS}, "shape (5, 3). Reshape"),
        ({"images": IMAGES.transpose(0, 3, 1, 2), "labels": LABELS}, "transpose(0, 2, 3, 1)"),
        ({"images": IMAGES, "labels": LABELS[:9]}, "shape (9,) for 20 images"),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "with fractions"),
        ({"images": IMAGES.astype("U3"), "labels": LABELS}, "<U3"),
        ({"images": IMAGES * np.nan, "labels": LABELS}, "NaN"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["a"]}, "1 names, and labels up to 1"),
        ({"images": IMAGES, "labels": LABELS, "groups": [1]}, "(1,), with 20 images"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """Rank, type and number, with what to do."""
    with pytest.raises(DataError) as caught:
        create_manifest(save(tmp_path, **arrays), seed=0)
    assert message in str(caught.value)


def test_objects_are_never_loaded(tmp_path: Path) -> None:
    """They could run code."""
    objects = np.array([{"a": 1}] * 20, dtype=object)
    with pytest.raises(DataError, match="arrays of objects are not read"):
        create_manifest(save(tmp_path, images=IMAGES, labels=objects), seed=0)
    (tmp_path / "torn.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"An \.npz file of images holds"):
        Arrays(str(tmp_path / "torn.npz")).find(Labelling())
