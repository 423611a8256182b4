"""Tests of the decoded store."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from data_pipeline import store as store_module
from data_pipeline.cache import Cache
from data_pipeline.datasets import load_arrays
from data_pipeline.errors import DataError
from data_pipeline.images import read_image
from data_pipeline.manifest import Item, Manifest, create_manifest
from data_pipeline.reading import Reading, Resize
from data_pipeline.sources import image_files
from data_pipeline.store import KIND, Decoded, open_store, resize
from tests.data_pipeline.conftest import Folder, Picture

SPLITS = ("train", "validation", "test")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def manifest(cats_and_dogs: Path) -> Manifest:
    """The manifest of two class folders with ten different images each."""
    return create_manifest(str(cats_and_dogs), seed=0)[0]


def stores(cache: Cache) -> int:
    """Number of stores in a cache."""
    return sum(entry.kind == KIND for entry in cache.usage().entries)


def test_splits_hold_each_image_at_its_place(manifest: Manifest, cache: Cache) -> None:
    """Every example's row holds its own file's pixels, with its label, in the manifest's order."""
    store = open_store(manifest, 6, cache)
    assert store.image_size_px == 6
    assert sum(len(store.splits[name]) for name in SPLITS) == len(manifest.items) == 20
    for name in SPLITS:
        split = store.splits[name]
        items = [item for item in manifest.items if item.split == name]
        assert split.paths == tuple(item.path for item in items)
        assert split.labels.tolist() == [item.label for item in items]
        assert (split.labels.dtype, split.rows.dtype) == (np.int32, np.int64)
        for row, item in zip(split.rows, items, strict=True):
            expected = resize(read_image(Path(manifest.source) / item.path), 6)
            np.testing.assert_array_equal(split.images_bhwc[row], expected)


def test_images_cannot_be_changed(manifest: Manifest, cache: Cache) -> None:
    """One trial cannot spoil the pixels of the next."""
    images_bhwc = open_store(manifest, 6, cache).splits["train"].images_bhwc
    with pytest.raises(ValueError, match="read-only"):
        images_bhwc[0] = 0


