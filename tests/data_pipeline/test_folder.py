"""What lies in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data_pipeline.errors import DataError
from data_pipeline.folder import list_folder
from tests.data_pipeline.conftest import Folder, Picture


def test_images_by_name_and_by_content(cats_and_dogs: Path, picture: Picture) -> None:
    """Named images count even when broken; unnamed ones when they can be opened."""
    (cats_and_dogs / "cats" / "broken.JPG").write_bytes(b"")
    picture("a").save(cats_and_dogs / "cats" / "no_suffix", format="PNG")
    (cats_and_dogs / "labels.csv").write_text("cats,dogs")
    contents = list_folder(cats_and_dogs)
    assert len(contents.candidates) == 22
    assert {"cats/broken.JPG", "cats/no_suffix"} <= set(contents.candidates)
    assert contents.left_out == {"not_an_image": ("labels.csv",)}
    assert contents.imageless == ()


def test_junk_and_hidden_files(cats_and_dogs: Path, picture: Picture) -> None:
    """Junk and hidden folders are not entered, so none becomes a class."""
    for name in ("__MACOSX", ".ipynb_checkpoints", ".cache"):
        (cats_and_dogs / name).mkdir()
        picture("a").save(cats_and_dogs / name / "a.png")
    for name in ("Thumbs.db", ".DS_Store", "cats/._0.png", "cats/.hidden.png"):
        (cats_and_dogs / name).write_bytes(b"x")
    contents = list_folder(cats_and_dogs)
    assert len(contents.candidates) == 20
    assert contents.left_out == {
        "junk": (".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "__MACOSX", "cats/._0.png"),
        "hidden": (".cache", "cats/.hidden.png"),
    }


def test_links(cats_and_dogs: Path, tmp_path: Path, picture: Picture) -> None:
    """Links to files are followed, wherever they lead; those to folders are not."""
    picture("secret").save(tmp_path / "secret.png")
    links = {
        "cats/inside.png": cats_and_dogs / "dogs" / "1.png",
        "cats/outside.png": tmp_path / "secret.png",
        "elsewhere": tmp_path,
        "again": cats_and_dogs / "cats",
        "cats/loop.png": cats_and_dogs / "cats" / "loop.png",
        "cats/broken.png": cats_and_dogs / "gone.png",
    }
    for name, target in links.items():
        (cats_and_dogs / name).symlink_to(target)
    contents = list_folder(cats_and_dogs)
    assert len(contents.candidates) == 22
    assert {"cats/inside.png", "cats/outside.png"} <= set(contents.candidates)
    assert contents.left_out == {
        "outside_link": ("elsewhere",),
        "folder_link": ("again",),
        "unreachable": ("cats/broken.png", "cats/loop.png"),
    }


def test_pipes_are_not_opened(cats_and_dogs: Path) -> None:
    """A pipe named like an image would block for ever."""
    os.mkfifo(cats_and_dogs / "cats" / "pipe.png")
    assert list_folder(cats_and_dogs).left_out == {"unreachable": ("cats/pipe.png",)}


def test_names_that_are_not_utf8(cats_and_dogs: Path, picture: Picture) -> None:
    """They are named in a way that can be printed, and left out."""
    picture("a").save(cats_and_dogs / "cats" / os.fsdecode(b"caf\xe9.png"))
    (cats_and_dogs / os.fsdecode(b"\xff")).mkdir()
    contents = list_folder(cats_and_dogs)
    assert contents.left_out == {"bad_name": ("\\xff", "cats/caf\\xe9.png")}
    assert len(contents.candidates) == 20


@pytest.mark.parametrize("name", ["né 🐈.png", "-rf.png", "a\nb.png", "[red]x.png", "%s{0}.png"])
def test_odd_names_are_kept(cats_and_dogs: Path, picture: Picture, name: str) -> None:
    """Names that are merely odd are read as they are."""
    picture("a").save(cats_and_dogs / "cats" / name)
    assert f"cats/{name}" in list_folder(cats_and_dogs).candidates


def test_imageless_folders(folder: Folder) -> None:
    """Only the topmost folder without images is named."""
    root = folder({"cats/1.png": None})
    (root / "dogs" / "puppies").mkdir(parents=True)
    (root / "cats" / "notes").mkdir()
    assert list_folder(root).imageless == ("cats/notes", "dogs")


def test_unreadable_folder(cats_and_dogs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be listed is reported; where it is the data set itself, refused."""
    forbidden = [cats_and_dogs / "cats"]
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path) in forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert list_folder(cats_and_dogs).left_out == {"unreadable_folder": ("cats",)}
    forbidden.append(cats_and_dogs)
    with pytest.raises(DataError, match=r"Permission denied.*Check its permissions"):
        list_folder(cats_and_dogs)
