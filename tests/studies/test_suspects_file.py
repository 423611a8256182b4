"""Tests of `studies.suspects_file`."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.suspects_file import confirmed, with_confirmed


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table in which two images are confirmed, one of them for two reasons."""
    path = tmp_path / "suspects.csv"
    path.write_text(
        "confirmed,path,label\nyes,cat/1.jpg,cat\n,cat/2.jpg,cat\nX,dog/1.jpg,dog\n"
        "no,dog/2.jpg,dog\nYes,cat/1.jpg,cat\n"
    )
    return path


def test_confirmed_images_are_read(table: Path) -> None:
    """An image counts where yes or x is written, once."""
    assert confirmed(table) == ["cat/1.jpg", "dog/1.jpg"]


def test_tables_become_images(table: Path) -> None:
    """A table among other exclusions is replaced by its images; settings without one stay."""
    asked = {"exclude": ("old*", str(table)), "exclude_images": ("z.png",), "trials": 3}
    assert with_confirmed(asked) == {
        "exclude": ("old*",),
        "exclude_images": ("cat/1.jpg", "dog/1.jpg", "z.png"),
        "trials": 3,
    }
    assert with_confirmed({"exclude": ("old*",)}) == {"exclude": ("old*",)}
    assert with_confirmed({}) == {}


def test_spreadsheets_divide_by_semicolons(tmp_path: Path) -> None:
    """A table that a spreadsheet saved with semicolons and a byte order mark is read."""
    path = tmp_path / "s.csv"
    path.write_text("confirmed;path\nyes;a;b.png\nyes;c.png\n", encoding="utf-8-sig")
    assert confirmed(path)[1] == "c.png"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("confirmed,path\n,a.png\nno,b.png\n", "where none has"),
        ("confirmed,path\nperhaps,a.png\n", "'perhaps' in line 2"),
        ("path,label\na.png,cat\n", "without confirmed"),
        ("", "without confirmed and path"),
    ],
)
def test_what_is_no_confirmation_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Nothing is left out by a table that does not say clearly what."""
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(StudyError, match=said):
        confirmed(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    """A name that ends in .csv is a table, never a pattern."""
    with pytest.raises(StudyError, match="no such file"):
        with_confirmed({"exclude": (str(tmp_path / "gone.csv"),)})
