"""A folder that was changed is noticed, and one that was only touched is not read in vain."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data_pipeline import unchanged
from data_pipeline.errors import DataError
from data_pipeline.manifest import Manifest, create_manifest
from data_pipeline.unchanged import require_unchanged, write_stamps
from tests.data_pipeline.conftest import Picture


@pytest.fixture
def root(cats_and_dogs: Path, picture: Picture) -> Path:
    """Two class folders, with a copy and a file that cannot be read."""
    picture("cats/1.png").save(cats_and_dogs / "cats" / "copy.png")
    (cats_and_dogs / "dogs" / "torn.png").write_bytes(b"torn")
    return cats_and_dogs


@pytest.fixture
def manifest(root: Path) -> Manifest:
    """The folder's manifest."""
    return create_manifest(str(root), seed=0)[0]


@pytest.fixture(params=["stamped", "no record", "torn record"])
def record(request: pytest.FixtureRequest, manifest: Manifest, tmp_path: Path) -> Path:
    """What was written down of it, or not."""
    path = tmp_path / "work" / "files.json"
    if request.param == "stamped":
        write_stamps(manifest, path)
    if request.param == "torn record":
        path.parent.mkdir()
        path.write_bytes(b'{"cats/1.png": {"size')
    return path


def same_size(path: Path) -> None:
    """Turns a bit, and leaves the time as it was."""
    time_ns, content = path.stat().st_mtime_ns, bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(time_ns, time_ns + 1))


@pytest.mark.parametrize(
    ("name", "change", "how"),
    [
        ("cats/3.png", same_size, "its contents changed"),
        ("cats/3.png", Path.unlink, "it is gone"),
        ("cats/3.png", lambda path: path.rename(path.with_name("x.png")), "it is gone"),
    ],
    ids=["edited", "removed", "renamed"],
)
def test_changes_of_images(
    root: Path,
    manifest: Manifest,
    record: Path,
    name: str,
    change: Callable[[Path], object],
    how: str,
) -> None:
    """An image that was edited, removed or renamed is named, again until it is as it was."""
    content = (root / name).read_bytes()
    change(root / name)
    for _ in range(2):
        with pytest.raises(DataError, match="or create a new study") as caught:
            require_unchanged(manifest, record)
        assert f"Received: '{root / name}': {how}" in str(caught.value)
    (root / name).write_bytes(content)
    (root / "cats" / "x.png").unlink(missing_ok=True)
    require_unchanged(manifest, record)


@pytest.mark.parametrize("name", ["dogs/new.png", "owls/new.png"])
def test_added(root: Path, manifest: Manifest, tmp_path: Path, picture: Picture, name: str) -> None:
    """An image that was added is named, in a class and in a new one."""
    write_stamps(manifest, tmp_path / "files.json")
    (root / name).parent.mkdir(exist_ok=True)
    picture("new").save(root / name)
    with pytest.raises(DataError, match=f"Received: '{root / name}': it was added"):
        require_unchanged(manifest, tmp_path / "files.json")


def test_many_changes(root: Path, manifest: Manifest, tmp_path: Path) -> None:
    """One is named, the others are counted."""
    write_stamps(manifest, tmp_path / "files.json")
    for path in (root / "cats").iterdir():
        path.rename(root / "dogs" / f"was-{path.name}")
    with pytest.raises(DataError, match=r"cats/0\.png': it is gone, and 21 more changes\."):
        require_unchanged(manifest, tmp_path / "files.json")


def test_what_was_left_out_counts_too(root: Path, manifest: Manifest, tmp_path: Path) -> None:
    """A file that could not be read and was repaired since is a change."""
    write_stamps(manifest, tmp_path / "files.json")
    (root / "dogs" / "torn.png").write_bytes((root / "dogs" / "1.png").read_bytes())
    with pytest.raises(DataError, match=r"torn\.png': its contents changed"):
        require_unchanged(manifest, tmp_path / "files.json")


def test_touched(
    root: Path, manifest: Manifest, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new time alone is no change; the file is read once to know, and then no more."""
    require_unchanged(manifest, record)
    for path in (root / "cats").iterdir():
        os.utime(path)
    read: list[str] = []
    sha256 = unchanged.file_sha256
    monkeypatch.setattr(
        unchanged, "file_sha256", lambda path: read.append(path.name) or sha256(path)
    )
    require_unchanged(manifest, record)
    assert sorted(read) == sorted(path.name for path in (root / "cats").iterdir())
    require_unchanged(manifest, record)
    assert len(read) == 11


def test_other_files_do_not_matter(root: Path, manifest: Manifest, record: Path) -> None:
    """Notes and what systems leave behind are no part of a data set."""
    require_unchanged(manifest, record)
    (root / "notes.txt").write_text("seen")
    (root / ".DS_Store").write_bytes(b"x")
    require_unchanged(manifest, record)


def test_a_folder_that_is_gone(root: Path, manifest: Manifest, record: Path) -> None:
    """The whole folder is named."""
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(DataError, match=f"Received: '{root}': it is gone"):
        require_unchanged(manifest, record)


def test_built_in_data(tmp_path: Path) -> None:
    """They have no files."""
    manifest = create_manifest("digits", seed=0)[0]
    write_stamps(manifest, tmp_path / "files.json")
    require_unchanged(manifest, tmp_path / "files.json")
    assert not (tmp_path / "files.json").exists()
