"""The audit: every check finds what it is for, and nothing else."""

from __future__ import annotations

import os
import struct
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from data_pipeline import file_checks, set_checks
from data_pipeline.audit import CHECKS, Audit, Finding
from data_pipeline.errors import DataError
from data_pipeline.images import read_image
from data_pipeline.labelling import Labelling
from data_pipeline.manifest import create_manifest
from tests.data_pipeline.conftest import Folder, Picture


def findings(root: Path) -> dict[str, Finding]:
    """The findings for a folder, by code, but that so few images validate little."""
    _, audit = create_manifest(str(root), seed=0)
    found = {finding.code: finding for finding in audit.findings}
    found.pop("small_validation", None)
    return found


def rotated(path: Path) -> None:
    """Writes a photo that EXIF says is turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.linear_gradient("L").convert("RGB").save(path, exif=exif)


def truncated(path: Path) -> None:
    """Writes the first half of an image."""
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def animated(path: Path) -> None:
    """Writes an image of two frames."""
    frames = [Image.radial_gradient("L").rotate(turn).convert("RGB") for turn in (0, 90)]
    frames[1].paste((0, 0, 0), (0, 0, 100, 100))
    frames[0].save(path, save_all=True, append_images=frames[1:])


def image(mode: str, suffix: str | None = None) -> Callable[[Path], object]:
    """Writes an image of this mode, in the format of `suffix` whatever the file's name says."""

    def write(path: Path) -> None:
        made = path.with_suffix(suffix or path.suffix)
        grey = Image.linear_gradient("L").resize((8, 8))
        wide = np.asarray(grey).astype(np.uint16) * 257
        drawn = Image.fromarray(wide) if mode == "I;16" else grey.convert(mode)
        drawn.save(made)
        made.rename(path)

    return write


ODD_FILES: list[tuple[str, Callable[[Path], object], set[str]]] = [
    ("empty.jpg", lambda path: path.touch(), {"empty"}),
    ("page.jpg", lambda path: path.write_text("<html>"), {"unreadable"}),
    ("cut.png", truncated, {"truncated"}),
    ("png.jpg", image("RGB", ".png"), {"extension_mismatch"}),
    ("gif.jpg", image("P", ".gif"), {"extension_mismatch", "palette"}),
    ("film.gif", animated, {"animated", "palette"}),
    ("turned.jpg", rotated, {"exif_rotated"}),
    ("grey.jpg", image("L"), {"greyscale"}),
    ("deep.png", image("I;16"), {"greyscale"}),
    ("print.jpg", image("CMYK"), {"cmyk"}),
    ("clear.png", image("RGBA"), {"transparent"}),
    ("new.webp", image("RGB"), {"not_in_tensorflow"}),
    ("scan.tiff", image("RGB"), {"not_in_tensorflow"}),
    ("notes.txt", lambda path: path.write_text("notes"), {"not_an_image"}),
    ("Thumbs.db", lambda path: path.write_bytes(b"x"), {"junk"}),
    (".secret.png", image("RGB"), {"hidden"}),
    ("gone.png", lambda path: path.symlink_to(path.parent / "nowhere"), {"unreachable"}),
    ("out.png", lambda path: path.symlink_to("/"), {"outside_link"}),
    ("self", lambda path: path.symlink_to(path.parent), {"folder_link"}),
]


@pytest.mark.parametrize(("name", "write", "codes"), ODD_FILES, ids=[row[0] for row in ODD_FILES])
def test_odd_files(
    cats_and_dogs: Path, name: str, write: Callable[[Path], object], codes: set[str]
) -> None:
    """Each odd file is found by exactly its checks, by name, and is no error."""
    write(cats_and_dogs / "cats" / name)
    found = findings(cats_and_dogs)
    assert found.keys() == codes
    for finding in found.values():
        assert (finding.count, finding.paths) == (1, (f"cats/{name}",))
        assert finding.severity != "error"


def test_all_that_is_kept_can_be_read(cats_and_dogs: Path) -> None:
    """Whatever is in the manifest is decoded later without an error."""
    for name, write, _ in ODD_FILES:
        write(cats_and_dogs / "cats" / name)
    manifest, _ = create_manifest(str(cats_and_dogs), seed=0)
    odd = {item.path for item in manifest.items if not item.path[5:-4].isdecimal()}
    assert len(odd) == 10
    for item in manifest.items:
        assert read_image(cats_and_dogs / item.path).mode == "RGB"