def test_second_use_decodes_nothing(
    manifest: Manifest, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another study's split and labels of the same files share the store, undecoded."""
    first = open_store(manifest, 6, cache)
    moved = {"train": "validation", "validation": "test", "test": "train"}
    items = [
        item.model_copy(update={"split": moved[item.split], "label": 1 - item.label})
        for item in manifest.items
    ]
    monkeypatch.setattr(image_files, "read_content", pytest.fail)
    second = open_store(manifest.model_copy(update={"items": tuple(items)}), 6, cache)
    assert stores(cache) == 1
    train, validation = first.splits["train"], second.splits["validation"]
    np.testing.assert_array_equal(train.images_bhwc[train.rows], _pixels(validation))
    np.testing.assert_array_equal(train.labels, 1 - validation.labels)


def _pixels(split: store_module.Examples) -> np.ndarray:
    return split.images_bhwc[split.rows]


def test_what_the_audit_decoded_is_not_decoded_again(
    cats_and_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as fit are kept, and the store is the same."""
    decoded, reads = Decoded(6), []
    monkeypatch.setattr(store_module, "IN_MEMORY_BYTES", 15 * 6 * 6 * 3)
    manifest = create_manifest(str(cats_and_dogs), seed=0, keep=decoded.add)[0]
    expected = open_store(manifest, 6, Cache(tmp_path / "one")).splits["train"]
    read_content = image_files.read_content
    monkeypatch.setattr(
        image_files, "read_content", lambda *args: (reads.append(args), read_content(*args))[1]
    )
    found = open_store(manifest, 6, Cache(tmp_path / "two"), decoded=decoded).splits["train"]
    np.testing.assert_array_equal(found.images_bhwc, expected.images_bhwc)
    assert len(reads) == len(manifest.items) - 15
    decoded.clear()
    assert all(decoded.get(item.sha256) is None for item in manifest.items)


def test_images_kept_in_another_size_are_not_used(cats_and_dogs: Path, tmp_path: Path) -> None:
    """The store is the same as without them."""
    decoded = Decoded(9)
    manifest = create_manifest(str(cats_and_dogs), seed=0, keep=decoded.add)[0]
    assert all(decoded.get(item.sha256) for item in manifest.items)
    expected = open_store(manifest, 6, Cache(tmp_path / "one")).splits["train"]
    found = open_store(manifest, 6, Cache(tmp_path / "two"), decoded=decoded).splits["train"]
    np.testing.assert_array_equal(found.images_bhwc, expected.images_bhwc)


@pytest.mark.parametrize(("size", "kept"), [((8, 20), True), ((20, 7), False)])
def test_small_images_are_not_kept_where_the_size_is_a_guess(
    size: tuple[int, int], kept: bool
) -> None:
    """Their shorter side counts."""
    decoded = Decoded(8, least_px=8)
    decoded.add("x", Image.new("RGB", size))
    assert (decoded.get("x") is not None) is kept


def test_another_size_is_another_store(manifest: Manifest, cache: Cache) -> None:
    """Each image size is decoded and kept by itself."""
    sizes = [open_store(manifest, size_px, cache).splits["train"] for size_px in (6, 9)]
    assert [split.images_bhwc.shape for split in sizes] == [(20, 6, 6, 3), (20, 9, 9, 3)]
    assert stores(cache) == 2


def test_equal_files_share_a_row(folder: Folder, cache: Cache) -> None:
    """Duplicates that a manifest keeps are decoded once."""
    root = folder({"a/1.png": "same", "a/2.png": "same", "b/3.png": None})
    sha256 = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in root.rglob("*.png")}
    items = tuple(
        Item(path=path, sha256=sha256[path[2:]], label=0, split="train")
        for path in ("a/1.png", "a/2.png", "b/3.png")
    )
    manifest = Manifest(
        source=str(root), kind="folder", layout="classes", classes=("a",), items=items, seed=0
    )
    split = open_store(manifest, 6, cache).splits["train"]
    assert split.images_bhwc.shape[0] == 2
    assert split.rows[0] == split.rows[1] != split.rows[2]


def test_large_stores_are_mapped(
    manifest: Manifest, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the pixels stay in the file, and are the same."""
    in_memory = open_store(manifest, 6, cache).splits["train"].images_bhwc
    monkeypatch.setattr(store_module, "IN_MEMORY_BYTES", in_memory.nbytes - 1)
    mapped = open_store(manifest, 6, cache).splits["train"].images_bhwc
    assert not isinstance(in_memory, np.memmap)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, in_memory)


def test_a_changed_store_is_decoded_again(manifest: Manifest, cache: Cache, tmp_path: Path) -> None:
    """A store that somebody wrote into is noticed by the next process and replaced."""
    expected = open_store(manifest, 6, cache).splits["train"].images_bhwc
    (file,) = (tmp_path / "cache" / KIND).glob("*/pixels")
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.warns(UserWarning, match="damaged"):
        images_bhwc = open_store(manifest, 6, Cache(cache.root)).splits["train"].images_bhwc
    np.testing.assert_array_equal(images_bhwc, expected)


@pytest.mark.parametrize("change", ["other picture", "deleted"])
def test_a_data_set_changed_since_its_manifest_is_refused(
    manifest: Manifest, cache: Cache, picture: Picture, change: str
) -> None:
    """The changed file is named, what to do is said, and no store is left."""
    path = Path(manifest.source) / manifest.items[7].path
    path.unlink()
    if change == "other picture":
        picture(change).save(path)
    with pytest.raises(DataError, match="create a new study") as caught:
        open_store(manifest, 6, cache)
    assert f"Received: {str(path)!r}" in str(caught.value)
    assert stores(cache) == 0


def test_a_full_disk_leaves_no_store(
    manifest: Manifest, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up while decoding is explained, and the next try starts anew."""
    write_to = Path.open

    def full(path: Path, *words: str, **more: int) -> IO[Any]:
        return write_to(Path("/dev/full") if path.name == "pixels" else path, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(DataError, match="HPO_CACHE_DIR"):
            open_store(manifest, 6, cache)
    assert stores(cache) == 0
    assert len(open_store(manifest, 6, cache).splits["train"]) == 14


def test_built_in_data(cache: Cache) -> None:
    """A built-in data set is stored by its rows; digits at their own size stay as they are."""
    manifest, _audit = create_manifest("digits", seed=0)
    split = open_store(manifest, 8, cache).splits["validation"]
    images_bhwc, labels, _classes, _mask = load_arrays("digits")
    rows = [int(path) for path in split.paths]
    np.testing.assert_array_equal(_pixels(split), images_bhwc[rows])
    np.testing.assert_array_equal(split.labels, labels[rows])


def test_built_in_data_of_another_version_is_refused(cache: Cache) -> None:
    """A library whose array differs from the manifest's is named with the row."""
    manifest, _audit = create_manifest("digits", seed=0)
    first = manifest.items[0].model_copy(update={"sha256": "0" * 64})
    other = manifest.model_copy(update={"items": (first, *manifest.items[1:])})
    with pytest.raises(DataError, match=f"digits, image {first.path}"):
        open_store(other, 8, cache)


def test_progress_counts_every_image(manifest: Manifest, cache: Cache) -> None:
    """Progress is told once an image while decoding, and not at all on second use."""
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        open_store(manifest, 6, cache, progress=lambda *call: calls.append(call))
    assert calls == [(done, 20) for done in range(1, 21)]


@pytest.mark.parametrize(
    ("width_px", "height_px", "image_size_px"),
    [(64, 48, 20), (37, 90, 24), (90, 37, 24), (17, 17, 40), (24, 24, 24), (300, 3, 16)],
)
@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("stretch", {}),
        ("pad", {"pad_to_aspect_ratio": True}),
        ("crop", {"crop_to_aspect_ratio": True}),
    ],
)
def test_resizing_is_that_of_keras(
    width_px: int, height_px: int, image_size_px: int, how: Resize, options: dict[str, bool]
) -> None:
    """Shrunk or enlarged, stretched, padded or cropped, pixels are within a level of Keras's."""
    import keras

    rng = np.random.default_rng(0)
    pixels_hwc = rng.integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    keras_layer = keras.layers.Resizing(image_size_px, image_size_px, antialias=True, **options)
    expected = np.asarray(keras_layer(pixels_hwc[None].astype(np.float32)))[0]
    found = resize(Image.fromarray(pixels_hwc), image_size_px, how)
    assert found.shape == (image_size_px, image_size_px, 3)
    assert np.abs(found - expected).max() <= 1.25


