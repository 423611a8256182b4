"""How folders are laid out."""

from __future__ import annotations

import pytest

from data_pipeline.errors import DataError
from data_pipeline.layouts import Layout, find_layout


def rows(layout: Layout) -> set[tuple[str, str, str | None]]:
    """The labelled files as plain values."""
    return {(row.path, row.label, row.part) for row in layout.labelled}


def test_class_folders() -> None:
    """Each top folder is a class, and so is all below it."""
    layout = find_layout(["dogs/b.jpg", "cats/x/y/a.jpg", "cats/c.jpg"])
    assert layout.name == "class_folders"
    assert rows(layout) == {
        ("cats/x/y/a.jpg", "cats", None),
        ("cats/c.jpg", "cats", None),
        ("dogs/b.jpg", "dogs", None),
    }


@pytest.mark.parametrize("wrapper", ["data/", "a/b/c/", "train_v2/"])
def test_wrapped_class_folders(wrapper: str) -> None:
    """Folders that only hold the class folders, as archives unpack to, are no class."""
    layout = find_layout([f"{wrapper}cats/a.jpg", f"{wrapper}dogs/b.jpg", "cover.jpg"])
    assert {row.label for row in layout.labelled} == {"cats", "dogs"}
    assert layout.unplaced == ("cover.jpg",)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("Train", "Val", "Test"),
        ("training_set", "valid", "test_set"),
        ("training", "val", "testing"),
        ("seg_train", "seg_valid", "seg_test"),
        ("data/train", "data/val", "data/test"),
        ("train/train", "val", "test/test"),
    ],
)
def test_split_folders(names: tuple[str, str, str]) -> None:
    """The usual names of parts are recognised, also wrapped and repeated."""
    layout = find_layout([f"{part}/{name}/1.jpg" for part in names for name in ("cat", "dog")])
    assert layout.name == "split_class_folders"
    assert layout.unplaced == ()
    assert rows(layout) == {
        (f"{folder}/{name}/1.jpg", name, part)
        for folder, part in zip(names, ("train", "validation", "test"), strict=True)
        for name in ("cat", "dog")
    }


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "val"), ("train",)])
def test_missing_parts(parts: tuple[str, ...]) -> None:
    """A folder with only some of the parts is still a split one."""
    layout = find_layout([f"{part}/{name}/1.jpg" for part in parts for name in ("cat", "dog")])
    assert layout.name == "split_class_folders"
    assert {row.label for row in layout.labelled} == {"cat", "dog"}


def test_split_folders_with_classes_in_file_names() -> None:
    """Parts may be flat; an unlabelled test folder (Kaggle) is left out."""
    train = [f"train/{name}.{i}.jpg" for name in ("cat", "dog") for i in range(5)]
    layout = find_layout([*train, "test1/1.jpg", "test/2.jpg"])
    assert layout.name == "split_file_names"
    assert {(row.label, row.part) for row in layout.labelled} == {
        ("cat", "train"),
        ("dog", "train"),
    }
    assert layout.unplaced == ("test/2.jpg", "test1/1.jpg")


@pytest.mark.parametrize("others", [("bus", "car"), ("bus",), ("test_tube", "bus")])
def test_a_train_may_be_a_vehicle(others: tuple[str, ...]) -> None:
    """A class called `train` beside other classes is no part of a split."""
    layout = find_layout([f"{name}/1.jpg" for name in ("train", *others)])
    assert layout.name == "class_folders"
    assert {row.label for row in layout.labelled} == {"train", *others}


def test_a_train_folder_of_classes_beside_other_images() -> None:
    """A lone `train` with class folders in it is a part; what lies beside it has no class."""
    layout = find_layout(["train/cat/1.jpg", "train/dog/1.jpg", "unlabelled/1.jpg"])
    assert rows(layout) == {
        ("train/cat/1.jpg", "cat", "train"),
        ("train/dog/1.jpg", "dog", "train"),
    }
    assert layout.unplaced == ("unlabelled/1.jpg",)


def test_nothing_to_train_on() -> None:
    """Parts without a training part are refused by name."""
    with pytest.raises(DataError, match=r"Received: test, val\. Add a folder `train`"):
        find_layout(["test/cat/1.jpg", "val/cat/1.jpg"])


def test_flat_folder() -> None:
    """Without folders the class comes from the file names."""
    layout = find_layout(f"{name}{i}.jpg" for name in ("rain", "shine") for i in range(5))
    assert layout.name == "file_names"
    assert {row.label for row in layout.labelled} == {"rain", "shine"}


def test_stray_images_beside_class_folders() -> None:
    """Images outside the class folders have no class."""
    layout = find_layout(["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg", "stray.jpg"])
    assert layout.unplaced == ("stray.jpg",)


def test_given_pattern_goes_before_folders() -> None:
    """With a pattern the file name decides, wherever the file lies."""
    layout = find_layout(["x/cat_1.jpg", "y/cat_2.jpg", "dog_1.jpg"], r"^(?P<class>[a-z]+)_")
    assert layout.name == "file_names"
    assert {(row.path, row.label) for row in layout.labelled} == {
        ("x/cat_1.jpg", "cat"),
        ("y/cat_2.jpg", "cat"),
        ("dog_1.jpg", "dog"),
    }