def test_what_is_found_above_the_class_folders(cats_and_dogs: Path, picture: Picture) -> None:
    """Images of no class, names that are not UTF-8 and empty folders are named."""
    picture("a").save(cats_and_dogs / "stray.png")
    picture("b").save(cats_and_dogs / "cats" / os.fsdecode(b"\xff.png"))
    (cats_and_dogs / "owls").mkdir()
    assert {code: found.paths for code, found in findings(cats_and_dogs).items()} == {
        "imageless_folder": ("owls",),
        "bad_name": ("cats/\\xff.png",),
        "unplaced": ("stray.png",),
    }


def test_too_many_pixels(cats_and_dogs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decompression bomb is left out and named."""
    Image.new("RGB", (40, 40)).save(cats_and_dogs / "cats" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    (finding,) = findings(cats_and_dogs).values()
    assert (finding.code, finding.paths) == ("too_large", ("cats/bomb.png",))


def test_a_clean_folder_has_no_findings(cats_and_dogs: Path) -> None:
    """Nothing is made up."""
    assert findings(cats_and_dogs) == {}
    create_manifest(str(cats_and_dogs), seed=0)[1].require_sound()


def test_heic_without_a_decoder(cats_and_dogs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where HEIC cannot be read the finding says what to install."""
    monkeypatch.setattr(file_checks, "readable_formats", lambda: ("JPEG",))
    (cats_and_dogs / "cats" / "a.heic").write_bytes(b"....ftypheic")
    (finding,) = findings(cats_and_dogs).values()
    assert (finding.code, finding.paths) == ("needs_heif", ("cats/a.heic",))
    assert "pillow-heif" in finding.message


def test_duplicates_are_named_in_groups(cats_and_dogs: Path, picture: Picture) -> None:
    """Each group of equal files is one finding of count one, with all its files."""
    for name in ("x", "y"):
        picture("cats/1.png").save(cats_and_dogs / "cats" / f"{name}.png")
    picture("dogs/1.png").save(cats_and_dogs / "dogs" / "x.png")
    (finding,) = findings(cats_and_dogs).values()
    assert (finding.code, finding.count) == ("duplicates", 2)
    assert finding.groups == (
        ("cats/1.png", "cats/x.png", "cats/y.png"),
        ("dogs/1.png", "dogs/x.png"),
    )
    assert finding.paths == tuple(path for group in finding.groups for path in group)


def test_conflicting_labels(cats_and_dogs: Path, picture: Picture) -> None:
    """Equal images of two classes are left out altogether, and said to be."""
    picture("cats/1.png").save(cats_and_dogs / "dogs" / "cat.png")
    manifest, audit = create_manifest(str(cats_and_dogs), seed=0)
    (finding, _) = audit.findings
    assert (finding.code, finding.severity) == ("conflicting_labels", "warning")
    assert finding.groups == (("cats/1.png", "dogs/cat.png"),)
    assert len(manifest.items) == 19


def parted(images: dict[str, int]) -> dict[str, str | None]:
    """Paths of so many different images in each folder."""
    return {f"{name}/{i}.png": None for name, count in images.items() for i in range(count)}


def test_leaks_between_given_parts(folder: Folder, picture: Picture) -> None:
    """The training side's copy of a test image is dropped; the test stays as given."""
    root = folder(parted({"train/cats": 5, "train/dogs": 5, "test/cats": 3, "test/dogs": 3}))
    picture("test/cats/1.png").save(root / "train" / "cats" / "copy.png")
    manifest, audit = create_manifest(str(root), seed=0)
    (leak, _) = audit.findings
    assert (leak.code, leak.paths) == ("leak", ("train/cats/copy.png", "test/cats/1.png"))
    tested = {item.path for item in manifest.items if item.split == "test"}
    assert tested == set(parted({"test/cats": 3, "test/dogs": 3}))
    assert "train/cats/copy.png" not in {item.path for item in manifest.items}


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({"cats": 9}, {"one_class": ("cats",)}),
        ({"cats": 9, "dogs": 2}, {"too_small": ("dogs (2 different images or groups)",)}),
        (
            {"cats": 50, "dogs": 10},
            {"imbalance": ("cats (50)", "dogs (10)")},
        ),
        ({"cats": 49, "dogs": 10}, {}),
        (
            {"train/a": 4, "train/b": 4, "val/a": 4, "val/b": 4, "test/a": 4, "test/c": 4},
            {"untrained_class": ("c",), "unmeasured_class": ("b (test)", "c (validation)")},
        ),
        (
            {"train/a": 4, "train/b": 1, "test/a": 1, "test/b": 1},
            {"too_small": ("b (1 different images or groups)",)},
        ),
    ],
)
def test_classes(
    folder: Folder, images: dict[str, int], expected: dict[str, tuple[str, ...]]
) -> None:
    """Classes that are alone, too small, unbalanced, never trained or never measured."""
    found = findings(folder(parted(images)))
    unbalanced = {} if "imbalance" in expected else {"imbalance"}
    assert {
        code: tuple(sorted(finding.paths))
        for code, finding in found.items()
        if code not in unbalanced
    } == expected