def test_another_rule_for_pixels_is_another_store(manifest: Manifest, cache: Cache) -> None:
    """Images that are cropped are not those that are stretched."""
    cropped = manifest.model_copy(update={"reading": Reading(resize="crop")})
    stores_of = [open_store(each, 6, cache).splits["train"] for each in (manifest, cropped)]
    assert stores(cache) == 2
    assert (stores_of[0].images_bhwc != stores_of[1].images_bhwc).any()


def test_kept_images_are_cropped_as_the_set_is(cats_and_dogs: Path, tmp_path: Path) -> None:
    """What the audit decoded is used where it became a square in the same way."""
    decoded = Decoded(6, resize="pad")
    manifest, _ = create_manifest(str(cats_and_dogs), seed=0, keep=decoded.add, resize="pad")
    expected = open_store(manifest, 6, Cache(tmp_path / "one")).splits["train"]
    found = open_store(manifest, 6, Cache(tmp_path / "two"), decoded=decoded).splits["train"]
    np.testing.assert_array_equal(found.images_bhwc, expected.images_bhwc)
    other = create_manifest(str(cats_and_dogs), seed=0)[0]
    stretched = open_store(other, 6, Cache(tmp_path / "three")).splits["train"]
    found = open_store(other, 6, Cache(tmp_path / "four"), decoded=decoded).splits["train"]
    np.testing.assert_array_equal(found.images_bhwc, stretched.images_bhwc)


def test_more_than_the_cache_holds(manifest: Manifest, tmp_path: Path) -> None:
    """Images that would fill the disk are refused before any is decoded."""
    cache = Cache(tmp_path / "small", limit_bytes=1_000_000)
    with pytest.raises(DataError, match=r"of 4096 px, which take .* limit is 0\.0 GB") as error:
        open_store(manifest, 4096, cache)
    assert "Choose a smaller --image-size, or set HPO_CACHE_LIMIT" in str(error.value)
    assert stores(cache) == 0
