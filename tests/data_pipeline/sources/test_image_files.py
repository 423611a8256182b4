"""Tables and archives beside class folders, as competitions have them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from data_pipeline.errors import DataError
from data_pipeline.files import ZipFiles
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import Manifest, create_manifest
from tests.data_pipeline.conftest import Folder, Picture


def labels(manifest: Manifest) -> dict[str, str]:
    """Path to class."""
    return {item.path: manifest.classes[item.label] for item in manifest.items}


def table(path: Path, names: list[str], head: str = "id,breed") -> None:
    """Writes a table that gives names cats and dogs in turn."""
    lines = [f"{name},{('cat', 'dog')[i % 2]}" for i, name in enumerate(names)]
    path.write_text("\n".join([head, *lines]))


def test_a_competition(folder: Folder) -> None:
    """train.csv labels train/; test/ is unlabelled, and the sample of a submission no table."""
    root = folder({f"{part}/{i:02}.png": None for part in ("train", "test") for i in range(12)})
    table(root / "train.csv", [f"{i:02}" for i in range(12)])
    table(root / "sample_submission.csv", [f"{i:02}" for i in range(12)])
    manifest, audit = create_manifest(str(root), seed=0)
    assert (manifest.kind, manifest.layout) == ("folder", "table")
    assert labels(manifest) == {f"train/{i:02}.png": ("cat", "dog")[i % 2] for i in range(12)}
    found = {finding.code: finding for finding in audit.findings}
    assert found["unlabelled_part"].count == 12
    assert set(manifest.also) == {"train.csv"}


def test_a_table_a_part(folder: Folder) -> None:
    """train.csv and test.csv, each with its folder, whose names are the same."""
    root = folder({f"{part}/{i:02}.png": None for part in ("train", "test") for i in range(12)})
    for part in ("train", "test"):
        table(root / f"{part}.csv", [f"{i:02}.png" for i in range(12)])
    manifest, _ = create_manifest(str(root), seed=0)
    tested = {item.path for item in manifest.items if item.split == "test"}
    assert tested == {f"test/{i:02}.png" for i in range(12)}


@pytest.mark.parametrize("name", ["{brand}_{i:02}", "scan_{i:02}", "{i:02}"])
def test_no_guess_beside_a_table_that_says_otherwise(folder: Folder, name: str) -> None:
    """Names of cameras are no classes where a table gives some."""
    brands = ("canon", "nikon", "sony")
    names = [name.format(brand=brands[i // 4], i=i) for i in range(12)]
    root = folder({f"{each}.png": None for each in names})
    table(root / "labels.csv", names)
    assert set(labels(create_manifest(str(root), seed=0)[0]).values()) == {"cat", "dog"}


def test_class_folders_stay_class_folders(cats_and_dogs: Path) -> None:
    """A table of other things beside them, such as sizes, changes nothing."""
    lines = [f"{name}/{i}.png,{i % 3}" for name in ("cats", "dogs") for i in range(10)]
    (cats_and_dogs / "sizes.csv").write_text("\n".join(["file,size", *lines]))
    assert create_manifest(str(cats_and_dogs), seed=0)[0].layout == "class_folders"
    asked = Labelling(label_column="size")
    assert create_manifest(str(cats_and_dogs), seed=0, labelling=asked)[0].classes == tuple("012")


FOLDERS = [(f"{('canon', 'nikon', 'sony')[i // 4]}/x{i:02}.png", f"x{i:02}") for i in range(12)]


def test_folders_that_a_table_contradicts(folder: Folder) -> None:
    """Folders of cameras, sites or patients are no classes: the table says which there are."""
    root = folder({path: None for path, _ in FOLDERS})
    table(root / "labels.csv", [name for _, name in FOLDERS])
    with pytest.raises(DataError, match=r"Received: the folders 'canon', .* column 'breed'"):
        create_manifest(str(root), seed=0)
    manifest, _ = create_manifest(str(root), seed=0, labelling=Labelling(class_level=1))
    assert manifest.classes == ("canon", "nikon", "sony")


@pytest.mark.parametrize("head", ["id,label", "id,lens"])
def test_folders_that_no_table_contradicts(folder: Folder, head: str) -> None:
    """Finer classes are none, and neither is a column that is not called like one of classes."""
    root = folder({path: None for path, _ in FOLDERS})
    lines = [
        f"{name},{path if head == 'id,label' else i % 2}" for i, (path, name) in enumerate(FOLDERS)
    ]
    (root / "labels.csv").write_text("\n".join([head, *lines]))
    assert create_manifest(str(root), seed=0)[0].classes == ("canon", "nikon", "sony")


def test_shards_are_labelled_by_their_table(folder: Folder) -> None:
    """Folders that differ in a number are read by the table beside them, if it lists the images."""
    root = folder({f"images_{shard}/{shard}{i}.png": None for shard in (1, 2) for i in range(6)})
    table(root / "meta.csv", ["10"])
    with pytest.raises(DataError, match=r"differ in a number only.*lists too few"):
        create_manifest(str(root), seed=0)
    table(root / "meta.csv", [f"{shard}{i}" for shard in (1, 2) for i in range(6)])
    assert create_manifest(str(root), seed=0)[0].classes == ("cat", "dog")


def test_columns_without_a_table(cats_and_dogs: Path) -> None:
    """They are refused where nothing has columns."""
    with pytest.raises(DataError, match=r"for a table of labels"):
        create_manifest(str(cats_and_dogs), seed=0, labelling=Labelling(label_column="x"))
    asked = Labelling(images=str(cats_and_dogs))
    with pytest.raises(DataError, match=r"--images is the folder .* which is no table"):
        create_manifest(str(cats_and_dogs), seed=0, labelling=asked)


def pack(path: Path, members: dict[str, bytes]) -> Path:
    """Writes a zip archive."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def test_an_archive_leads_nowhere(tmp_path: Path, picture: Picture) -> None:
    """Nothing is unpacked, so members with paths upwards are files like others."""
    picture("a").save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    members = {"../../evil.png": content, "/etc/x.png": content, "__MACOSX/a.png": content}
    contents = ZipFiles(pack(tmp_path / "a.zip", members)).list()
    assert "__MACOSX/a.png" not in contents.candidates
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.zip"]
    with pytest.raises(OSError, match="cannot be read"):
        ZipFiles(tmp_path / "a.zip").read("nowhere.png")