def test_a_class_without_a_usable_image(cats_and_dogs: Path) -> None:
    """A class whose files are all broken is an error, and is no class of the manifest."""
    (cats_and_dogs / "owls").mkdir()
    (cats_and_dogs / "owls" / "1.png").touch()
    manifest, audit = create_manifest(str(cats_and_dogs), seed=0)
    assert [(f.code, f.paths) for f in audit.errors] == [("lost_class", ("owls",))]
    assert manifest.classes == ("cats", "dogs")


def test_fewer_images_than_classes(folder: Folder) -> None:
    """Class folders without images count as classes here."""
    root = folder(parted({"cats": 1, "dogs": 1}))
    for name in ("owls", "bats"):
        (root / name).mkdir()
    found = findings(root)
    assert found["few_images"].paths == ("2 images, 4 classes",)
    assert found["imageless_folder"].paths == ("bats", "owls")


def test_errors_come_first_and_are_refused(cats_and_dogs: Path, folder: Folder) -> None:
    """`require_sound` says in words what is wrong and names some of it."""
    (cats_and_dogs / "cats" / "notes.txt").write_text("notes")
    (cats_and_dogs / "cats" / "empty.png").touch()
    folder({"owls/1.png": None})
    _, audit = create_manifest(str(cats_and_dogs), seed=0)
    severities = [finding.severity for finding in audit.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert [finding.code for finding in audit.errors] == ["too_small"]
    with pytest.raises(DataError, match=r"too few different images.*owls \(1 .*hpo doctor"):
        audit.require_sound()


def test_audits_survive_json(cats_and_dogs: Path) -> None:
    """An audit is stored with the study and read back equal."""
    (cats_and_dogs / "cats" / "empty.png").touch()
    _, audit = create_manifest(str(cats_and_dogs), seed=0)
    assert Audit.model_validate_json(audit.model_dump_json()) == audit


def test_the_table_is_plain_language() -> None:
    """Every check has a code of its own and whole sentences."""
    assert len(CHECKS) == len(set_checks.SET_CHECKS) + len(file_checks.FILE_CHECKS)
    for code, check in CHECKS.items():
        assert check.code == code
        assert check.message.endswith(".")


def test_what_nobody_can_see_is_named(cats_and_dogs: Path) -> None:
    """Blank images stay, and are named; drawings are laid over a ground that shows them."""
    Image.new("RGB", (8, 8), (0, 0, 0)).save(cats_and_dogs / "cats" / "black.png")
    found = findings(cats_and_dogs)
    assert found["blank"].paths == ("cats/black.png",)


def test_formats_that_are_not_read_are_counted(cats_and_dogs: Path) -> None:
    """Camera raw and medical images among the others are missing, so it is said."""
    for name in ("a.jxl", "b.jxl", "c.dcm"):
        (cats_and_dogs / "cats" / name).write_bytes(b"pixels")
    assert findings(cats_and_dogs)["unread_formats"].paths == (".jxl (2)", ".dcm (1)")


def test_pixels_of_a_kind_that_is_not_read(cats_and_dogs: Path) -> None:
    """A sound TIFF of many bands is not called damaged."""
    # Little-endian TIFF: width, height, 16 bits, grey, one strip, 13 bands.
    tags = [(256, 1), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (277, 13), (279, 26)]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    content = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    (cats_and_dogs / "cats" / "bands.tif").write_bytes(content)
    assert findings(cats_and_dogs)["unsupported"].paths == ("cats/bands.tif",)


def test_names_that_print_alike_and_classes_that_are_none(folder: Folder) -> None:
    """Names that differ in case or blanks, parts taken for classes, and leftovers are named."""
    classes = ("Hot dog", "hot_dog", "train", "_rejected", "bus")
    found = findings(folder(parted(dict.fromkeys(classes, 4))))
    assert found["names_alike"].groups == (("Hot dog", "hot_dog"),)
    assert found["part_like_class"].paths == ("train",)
    assert found["leftover_class"].paths == ("_rejected",)


@pytest.mark.parametrize(
    ("classes", "named"),
    [
        (("trainA", "trainB", "testA", "other"), ("testA", "trainA", "trainB")),
        (("trainA", "trainB"), ("trainA", "trainB")),
        (("test tube", "flask"), None),
    ],
)
def test_classes_that_may_be_parts(
    folder: Folder, classes: tuple[str, ...], named: tuple[str, ...] | None
) -> None:
    """Several that hold a part's word are named; one beside others is a thing of that name."""
    found = findings(folder(parted(dict.fromkeys(classes, 4)))).get("part_like_class")
    assert (found and found.paths) == named


def test_the_ground_of_white_drawings(tmp_path: Path) -> None:
    """The doctor says which colour transparent images are laid over, where it is not white."""
    for n in range(8):
        drawing = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
        drawing.paste((255, 255, 255, 255), (n, 2, n + 4, 8 + n))
        path = tmp_path / f"{'ab'[n % 2]}/{n}.png"
        path.parent.mkdir(exist_ok=True)
        drawing.save(path)
    assert findings(tmp_path)["ground"].paths == ("RGB 0, 0, 0",)


def test_pixels_of_no_use_are_the_one_reason(tmp_path: Path) -> None:
    """Where no image can be read, that its classes are missing too is not said."""
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"<html>404</html>")
    with pytest.raises(DataError) as error:
        create_manifest(str(tmp_path), seed=0)
    assert str(error.value).endswith(
        "The file is named like an image but cannot be opened as one. It is left out. "
        "(2: a/x.png, b/x.png)"
    )


