"""From a `--data` value to a manifest."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.datasets import load_arrays
from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import Item, Manifest, create_manifest
from data_pipeline.parts import SPLITS
from data_pipeline.sources import arrays
from tests.data_pipeline.conftest import Folder


def test_a_folder(cats_and_dogs: Path) -> None:
    """Each file is there once, with its hash and label, sorted by path."""
    manifest, _ = create_manifest(str(cats_and_dogs), seed=5)
    assert (manifest.source, manifest.kind) == (str(cats_and_dogs.resolve()), "folder")
    assert (manifest.layout, manifest.seed) == ("class_folders", 5)
    assert manifest.classes == ("cats", "dogs")
    assert [item.path for item in manifest.items] == sorted(
        f"{name}/{i}.png" for name in ("cats", "dogs") for i in range(10)
    )
    for item in manifest.items:
        content = (cats_and_dogs / item.path).read_bytes()
        assert item.sha256 == hashlib.sha256(content).hexdigest()
        assert manifest.classes[item.label] == item.path.split("/")[0]


def test_counts(cats_and_dogs: Path) -> None:
    """Ten images a class are dealt out 7 to 3 over validation and test."""
    manifest, _ = create_manifest(str(cats_and_dogs), seed=0)
    for name, row in manifest.counts().items():
        assert name in ("cats", "dogs")
        assert tuple(row) == SPLITS
        assert row["train"] == 7
        assert {row["validation"], row["test"]} == {1, 2}


def test_the_digest_is_of_content_not_of_place(cats_and_dogs: Path, tmp_path: Path) -> None:
    """A moved folder has the same digest; another seed or one more file has another."""
    first, _ = create_manifest(str(cats_and_dogs), seed=0)
    moved = shutil.move(cats_and_dogs, tmp_path / "moved")
    again, _ = create_manifest(str(moved), seed=0)
    assert again.digest == first.digest
    assert again.source != first.source
    other_seed, _ = create_manifest(str(moved), seed=1)
    shutil.copy(moved / "cats" / "1.png", moved / "cats" / "copy.png")
    more, _ = create_manifest(str(moved), seed=0)
    assert len({first.digest, other_seed.digest, more.digest}) == 3


items = st.builds(
    Item,
    path=st.text(min_size=1),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    label=st.integers(0, 3),
    split=st.sampled_from(SPLITS),
)


@given(st.lists(items, max_size=5), st.integers(0, 2**63 - 1))
def test_manifests_survive_json(rows: list[Item], seed: int) -> None:
    """A manifest is stored with the study and read back equal, digest included."""
    manifest = Manifest(
        source="/data",
        kind="folder",
        layout="flat",
        classes=tuple("abcd"),
        items=tuple(rows),
        seed=seed,
    )
    again = Manifest.model_validate_json(manifest.model_dump_json())
    assert again == manifest
    assert again.digest == manifest.digest


def test_a_flat_folder_with_a_pattern(folder: Folder) -> None:
    """The pattern reaches the layout."""
    root = folder({f"a-{name}-{i}x.png": None for name in ("cat", "dog") for i in range(3)})
    with pytest.raises(DataError, match="--class-pattern"):
        create_manifest(str(root), seed=0)
    manifest, audit = create_manifest(
        str(root), seed=0, labelling=Labelling(class_pattern="a-(?P<class>[a-z]+)")
    )
    assert manifest.classes == ("cat", "dog")
    assert [finding.code for finding in audit.findings] == ["small_validation"]


def test_digits() -> None:
    """The embedded data set needs no files; its paths are row numbers."""
    manifest, audit = create_manifest("digits", seed=0)
    images, labels, _, _ = load_arrays("digits")
    assert (manifest.source, manifest.kind, manifest.layout) == ("digits", "builtin", "builtin")
    assert len(manifest.items) == 1797
    for item in manifest.items[::100]:
        assert item.label == labels[int(item.path)]
        assert item.sha256 == hashlib.sha256(images[int(item.path)].tobytes()).hexdigest()
    assert audit.findings == ()


def test_a_predefined_test_part_is_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation is split off from the training rows; a leaked row is dropped there."""
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), dtype=np.uint8)
    images[3] = images[50]
    labels, test_mask = np.arange(60) % 2, np.arange(60) >= 40
    labels[3] = labels[50]
    monkeypatch.setattr(arrays, "load_arrays", lambda name: (images, labels, ("a", "b"), test_mask))
    manifest, audit = create_manifest("cifar10", seed=0)
    tested = {int(item.path) for item in manifest.items if item.split == "test"}
    assert tested == set(range(40, 60))
    (leak, _) = audit.findings
    assert (leak.code, leak.paths) == ("leak", ("3", "50"))
    assert len(manifest.items) == 59
    assert sum(item.split == "validation" for item in manifest.items) == 6


