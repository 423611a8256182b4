"""What is found in single files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from data_pipeline.files import DiskFiles
from data_pipeline.inspect_image import FileFacts, inspect_file, inspect_files
from tests.data_pipeline.conftest import Picture
from tests.data_pipeline.test_images import wide_file


def test_a_plain_image(tmp_path: Path, picture: Picture) -> None:
    """An RGB file has its hash and format, and nothing odd."""
    picture("a").save(tmp_path / "a.png")
    sha256 = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    facts = inspect_file(DiskFiles(tmp_path), "a.png")
    assert (facts.sha256, facts.problem, facts.format, facts.mode) == (sha256, None, "PNG", "RGB")
    odd = (facts.transparent, facts.animated, facts.rotated, facts.reduced, facts.hidden)
    assert (odd, facts.extent, facts.contrasts) == ((False,) * 5, None, ())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".bmp", ".tif", ".jp2", ".ppm"])
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_truncated_files_are_found(
    tmp_path: Path, picture: Picture, suffix: str, share: float
) -> None:
    """A file cut off after its header is damaged, in every format."""
    whole = tmp_path / f"whole{suffix}"
    picture("a", 64, 64).save(whole)
    content = whole.read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(content[: int(share * len(content))])
    assert inspect_file(DiskFiles(tmp_path), whole.name).problem is None
    assert inspect_file(DiskFiles(tmp_path), f"cut{suffix}").problem in ("damaged", "unreadable")
    assert inspect_file(DiskFiles(tmp_path), f"cut{suffix}").sha256 == ""


@pytest.mark.parametrize(
    ("content", "problem"), [(b"", "empty"), (b"<html>404</html>", "unreadable")]
)
def test_unusable_content(tmp_path: Path, content: bytes, problem: str) -> None:
    """Empty files and pages saved as images are told apart."""
    (tmp_path / "a.jpg").write_bytes(content)
    assert inspect_file(DiskFiles(tmp_path), "a.jpg") == FileFacts("a.jpg", problem=problem)


def test_missing_file(tmp_path: Path) -> None:
    """A file that vanished while others were read counts as unreadable."""
    assert inspect_file(DiskFiles(tmp_path), "gone.jpg").problem == "unreadable"


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decompression bombs have a problem of their own."""
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    assert inspect_file(DiskFiles(tmp_path), "a.png").problem == "too_large"


@pytest.mark.parametrize("orientation", range(10))
def test_rotated(tmp_path: Path, picture: Picture, orientation: int) -> None:
    """Orientations 2 to 8 are rotated; 1 and values outside the standard are not."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture("a").save(tmp_path / "a.jpg", exif=exif)
    assert inspect_file(DiskFiles(tmp_path), "a.jpg").rotated == (2 <= orientation <= 8)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_animated(tmp_path: Path, picture: Picture, suffix: str) -> None:
    """Further frames and pages are noticed, in all formats that have them."""
    picture("a").save(tmp_path / f"a{suffix}", save_all=True, append_images=[picture("b")])
    assert inspect_file(DiskFiles(tmp_path), f"a{suffix}").animated


def test_previews_behind_a_photo_are_no_animation(tmp_path: Path, picture: Picture) -> None:
    """A phone's JPEG with a second picture in it (MPO) is a still photo."""
    path = tmp_path / "a.jpg"
    picture("a").save(path, format="MPO", save_all=True, append_images=[picture("b")])
    facts = inspect_file(DiskFiles(tmp_path), "a.jpg")
    assert (facts.format, facts.animated, facts.problem) == ("MPO", False, None)


@pytest.mark.parametrize(
    ("mode", "suffix", "transparent"),
    [
        ("L", ".jpg", False),
        ("CMYK", ".jpg", False),
        ("P", ".png", False),
        ("RGBA", ".png", True),
        ("LA", ".png", True),
        ("I;16", ".png", False),
    ],
)
def test_modes(tmp_path: Path, mode: str, suffix: str, transparent: bool) -> None:
    """The stored mode and the transparency are reported."""
    Image.new(mode, (8, 8)).save(tmp_path / f"a{suffix}")
    facts = inspect_file(DiskFiles(tmp_path), f"a{suffix}")
    assert (facts.mode, facts.transparent, facts.problem) == (mode, transparent, None)


def test_many_files_keep_their_order(tmp_path: Path, picture: Picture) -> None:
    """Facts come in the order of the paths, and progress counts up to all of them."""
    names = [f"{i}.png" for i in range(20)]
    for name in names:
        picture(name).save(tmp_path / name)
    told: list[tuple[int, int]] = []
    facts = inspect_files(
        DiskFiles(tmp_path), names, lambda done, total: told.append((done, total))
    )
    assert [row.path for row in facts] == names
    assert told == [(done, 20) for done in range(1, 21)]
    assert facts == tuple(inspect_file(DiskFiles(tmp_path), name) for name in names)


def test_an_alpha_is_no_value_of_wide_pixels(tmp_path: Path) -> None:
    """The scale of 12-bit colours does not depend on an alpha of 16 bits."""
    values_hwc = np.full((4, 4, 4), 65535)
    values_hwc[..., :3] = np.arange(48).reshape(4, 4, 3) * 87
    (tmp_path / "a.png").write_bytes(wide_file(values_hwc, "big PNG", 1))
    facts = inspect_file(DiskFiles(tmp_path), "a.png")
    assert facts.extent is not None
    assert facts.extent[1] == pytest.approx(47 * 87, rel=0.01)