def test_a_small_validation_part_is_said(folder: Folder) -> None:
    """With what one image is worth; a given part can be drawn anew instead."""
    root = folder(parted({"train/a": 60, "train/b": 60, "val/a": 4, "val/b": 4, "test/a": 9}))
    manifest, audit = create_manifest(str(root), seed=0)
    assert [f.paths for f in audit.findings if f.code == "small_validation"] == [
        ("8 images, of which one is 12.5 points of accuracy",)
    ]
    drawn, _ = create_manifest(str(root), seed=0, labelling=Labelling(draw_validation=True))
    counts = [Counter(item.split for item in each.items) for each in (manifest, drawn)]
    assert [count["validation"] for count in counts] == [8, 2 * round(0.15 * 64)]
    assert [count["test"] for count in counts] == [9, 9]


def test_groups_are_what_validates(folder: Folder) -> None:
    """Ten images of each of a few patients say little more than one of each."""
    images = {f"{name}/p{i}_{n}.png": None for name in "ab" for i in range(14) for n in range(10)}
    asked = Labelling(group_pattern=r"([ab]/p\d+)_")
    _, audit = create_manifest(str(folder(images)), seed=0, labelling=asked)
    (small,) = (finding for finding in audit.findings if finding.code == "small_validation")
    assert small.paths == ("40 images in 4 groups, of which one is 25.0 points of accuracy",)


def test_classes_and_folders_can_be_left_out(folder: Folder) -> None:
    """By name, by a pattern, and by their number of images."""
    root = folder(parted({"a": 9, "b": 9, "old backup": 9, "rare": 2, "b/bad": 3}))
    asked = Labelling(exclude=("*backup", "bad"), min_class_images=5)
    manifest, audit = create_manifest(str(root), seed=0, labelling=asked)
    assert manifest.classes == ("a", "b")
    assert len(manifest.items) == 18
    found = {finding.code: finding for finding in audit.findings}
    assert found["rare_class"].paths == ("rare (2)",)
    assert found["excluded"].count == 12


def test_near_copies_between_given_parts_are_said(folder: Folder, photo: Picture) -> None:
    """They are other files and other pixels, so they stay where they are."""
    root = folder(parted({"train/a": 5, "train/b": 5, "test/a": 3, "test/b": 3}))
    photo("one").save(root / "train" / "a" / "photo.png")
    photo("one").save(root / "test" / "a" / "photo.jpg", quality=80)
    found = findings(root)
    assert found["similar_parts"].groups == (("test/a/photo.jpg", "train/a/photo.png"),)
    assert "leak" not in found


def test_names_that_look_like_groups(folder: Folder) -> None:
    """They are said once; where there are groups nothing is."""
    images = {f"{name}/p{i}_{n}.png": None for name in "ab" for i in range(8) for n in range(3)}
    root = folder(images)
    assert findings(root)["names_like_groups"].paths == ("8 groups, such as p0 with 6 images",)
    asked = Labelling(group_pattern=r"/(p\d+)_")
    manifest, audit = create_manifest(str(root), seed=0, labelling=asked)
    assert "names_like_groups" not in {finding.code for finding in audit.findings}
    sides = defaultdict(set)
    for item in manifest.items:
        sides[item.path[2:4]].add(item.split)
    assert all(len(found) == 1 for found in sides.values())


def test_classes_that_are_joined_are_said(folder: Folder) -> None:
    """A later part may spell a class otherwise than the training part."""
    names = ("train/Cat", "train/dog", "test/cat", "test/dog")
    found = findings(folder({f"{name}/{i}.png": None for name in names for i in range(6)}))
    assert found["respelled_class"].paths == ("cat = Cat",)
