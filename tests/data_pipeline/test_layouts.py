"""How folders are laid out."""

from __future__ import annotations

import unicodedata

import pytest

from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
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
        ("SET_train_HR", "SET_valid_HR", "SET_test_HR"),
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
    assert layout.unlabelled == ("test/2.jpg", "test1/1.jpg")
    assert layout.unplaced == ()


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
    layout = find_layout(
        ["x/cat_1.jpg", "y/cat_2.jpg", "dog_1.jpg"], Labelling(class_pattern=r"^(?P<class>[a-z]+)_")
    )
    assert layout.name == "file_names"
    assert {(row.path, row.label) for row in layout.labelled} == {
        ("x/cat_1.jpg", "cat"),
        ("y/cat_2.jpg", "cat"),
        ("dog_1.jpg", "dog"),
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("1.Training", "2.Testing"),
        ("train12", "test1"),
        ("train2017", "val_2017"),
        ("train_v2", "val_v2"),
        ("train-224x224", "eval-224x224"),
        ("학습", "평가"),
        ("훈련 데이터", "테스트 데이터"),
        ("训练集", "测试集"),
        ("entrenamiento", "prueba"),
    ],
)
def test_numbered_and_translated_parts(train: str, test: str) -> None:
    """Part words with numbers, years, versions and sizes, and of other languages, are parts."""
    paths = [f"{part}/{name}/{i}.jpg" for part in (train, test) for name in "ab" for i in range(3)]
    layout = find_layout(paths)
    assert layout.name == "split_class_folders"
    assert {row.label for row in layout.labelled} == {"a", "b"}


def test_several_folders_of_one_part() -> None:
    """`train1` and `train2` are both trained on, and nothing is a class but what is in them."""
    parts = {"train1": "train", "train2": "train", "test1": "test"}
    layout = find_layout(f"{top}/{name}/1.jpg" for top in parts for name in ("cat", "dog"))
    assert rows(layout) == {
        (f"{top}/{name}/1.jpg", name, part)
        for top, part in parts.items()
        for name in ("cat", "dog")
    }


@pytest.mark.parametrize("loose", ["test/{i}.jpg", "test/unknown/{i}.jpg", "test/test/{i}.jpg"])
def test_an_unlabelled_part_is_called_that(loose: str) -> None:
    """A part without the classes of the training part is left out, and makes no class."""
    known = [f"train/{name}/{i}.jpg" for name in ("cat", "dog") for i in range(3)]
    unknown = [loose.format(i=i) for i in range(3)]
    layout = find_layout(known + unknown)
    assert {row.path for row in layout.labelled} == set(known)
    assert layout.unlabelled == tuple(sorted(unknown))


def test_variants_of_one_set_are_no_classes() -> None:
    """Folders that hold the same folders are refused by name, with the ways out."""
    variants = ("color", "grayscale", "segmented")
    paths = [f"{top}/{name}/1.jpg" for top in variants for name in ("apple", "corn", "vine")]
    with pytest.raises(DataError, match=r"Received: 'color' and 'grayscale'.*--class-level 2"):
        find_layout(paths)
    layout = find_layout(paths, Labelling(class_level=2))
    assert {row.label for row in layout.labelled} == {"apple", "corn", "vine"}
    layout = find_layout(paths, Labelling(class_level=1))
    assert {row.label for row in layout.labelled} == set(variants)


def test_a_class_of_two_levels_is_its_top_folder() -> None:
    """Makes with models of their own are classes."""
    models = {"kia": ("rio", "ceed"), "bmw": ("x1", "x3")}
    layout = find_layout(f"{make}/{model}/1.jpg" for make in models for model in models[make])
    assert {row.label for row in layout.labelled} == {"kia", "bmw"}


def test_shards_beside_a_table_are_no_classes() -> None:
    """Folders that differ in a number only are refused where a table lies beside them."""
    paths = [f"images_part_{shard}/{i}.jpg" for shard in (1, 2) for i in range(4)]
    with pytest.raises(DataError, match=r"beside 'meta\.csv'\. Pass the table as --data"):
        find_layout(paths, tables=["meta.csv"])
    with pytest.raises(DataError, match=r"pieces of one set are no classes.*--class-level 1"):
        find_layout(paths)
    layout = find_layout(paths, Labelling(class_level=1))
    assert {row.label for row in layout.labelled} == {"images_part_1", "images_part_2"}


@pytest.mark.parametrize("name", ["{}", "species{}", "class_{}", "{}. street"])
def test_numbered_classes_stay_classes(name: str) -> None:
    """Where no table lies beside them, and they are not called like pieces."""
    layout = find_layout(f"{name.format(i)}/{n}.jpg" for i in range(3) for n in range(3))
    assert {row.label for row in layout.labelled} == {name.format(i) for i in range(3)}


