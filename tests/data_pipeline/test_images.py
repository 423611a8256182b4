"""Reading image files as RGB."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from data_pipeline.errors import DataError
from data_pipeline.images import FORMATS, SUFFIXES, read_image, readable_formats
from data_pipeline.reading import Reading
from tests.data_pipeline.conftest import Picture
from tests.data_pipeline.odd_files import bomb

RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)


def pixel(path: Path, at: tuple[int, int] = (0, 0)) -> tuple[int, ...]:
    """One pixel (R, G, B) of a file as it is read."""
    image = read_image(path)
    assert image.mode == "RGB"
    value = image.getpixel(at)
    assert isinstance(value, tuple)
    return value


def test_rgb_is_unchanged(tmp_path: Path, picture: Picture) -> None:
    """A lossless RGB file gives exactly its pixels."""
    picture("a").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(picture("a")))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(
    tmp_path: Path, orientation: int, mode: str, suffix: str
) -> None:
    """The red corner ends up where a viewer shows it, for each of the eight orientations."""
    corner_after = [(0, 0), (7, 0), (7, 15), (0, 15), (0, 0), (7, 0), (7, 15), (0, 15)]
    if orientation >= 5:
        corner_after = [(x if x == 0 else 15, y if y == 0 else 7) for x, y in corner_after]
    stored = Image.new(mode, (8, 16), 0)
    stored.putpixel((0, 0), RED if mode == "RGB" else 255)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"a{suffix}"
    stored.save(path, exif=exif)
    assert read_image(path).size == ((8, 16) if orientation < 5 else (16, 8))
    assert pixel(path, corner_after[orientation - 1]) == (RED if mode == "RGB" else WHITE)


@pytest.mark.parametrize(
    ("mode", "stored", "seen"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 255, WHITE),
        ("LA", (100, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("I;16", 257 * 100, (100, 100, 100)),
        ("I;16", 65535, WHITE),
    ],
)
def test_modes_become_rgb(
    tmp_path: Path, mode: str, stored: int | tuple[int, ...], seen: tuple[int, int, int]
) -> None:
    """Greyscale of any depth and transparency over white come out as the eye sees them."""
    Image.new(mode, (4, 4), stored).save(tmp_path / "a.png")
    assert pixel(tmp_path / "a.png") == seen


def test_palette_with_transparent_colour(tmp_path: Path) -> None:
    """A GIF's transparent colour becomes white, its others stay."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((2, 2), 0)
    image.save(tmp_path / "a.gif", transparency=0)
    assert pixel(tmp_path / "a.gif") == RED
    assert pixel(tmp_path / "a.gif", (2, 2)) == WHITE


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    """A CMYK JPEG of pure cyan is read as cyan, not as its negative."""
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(pixel(tmp_path / "a.jpg"), (0, 255, 255), atol=3)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tiff", ".webp"])
def test_first_frame(tmp_path: Path, suffix: str) -> None:
    """Of several frames or pages the first is read."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLACK)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    assert pixel(tmp_path / f"a{suffix}") == RED


@pytest.mark.parametrize("name", readable_formats())
def test_every_format_is_read(tmp_path: Path, picture: Picture, name: str) -> None:
    """Each format that this machine reads gives an image of the right size, by any name."""
    row = FORMATS[name]
    picture("a", 32, 24).save(tmp_path / f"a{row.suffixes[0]}", format=name)
    (tmp_path / f"a{row.suffixes[0]}").rename(tmp_path / "anything")
    assert read_image(tmp_path / "anything").size == (32, 24)


def test_formats_know_heic_and_the_common_names() -> None:
    """The table holds what people's cameras write."""
    assert {"JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"} <= set(readable_formats())
    assert {".jpg", ".jpeg", ".png", ".heic", ".webp", ".tif"} <= SUFFIXES


@pytest.mark.parametrize(("mode", "value"), [("F", 200.0), ("F", -3.0), ("I", 70000)])
def test_pixels_outside_of_the_range_are_refused(tmp_path: Path, mode: str, value: float) -> None:
    """A file that had no part in choosing the range may not fit it, and is not read as white."""
    Image.new(mode, (4, 4), value).save(tmp_path / "a.tiff")
    with pytest.raises(DataError, match=rf"whose median is {value:g}. Scale") as refused:
        read_image(tmp_path / "a.tiff")
    assert "to its end" not in str(refused.value)