def test_a_table_in_an_archive(tmp_path: Path, picture: Picture) -> None:
    """Labels the images beside it."""
    members = {"set/labels.csv": b"", "set/notes.txt": b"x"}
    lines = ["file,label"]
    for i in range(12):
        picture(str(i)).save(tmp_path / "a.png")
        members[f"set/images/{i:02}.png"] = (tmp_path / "a.png").read_bytes()
        lines.append(f"{i:02}.png,{('cat', 'dog')[i % 2]}")
    members["set/labels.csv"] = "\n".join(lines).encode()
    manifest, _ = create_manifest(str(pack(tmp_path / "a.zip", members)), seed=0)
    assert manifest.classes == ("cat", "dog")
    assert set(manifest.also) == {"a.zip"}


def test_names_in_korean_archives(tmp_path: Path) -> None:
    """Old Windows programs write them in the Korean code page, without saying so."""
    path = pack(tmp_path / "a.zip", {"xx/1.png": b"1", "yy/2.png": b"2"})
    content = path.read_bytes()
    for plain, korean in ((b"xx", "가".encode("cp949")), (b"yy", "나".encode("cp949"))):
        content = content.replace(plain + b"/", korean + b"/")
    path.write_bytes(content)
    assert ZipFiles(path).list().candidates == ("가/1.png", "나/2.png")


def test_what_is_no_archive(tmp_path: Path) -> None:
    """A torn one is said to be."""
    whole = pack(tmp_path / "a.zip", {"a/1.png": b"1" * 100, "b/1.png": b"2" * 100})
    whole.write_bytes(whole.read_bytes()[:150])
    with pytest.raises(DataError, match="file of another kind"):
        create_manifest(str(whole), seed=0)