def test_masks_beside_images_are_no_classes() -> None:
    """Neither `images` nor what lies beside it as `annotations` or `masks` is a class."""
    images = [f"images/{name}_{i}.jpg" for name in ("pug", "beagle") for i in range(4)]
    masks = [f"annotations/trimaps/{name}_{i}.png" for name in ("pug", "beagle") for i in range(4)]
    layout = find_layout(images + masks)
    assert layout.name == "file_names"
    assert {(row.path, row.label) for row in layout.labelled} == {
        (path, path.split("/")[1].split("_")[0]) for path in images
    }
    assert layout.annotations == tuple(sorted(masks))


def test_a_lone_folder_of_images_is_no_class() -> None:
    """Its name says nothing, so the file names do."""
    layout = find_layout(f"images/{name}_{i}.jpg" for name in ("pug", "beagle") for i in range(4))
    assert {row.label for row in layout.labelled} == {"pug", "beagle"}


def test_masks_within_classes_are_left_out() -> None:
    """In folders beside the images of each class, or beside each image by its name."""
    paths = [
        f"{name}/{kind}/{i}.png" for name in "ab" for kind in ("images", "masks") for i in "12"
    ]
    layout = find_layout(paths)
    assert rows(layout) == {(path, path[0], None) for path in paths if "images" in path}
    names = ["a/x (1).png", "a/x (1)_mask.png", "a/x (1)_mask_1.png", "b/mask.png", "b/y.png"]
    layout = find_layout(names)
    assert layout.annotations == ("a/x (1)_mask.png", "a/x (1)_mask_1.png")


def test_a_set_once_more_inside_itself() -> None:
    """The folder to delete is named."""
    files = [f"{name}/{i}.png" for name in ("sick", "well") for i in range(5)]
    with pytest.raises(DataError, match=r"the folder 'cells/cells', which repeats .* Delete it"):
        find_layout([f"cells/{file}" for file in files] + [f"cells/cells/{file}" for file in files])


def test_one_name_in_two_unicode_forms_is_one_class() -> None:
    """MacOS writes names decomposed; they are compared and named composed."""
    names = [unicodedata.normalize(form, "고양이") for form in ("NFC", "NFD")]
    layout = find_layout([*(f"{name}/{i}.jpg" for i, name in enumerate(names)), "dog/2.jpg"])
    assert {row.label for row in layout.labelled} == {names[0], "dog"}


def test_parts_spell_classes_as_the_training_part_does() -> None:
    """`test/cat` is measured as `Cat` of `train`; within the training part both stay."""
    layout = find_layout(["train/Cat/1.jpg", "train/Dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"])
    assert {row.label for row in layout.labelled} == {"Cat", "Dog"}
    layout = find_layout(["Cat/1.jpg", "cat/1.jpg", "dog/1.jpg"])
    assert {row.label for row in layout.labelled} == {"Cat", "cat", "dog"}


def test_numbered_folders_below_the_classes_are_groups() -> None:
    """One a patient, for instance; a few folders with names are none."""
    paths = [f"{name}/patient{i:02}/{n}.jpg" for name in "ab" for i in range(6) for n in range(2)]
    layout = find_layout([path.replace("a/patient", "a/pat") for path in paths])
    groups = {row.path: row.group for row in layout.labelled}
    assert groups["a/pat00/0.jpg"] == groups["a/pat00/1.jpg"] == "pat00"
    assert layout.grouped
    few = find_layout(["kia/rio/1.jpg", "kia/ceed/1.jpg", "bmw/x1/1.jpg", "bmw/x3/1.jpg"])
    assert {row.group for row in few.labelled} == {None}


def test_groups_that_are_asked_for() -> None:
    """By the level of a folder below the class, or by a pattern in the path."""
    paths = ["a/left/p1_1.jpg", "a/right/p1_2.jpg", "b/left/p2_1.jpg"]
    by_level = find_layout(paths, Labelling(group_level=1))
    assert [row.group for row in by_level.labelled] == ["left", "right", "left"]
    by_pattern = find_layout(paths, Labelling(group_pattern=r"/(p\d+)_"))
    assert [row.group for row in by_pattern.labelled] == ["p1", "p1", "p2"]


@pytest.mark.parametrize(("pattern", "why"), [("(", "unterminated"), ("p1", "without any")])
def test_bad_group_patterns(pattern: str, why: str) -> None:
    """The message says what is wrong and shows one that is right."""
    with pytest.raises(DataError, match=rf"--group-pattern must be.*{why}.*Example"):
        find_layout(["a/1.jpg", "b/1.jpg"], Labelling(group_pattern=pattern))