@pytest.mark.parametrize(
    ("mode", "value", "reading", "seen"),
    [
        ("F", 0.5, Reading(), 127),
        ("F", 100.0, Reading(floats=(0, 255)), 100),
        ("I;16", 2048, Reading(integers=(0, 4095)), 127),
        ("I;16", 77, Reading(integers=(0, 255)), 77),
        ("I", 1500, Reading(integers=(1000, 2000)), 127),
    ],
)
def test_wide_pixels_are_scaled_by_the_rule_of_their_set(
    tmp_path: Path, mode: str, value: float, reading: Reading, seen: int
) -> None:
    """The ends of the range are black and white."""
    Image.new(mode, (4, 4), value).save(tmp_path / "a.tiff")
    assert read_image(tmp_path / "a.tiff", reading).getpixel((0, 0)) == (seen,) * 3


def test_transparency_is_laid_over_the_ground_of_the_set(tmp_path: Path) -> None:
    """White drawings can be seen on black."""
    Image.new("LA", (4, 4), (255, 51)).save(tmp_path / "a.png")
    seen = read_image(tmp_path / "a.png", Reading(ground=BLACK)).getpixel((0, 0))
    assert seen == (51, 51, 51)


def test_colours_that_an_empty_alpha_hides_are_read(tmp_path: Path, picture: Picture) -> None:
    """A photo whose alpha is 0 everywhere is no white picture."""
    hidden = picture("a").convert("RGBA")
    hidden.putalpha(0)
    hidden.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(picture("a")))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n garbage"])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    """The message names the file and what to do."""
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"Received: .*a\.png.*hpo doctor"):
        read_image(tmp_path / "a.png")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that has vanished is a user's error, not a bug."""
    with pytest.raises(DataError, match="No such file"):
        read_image(tmp_path / "gone.png")


def test_postscript_is_never_run(tmp_path: Path) -> None:
    """Formats that start other programs are not opened, whatever the file is called."""
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match="no image of a known format"):
        read_image(tmp_path / "a.png")


def test_decompression_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image with more than twice Pillow's limit of pixels is not decoded."""
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    with pytest.raises(DataError, match="decompression bomb"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(("width", "height"), [(1, 60_583_978), (9000, 9000)])
def test_few_bytes_that_claim_many_pixels(tmp_path: Path, width: int, height: int) -> None:
    """A bomb below Pillow's limit is refused at once, without decoding a line of it."""
    (tmp_path / "a.png").write_bytes(bomb(width, height))
    began = time.monotonic()
    with pytest.raises(DataError, match=r"pixels in \d+ bytes could be a decompression bomb"):
        read_image(tmp_path / "a.png")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("mode", ["1", "RGB"])
def test_a_large_image_of_one_colour(tmp_path: Path, mode: str) -> None:
    """What deflate really packs so tightly is no bomb."""
    Image.new(mode, (3000, 3000)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").size == (3000, 3000)


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A PNG's chunk; with the right checksum unless one is given."""
    right = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", right)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"a\0b", crc=1),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3 << 20))),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(3 << 20))),
        chunk(b"iCCP", b"a\0\0no profile"),
        chunk(b"eXIf", b"no exif"),
        chunk(b"eXIf", b"II*\0", crc=1),
        chunk(b"tIME", b"1"),
        chunk(b"pHYs", b"1"),
    ],
    ids=["checksum", "text", "profile", "bad profile", "exif", "exif checksum", "time", "size"],
)
def test_only_pixels_decide_whether_a_png_is_sound(
    tmp_path: Path, picture: Picture, extra: bytes
) -> None:
    """Texts, profiles and dates may be too long or broken, before the pixels and behind them."""
    stream = io.BytesIO()
    picture("a").save(stream, "PNG")
    png = stream.getvalue()
    for name, content in (("a", png[:33] + extra + png[33:]), ("b", png[:-12] + extra + png[-12:])):
        (tmp_path / name).write_bytes(content)
        np.testing.assert_array_equal(read_image(tmp_path / name), np.asarray(picture("a")))