def test_a_folder_named_like_a_built_in_set(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`./digits` is the folder, `digits` the built-in data set."""
    root = folder({f"digits/{name}/{i}.png": None for name in "ab" for i in range(3)})
    monkeypatch.chdir(root)
    assert create_manifest("./digits", seed=0)[0].classes == ("a", "b")
    assert len(create_manifest("digits", seed=0)[0].classes) == 10


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("nowhere", r"Received: 'nowhere'.*No such file.*Built-in names: digits, cifar10"),
        ("cifar-10", r"Did you mean 'cifar10'\?"),
        ("Digits", r"Did you mean 'digits'\?"),
        ("x" * 300, "File name too long"),
        ("nul\0", "null"),
        ("\udcff", "No such file"),
    ],
)
def test_no_such_data(data: str, reason: str) -> None:
    """The message says what is possible, and what was probably meant."""
    with pytest.raises(DataError, match=reason):
        create_manifest(data, seed=0)


@pytest.mark.parametrize("name", ["images.7z", "images.tar.gz", "labels.xlsx"])
def test_a_file_of_another_kind(tmp_path: Path, name: str) -> None:
    """Other archives must be unpacked first, and other tables saved as CSV."""
    (tmp_path / name).write_bytes(b"7z")
    with pytest.raises(DataError, match=r"file of another kind\. Unpack it.*save it as CSV"):
        create_manifest(str(tmp_path / name), seed=0)


def test_an_empty_folder(tmp_path: Path) -> None:
    """Nothing in it is said as it is."""
    with pytest.raises(DataError, match="it is empty"):
        create_manifest(str(tmp_path), seed=0)


def test_a_folder_without_images(tmp_path: Path) -> None:
    """What lies there instead is said by kind."""
    (tmp_path / "labels.csv").write_text("a,b")
    with pytest.raises(DataError, match=r"1 other files.*not an image \(1\)"):
        create_manifest(str(tmp_path), seed=0)


def test_a_folder_of_broken_images(tmp_path: Path) -> None:
    """Where no image can be used the message says why."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").touch()
    with pytest.raises(DataError, match=r"images that can be used.*The file is empty.*a/1\.jpg"):
        create_manifest(str(tmp_path), seed=0)


def test_progress_is_told(cats_and_dogs: Path) -> None:
    """The caller hears of every file."""
    told: list[tuple[int, int]] = []
    create_manifest(str(cats_and_dogs), seed=0, progress=lambda *step: told.append(step))
    assert told[-1] == (20, 20)


def test_images_that_are_left_out(cats_and_dogs: Path) -> None:
    """They are another version of the set, in which all others stay in their parts."""
    whole, _ = create_manifest(str(cats_and_dogs), seed=0)
    out = ("cats/0.png", "dogs/7.png")
    less, audit = create_manifest(
        str(cats_and_dogs), seed=0, labelling=Labelling(exclude_images=out)
    )
    assert less.items == tuple(item for item in whole.items if item.path not in out)
    assert less.digest != whole.digest
    assert [f.paths for f in audit.findings if f.code == "excluded"] == [out]


def test_rows_that_are_left_out() -> None:
    """Of arrays a path is a row's number, and never a class of that name."""
    whole, _ = create_manifest("digits", seed=0)
    less, _ = create_manifest("digits", seed=0, labelling=Labelling(exclude_images=("3",)))
    assert less.classes == whole.classes
    assert less.items == tuple(item for item in whole.items if item.path != "3")


def test_unknown_images_are_not_left_out(cats_and_dogs: Path) -> None:
    """A list of another data set is refused."""
    asked = Labelling(exclude_images=("cats/0.png", "owls/1.png", "owls/2.png"))
    with pytest.raises(DataError, match=r"'owls/1.png' and 1 more, which .* does not hold"):
        create_manifest(str(cats_and_dogs), seed=0, labelling=asked)
