"""What every kind of source has in common: found, split, stored, and noticed when it changes."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.cache import Cache
from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import Manifest, create_manifest
from data_pipeline.sources.opening import SOURCES
from data_pipeline.store import open_store, resize
from data_pipeline.unchanged import found_again, moved, require_unchanged, write_stamps
from tests.data_pipeline.conftest import Picture

IMAGES = 20
Made = tuple[str, Labelling, Path]
"""What `--data` takes, what goes with it, and a file whose change must be noticed."""


def class_folders(root: Path, picture: Picture) -> Made:
    """A folder a class."""
    for i in range(IMAGES):
        file = root / "photos" / ("cat", "dog")[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(str(i)).save(file)
    return str(root / "photos"), Labelling(), root / "photos" / "cat" / "0.png"


def table_elsewhere(root: Path, picture: Picture) -> Made:
    """A table in another folder than its images."""
    class_folders(root, picture)
    lines = [f"{i}.png,{('cat', 'dog')[i % 2]}" for i in range(IMAGES)]
    (root / "tables").mkdir()
    table = root / "tables" / "labels.csv"
    table.write_text("\n".join(["file,label", *lines]))
    return str(table), Labelling(images=str(root / "photos")), table


def folder_with_table(root: Path, picture: Picture) -> Made:
    """A table beside a flat folder."""
    _, _, table = table_elsewhere(root, picture)
    flat = root / "flat"
    (flat / "images").mkdir(parents=True)
    for file in (root / "photos").rglob("*.png"):
        file.rename(flat / "images" / file.name)
    table.rename(flat / "labels.csv")
    return str(flat), Labelling(), flat / "labels.csv"


def archive(root: Path, picture: Picture) -> Made:
    """A zip of class folders."""
    class_folders(root, picture)
    path = root / "photos.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted((root / "photos").rglob("*.png")):
            packed.write(file, file.relative_to(root))
    shutil.rmtree(root / "photos")
    return str(path), Labelling(), path


def arrays(root: Path, picture: Picture) -> Made:
    """An .npz file."""
    images = np.stack([np.asarray(picture(str(i), 8, 8)) for i in range(IMAGES)])
    path = root / "photos.npz"
    np.savez(path, images=images, labels=[("cat", "dog")[i % 2] for i in range(IMAGES)])
    return str(path), Labelling(), path


KINDS = {
    "class folders": class_folders,
    "table elsewhere": table_elsewhere,
    "folder with table": folder_with_table,
    "archive": archive,
    "arrays": arrays,
}


@pytest.fixture(params=KINDS, ids=list(KINDS))
def made(request: pytest.FixtureRequest, tmp_path: Path, picture: Picture) -> Made:
    """A source of each kind."""
    root = tmp_path / "project"
    root.mkdir()
    make: Callable[[Path, Picture], Made] = KINDS[request.param]
    return make(root, picture)


@pytest.fixture
def manifest(made: Made) -> Manifest:
    """Its manifest."""
    return create_manifest(made[0], seed=0, labelling=made[1])[0]


def test_every_kind_is_tried() -> None:
    """But for the built-in sets, which have tests of their own."""
    assert {"folder", "table", "zip", "arrays", "builtin"} == SOURCES.keys()


def test_it_is_found_and_stored(manifest: Manifest, tmp_path: Path, picture: Picture) -> None:
    """Each image has its class and its own pixels."""
    assert manifest.classes == ("cat", "dog")
    assert len(manifest.items) == IMAGES
    store = open_store(manifest, 6, Cache(tmp_path / "cache"))
    shape = (8, 8) if manifest.kind == "arrays" else (8, 6)
    for split in store.splits.values():
        for row, label, path in zip(split.rows, split.labels, split.paths, strict=True):
            number = Path(path).stem
            assert label == int(number) % 2
            expected = resize(picture(number, *shape), 6)
            np.testing.assert_array_equal(split.images_bhwc[row], expected)


def test_it_survives_json(manifest: Manifest) -> None:
    """A worker opens the same source from the manifest's file."""
    again = Manifest.model_validate_json(manifest.model_dump_json())
    assert again == manifest
    assert again.digest == manifest.digest
    item = manifest.items[3]
    assert again.open().sha256(item.path) == item.sha256
    assert again.open().is_there()


@pytest.mark.parametrize("stamped", [True, False])
def test_a_change_is_noticed(made: Made, manifest: Manifest, tmp_path: Path, stamped: bool) -> None:
    """Of an image, a table or an archive; left alone it is none."""
    record = tmp_path / "files.json"
    if stamped:
        write_stamps(manifest, record)
    require_unchanged(manifest, record)
    content = made[2].read_bytes()
    made[2].write_bytes(content + b"x")
    with pytest.raises(DataError, match="its contents changed"):
        require_unchanged(manifest, record)
    made[2].write_bytes(content)
    require_unchanged(manifest, record)


def test_it_is_found_again_in_a_moved_project(
    made: Made, manifest: Manifest, tmp_path: Path
) -> None:
    """The studies' folder is moved together with the images, and the project has a new name."""
    project = tmp_path / "project"
    (project / "hpo_runs").mkdir()
    assert found_again(manifest, project / "hpo_runs") is manifest
    project.rename(tmp_path / "renamed")
    again = found_again(manifest, tmp_path / "renamed" / "hpo_runs")
    assert again.source == made[0].replace("/project/", "/renamed/")
    assert again.digest == manifest.digest
    assert again.open().is_there()


def test_it_may_lie_elsewhere(made: Made, manifest: Manifest, tmp_path: Path) -> None:
    """The same images at another place are the same data set; others are refused."""
    (tmp_path / "project").rename(tmp_path / "elsewhere")
    assert not manifest.open().is_there()
    place = made[0].replace("/project/", "/elsewhere/")
    images = made[1].images and made[1].images.replace("/project/", "/elsewhere/")
    again = moved(manifest, SOURCES[manifest.kind](place, images))
    assert (again.source, again.images) == (place, images)
    other = manifest.items[0].model_copy(update={"sha256": "0" * 64})
    changed = manifest.model_copy(update={"items": (other, *manifest.items[1:])})
    with pytest.raises(DataError, match=r"1 of 20 images differ"):
        moved(changed, SOURCES[manifest.kind](place, images))


def test_a_class_can_be_left_out(made: Made) -> None:
    """In every kind, as can those of few images."""
    data, labelling = made[0], made[1]
    asked = Labelling(images=labelling.images, exclude=("dog",))
    manifest, audit = create_manifest(data, seed=0, labelling=asked)
    assert manifest.classes == ("cat",)
    assert [finding.code for finding in audit.errors] == ["one_class"]
    asked = Labelling(images=labelling.images, min_class_images=99)
    with pytest.raises(DataError, match=r"Some classes must be left"):
        create_manifest(data, seed=0, labelling=asked)
