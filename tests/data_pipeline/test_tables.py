"""Tables of labels."""

from __future__ import annotations

import pytest

from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.layouts import Layout
from data_pipeline.tables import Table, labelled_by, read_table

PATHS = [f"images/{i:03}.jpg" for i in range(8)]


def table(text: str, name: str = "labels.csv") -> Table:
    """Reads a table."""
    return read_table(text.encode(), name)


def rows(*cells: str, head: str) -> Table:
    """A table of eight images, each row with the next of `cells`."""
    lines = [f"{i:03},{cells[i % len(cells)]}" for i in range(8)]
    return table("\n".join([head, *lines]))


def labels(layout: Layout) -> list[str]:
    """The class of each image."""
    return [row.label for row in layout.labelled]


@pytest.mark.parametrize(
    "value",
    [
        "{i:03}",
        "{i:03}.jpg",
        "images/{i:03}.jpg",
        "./images/{i:03}.jpg",
        "images\\{i:03}.jpg",
        "/kaggle/input/set/images/{i:03}.jpg",
    ],
)
@pytest.mark.parametrize("divider", [",", "\t", ";"])
def test_files_are_found(value: str, divider: str) -> None:
    """By name with and without ending, and by any path that ends in theirs."""
    lines = [f"{value.format(i=i)}{divider}{'cat' if i % 2 else 'dog'}" for i in range(8)]
    layout = labelled_by([table("\n".join([f"id{divider}breed", *lines]))], PATHS, Labelling())
    assert [row.path for row in layout.labelled] == PATHS
    assert labels(layout) == ["dog", "cat"] * 4
    assert (layout.missing, layout.unplaced) == ((), ())


@pytest.mark.parametrize(
    ("head", "cells", "expected"),
    [
        ("image,kids,label", ["no,hat", "yes,shoe"], {"hat", "shoe"}),
        ("image,age,what", ["0.5,hat", "0.25,shoe"], {"hat", "shoe"}),
        ("image,hat,shoe", ["1,0", "0,1"], {"hat", "shoe"}),
        ("image,hat,shoe", ["1.0,0.0", "0.0,1.0"], {"hat", "shoe"}),
        ("image,label", ["1.0", "0.0"], {"1", "0"}),
    ],
)
def test_the_class_is_found(head: str, cells: list[str], expected: set[str]) -> None:
    """By the column's name, as the only column that can be it, or one-hot."""
    assert set(labels(labelled_by([rows(*cells, head=head)], PATHS, Labelling()))) == expected


def test_parts_and_groups_are_found() -> None:
    """By their columns' names; what names no parts is no split."""
    head, cells = "image,label,split,patient_id", ["a,train,p1", "b,train,p1", "a,test,p2"]
    layout = labelled_by([rows(*cells, head=head)], PATHS, Labelling())
    assert [(row.part, row.group) for row in layout.labelled[:3]] == [
        ("train", "p1"),
        ("train", "p1"),
        ("test", "p2"),
    ]
    layout = labelled_by([rows("a,x", "b,y", head="image,label,set")], PATHS, Labelling())
    assert {row.part for row in layout.labelled} == {None}


def test_columns_can_be_named() -> None:
    """Whatever they are called."""
    asked = Labelling(file_column="f", label_column="x", split_column="y", group_column="z")
    layout = labelled_by([rows("1,train,k", "2,val,l", head="f,x,y,z")], PATHS, asked)
    assert [(row.label, row.part, row.group) for row in layout.labelled[:2]] == [
        ("1", "train", "k"),
        ("2", "validation", "l"),
    ]


def test_a_row_without_a_label_is_left_out() -> None:
    """It is what somebody has not labelled yet."""
    layout = labelled_by([rows("a", "", head="image,label")], PATHS, Labelling())
    assert len(layout.labelled) == 4
    assert len(layout.unplaced) == 4


def test_a_few_missing_files_are_named() -> None:
    """And images that no row names are left out."""
    text = "image,label\n" + "\n".join(f"{i:03},{'ab'[i % 2]}" for i in range(1, 10))
    layout = labelled_by([table(text)], PATHS, Labelling())
    assert layout.missing == ("008", "009")
    assert layout.unplaced == ("images/000.jpg",)


def test_one_table_a_part() -> None:
    """Each table's images are of its part, though they have the same names in both."""
    paths = [f"{part}/{i}.jpg" for part in ("train", "test") for i in range(4)]
    text = "id,label\n" + "\n".join(f"{i},{'ab'[i % 2]}" for i in range(4))
    tables = [Table(f"{part}.csv", table(text).columns, part) for part in ("train", "test")]
    layout = labelled_by(tables, paths, Labelling())
    assert {(row.path, row.part) for row in layout.labelled} == {
        (path, path.split("/")[0]) for path in paths
    }


@pytest.mark.parametrize(
    ("text", "asked", "message"),
    [
        ("image,label\n000,a\n000,b", {}, "'000' in 'labels.csv', with two classes"),
        ("image,label,split\n000,a,train\n000,a,test", {}, "with two parts"),
        ("image,lable,n\n000,a,1\n001,b,2", {"label_column": "label"}, "Did you mean 'lable'?"),
        ("image,v,w\n000,a,p\n001,b,q\n002,a,p\n003,b,q", {}, "v, w. Name it: --label-column"),
        ("image,label\nzzz,a\nyyy,b", {}, "no such image was found"),
        ("image,label\n000,a\nyyy,b\nzzz,b", {}, "3 labelled rows 2 name no image"),
        ("image,a,b\n000,1,1\n001,0,1", {}, "marked in a and b"),
        (
            "image,label,split\n000,a,train\n001,b,later",
            {"split_column": "split"},
            "Received: 'later' in the column 'split'",
        ),
    ],
)  # fmt: skip
def test_contradictions(text: str, asked: dict[str, str], message: str) -> None:
    """Each is refused in words, and nothing is guessed."""
    with pytest.raises(DataError) as caught:
        labelled_by([table(text)], PATHS, Labelling(**asked))
    assert message in str(caught.value)


def test_two_images_of_one_name() -> None:
    """The row must say which; the training folder is meant by a table of that name."""
    twice = ["train/1.jpg", "other/1.jpg", "train/2.jpg"]
    layout = labelled_by([table("id,label\n1,a\n2,b", "train.csv")], twice, Labelling())
    assert [row.path for row in layout.labelled] == ["train/1.jpg", "train/2.jpg"]
    with pytest.raises(DataError, match=r"'1', which may be 'a/1\.jpg' or 'b/1\.jpg'"):
        labelled_by([table("id,label\n1,x\n2,y")], ["a/1.jpg", "b/1.jpg", "a/2.jpg"], Labelling())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0 lines"),
        (b"image,label", "0 lines"),
        (b"a\nb\nc", "1 columns"),
        (b"image,label\n1,2,3", "line 2 has another number"),
        (b"image,image\n1,2", "'image' twice"),
        (b"\xff\xfe\xff", "no UTF-8 text|lines"),
    ],
)
def test_what_is_no_table(content: bytes, why: str) -> None:
    """The message says how far it got."""
    with pytest.raises(DataError, match=why):
        read_table(content, "labels.csv")


def test_korean_tables_of_windows() -> None:
    """A byte order mark and the Korean code page are read."""
    for encoding in ("utf-8-sig", "cp949"):
        content = "파일,라벨\n000,고양이\n001,강아지".encode(encoding)
        layout = labelled_by([read_table(content, "라벨.csv")], PATHS, Labelling())
        assert labels(layout) == ["고양이", "강아지"]