def test_a_pngs_orientation_outlives_its_broken_texts(tmp_path: Path, picture: Picture) -> None:
    """Sound EXIF is kept where other metadata are taken out."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 3
    picture("a").save(stream, "PNG", exif=exif)
    png = stream.getvalue()
    (tmp_path / "a.png").write_bytes(png[:33] + chunk(b"tEXt", b"a\0b", crc=1) + png[33:])
    turned = np.asarray(picture("a"))[::-1, ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), turned)


@pytest.mark.parametrize(
    "payload",
    [
        b"Exif\0\0",
        b"Exif\0\0" + bytes(range(200)),
        # A text where a number belongs; a type that is none; far too many values.
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x112, 2, 4, 54) + bytes(4),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x112, 99, 1, 6) + bytes(4),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x112, 3, 2**31, 6) + bytes(4),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12",
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as `data_pipeline.images` does
def test_invalid_exif_turns_nothing(
    tmp_path: Path, picture: Picture, payload: bytes, form: str
) -> None:
    """The picture is read as it is stored."""
    picture("a", 32, 16).save(tmp_path / "a", form, exif=payload)
    plain = io.BytesIO()
    picture("a", 32, 16).save(plain, form)
    with Image.open(plain) as expected:
        np.testing.assert_array_equal(read_image(tmp_path / "a"), expected.convert("RGB"))


@pytest.mark.parametrize("opaque", [None, 4095, 65535])
@pytest.mark.parametrize("order", ["big PNG", "little TIFF", "big TIFF", "packed TIFF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_colours_of_16_bits_keep_their_lower_bytes(
    tmp_path: Path, order: str, opaque: int | None, orientation: int
) -> None:
    """12-bit values in 16-bit files, of which Pillow alone would give sixteen levels."""
    random = np.random.default_rng(0)
    values_hwc = random.integers(0, 4096, (6, 5, 3 if opaque is None else 4))
    if opaque is not None:
        values_hwc[..., 3] = opaque
    path = tmp_path / "a"
    path.write_bytes(wide_file(values_hwc, order, orientation))
    found = np.asarray(read_image(path, Reading(integers=(0, 4095))))
    expected = (values_hwc[..., :3] * 255 // 4095).astype(np.uint8)
    expected = np.rot90(expected, -1) if orientation == 6 else expected
    np.testing.assert_array_equal(found, expected)


def test_grey_and_alpha_of_16_bits(tmp_path: Path) -> None:
    """They are read to the lower byte, and half of an alpha is half of the white below."""
    values_hwc = np.array([[[100, 65535], [4095, 65535], [0, 0], [0, 32768]]])
    (tmp_path / "a").write_bytes(wide_file(values_hwc, "big PNG", 1))
    found = np.asarray(read_image(tmp_path / "a", Reading(integers=(0, 4095))))
    assert found[0].tolist() == [[6] * 3, [255] * 3, [255] * 3, [128] * 3]


def wide_file(values_hwc: np.ndarray, order: str, orientation: int) -> bytes:
    """A PNG or TIFF of 16 bits a channel, which Pillow cannot write."""
    height, width, channels = values_hwc.shape
    if order == "big PNG":
        lines = values_hwc.astype(">u2").reshape(height, -1)
        raw = b"".join(b"\0" + line.tobytes() for line in lines)
        head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        chunks = [(b"IHDR", head), (b"eXIf", exif.tobytes()[6:]), (b"IDAT", zlib.compress(raw))]
        body = b"".join(chunk(*each) for each in [*chunks, (b"IEND", b"")])
        return b"\x89PNG\r\n\x1a\n" + body
    mark = ">" if order == "big TIFF" else "<"
    packed = order == "packed TIFF"
    raw = values_hwc.astype(f"{mark}u2").tobytes()
    raw = zlib.compress(raw) if packed else raw
    bits = struct.pack(f"{mark}{channels}H", *[16] * channels)
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, channels, 8),
        (259, 3, 1, 8 if packed else 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8 + len(bits)),
        (274, 3, 1, orientation),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, 1, len(raw)),
        *([(338, 3, 1, 2)] if channels == 4 else []),
    ]
    entries = b""
    for tag, kind, count, value in tags:
        fits = struct.pack(f"{mark}HH", value, 0) if (kind, count) == (3, 1) else b""
        entries += struct.pack(f"{mark}HHI", tag, kind, count)
        entries += fits or struct.pack(f"{mark}I", value)
    first = 8 + len(bits) + len(raw)
    head = (b"II*\0" if mark == "<" else b"MM\0*") + struct.pack(f"{mark}I", first)
    return head + bits + raw + struct.pack(f"{mark}H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("megapixels", [60, 200])
def test_very_large_photos_are_decoded_at_a_fraction(tmp_path: Path, megapixels: int) -> None:
    """Those beyond Pillow's limit too; what is left is small enough for the memory."""
    side = int((megapixels * 1e6) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (side // 64, side // 64), np.uint8)
    image = Image.fromarray(noise).resize((side, side), Image.Resampling.NEAREST)
    image.save(tmp_path / "a.jpg", quality=50)
    found = read_image(tmp_path / "a.jpg")
    assert found.size == (-(-side // 2),) * 2
    small = np.asarray(found.convert("L").resize(noise.T.shape, Image.Resampling.BOX), np.float32)
    assert np.corrcoef(small.ravel(), noise.ravel())[0, 1] > 0.98
