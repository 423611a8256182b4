"""Data that exist in a program only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import Manifest, create_manifest
from data_pipeline.sources.in_memory import as_settings

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (40, 6, 6, 3), np.uint8)
LABELS = np.arange(40) % 2


def read(tmp_path: Path, data: object, **given: Any) -> Manifest:
    """The manifest of data as `hpo.search` would read them."""
    settings = given | as_settings(data, tmp_path / "data", given)
    place = settings.pop("data")
    return create_manifest(place, seed=0, labelling=Labelling(**settings))[0]


def counts(manifest: Manifest) -> dict[str, int]:
    """Class to number of images."""
    return {name: sum(row.values()) for name, row in manifest.counts().items()}


def parts(manifest: Manifest) -> dict[str, int]:
    """Part of the split to number of images."""
    return {p: sum(i.split == p for i in manifest.items) for p in ("train", "validation", "test")}


def test_a_path_stays_one(tmp_path: Path) -> None:
    """And a name of a built-in set."""
    assert as_settings(tmp_path, tmp_path / "data", {}) == {"data": str(tmp_path)}
    assert as_settings("digits", tmp_path / "data", {}) == {"data": "digits"}
    assert not (tmp_path / "data").exists()


def test_images_and_labels(tmp_path: Path) -> None:
    """Numbers, texts, one-hot rows and lists are labels."""
    names = np.array(["cat", "dog"], dtype=object)[LABELS]
    for labels in (LABELS, LABELS.tolist(), names, np.eye(2)[LABELS], LABELS[:, None]):
        assert list(counts(read(tmp_path, (IMAGES, labels))).values()) == [20, 20]


def test_the_same_arrays_are_the_same_file(tmp_path: Path) -> None:
    """Other labels are another."""
    first = read(tmp_path, (IMAGES, LABELS))
    assert read(tmp_path, (IMAGES.copy(), LABELS)).source == first.source
    assert read(tmp_path, (IMAGES, 1 - LABELS)).source != first.source
    assert len(list((tmp_path / "data").iterdir())) == 2


def test_the_parts_of_keras_data_sets(tmp_path: Path) -> None:
    """The second of two is the test; a dictionary may name everything."""
    train, test = (IMAGES[:30], LABELS[:30]), (IMAGES[30:], LABELS[30:])
    assert parts(read(tmp_path, (train, test)))["test"] == 10
    three = read(tmp_path, ((IMAGES[:20], LABELS[:20]), (IMAGES[20:30], LABELS[20:30]), test))
    assert parts(three) == {"train": 20, "validation": 10, "test": 10}
    named = {"images": IMAGES, "labels": LABELS, "class_names": ["cat", "dog"]}
    assert counts(read(tmp_path, named)) == {"cat": 20, "dog": 20}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (IMAGES, r"Received: an array of shape \(40, 6, 6, 3\), without labels"),
        (3, "Received: int"),
        ((IMAGES, LABELS[:3]), r"Received: `labels` of shape \(3,\) for 40 images"),
        ((IMAGES.transpose(0, 3, 1, 2), LABELS), r"images.transpose\(0, 2, 3, 1\)"),
        ((IMAGES.astype("U"), LABELS), "Images are numbers"),
        (([IMAGES[0], IMAGES[1][:3]], [0, 1]), "must all have one size"),
        (((IMAGES, LABELS),) * 4, "three parts at most"),
        ({"pictures": IMAGES}, r"with pictures \(40, 6, 6, 3\)"),
        (pd.DataFrame({"file": ["gone.png"], "label": ["cat"]}), "none names a file in"),
    ],
)
def test_refuses(tmp_path: Path, data: object, message: str) -> None:
    """Each says what was received, and nothing is written."""
    with pytest.raises(DataError, match=message):
        as_settings(data, tmp_path / "data", {})
    assert not (tmp_path / "data").exists()


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos in the folders of their classes, below the current folder."""
    monkeypatch.chdir(tmp_path)
    for row in range(40):
        file = tmp_path / "photos" / ("cat", "dog")[row % 2] / f"{row:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[row]).save(file)
    return tmp_path / "photos"


def test_a_data_frame(tmp_path: Path, photos: Path) -> None:
    """Paths may be relative or absolute, or below `images`; a missing label leaves a row out."""
    files = sorted(photos.glob("*/*.png"))
    labels = [file.parent.name.upper() for file in files]
    for paths in (files, [file.relative_to(tmp_path) for file in files]):
        manifest = read(tmp_path, pd.DataFrame({"id": range(40), "file": paths, "label": labels}))
        assert counts(manifest) == {"CAT": 20, "DOG": 20}
        assert manifest.images == str(photos)
    frame = pd.DataFrame({"name": [file.stem for file in files], "label": labels})
    frame.loc[0, "label"] = None
    frame["split"] = ["train"] * 20 + ["test"] * 20
    manifest = read(tmp_path, frame, images=str(photos))
    assert counts(manifest) == {"CAT": 19, "DOG": 20}


def test_a_class_of_one_part_only_is_said(tmp_path: Path, photos: Path) -> None:
    """A frame's parts are those of its column."""
    files = sorted(photos.glob("*/*.png"))
    frame = pd.DataFrame({"file": files, "label": [file.parent.name for file in files]})
    frame["split"] = ["test" if int(file.stem) % 8 < 2 else "train" for file in files]
    assert parts(read(tmp_path, frame))["test"] == 10


def test_keras_folder_reader(tmp_path: Path, photos: Path) -> None:
    """The files themselves are taken, in both parts, with the classes of their folders."""
    import keras

    both = keras.utils.image_dataset_from_directory(
        str(photos), image_size=(3, 3), validation_split=0.25, subset="both", seed=0, verbose=False
    )
    manifest = read(tmp_path, both)
    assert parts(manifest)["validation"] == 10
    assert counts(manifest) == {"cat": 20, "dog": 20}
    assert manifest.images == str(photos)
    alone = keras.utils.image_dataset_from_directory(str(photos), image_size=(3, 3), verbose=False)
    assert counts(read(tmp_path, alone)) == {"cat": 20, "dog": 20}


def test_tf_data(tmp_path: Path) -> None:
    """Batches or single images, in an order that shuffling does not change."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    whole = read(tmp_path, data.batch(7))
    assert counts(whole) == {"0": 20, "1": 20}
    assert read(tmp_path, data.shuffle(40)).source == whole.source
    grey = tf.data.Dataset.from_tensor_slices((IMAGES[..., 0], LABELS))
    assert counts(read(tmp_path, grey)) == {"0": 20, "1": 20}
    assert parts(read(tmp_path, (data.take(30), data.skip(30))))["validation"] == 10
    with pytest.raises(DataError, match="must end"):
        read(tmp_path, data.repeat())
    with pytest.raises(DataError, match="pairs of images and labels"):
        read(tmp_path, tf.data.Dataset.from_tensor_slices(IMAGES))
