"""Tests of uploaded bytes that become pictures, or a sentence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from data_pipeline.reading import Reading
from hpo.serving.pictures import MOST_PIXELS, PictureError, decode, limit_pixels
from tests.data_pipeline.odd_files import bomb


def png(image: Image.Image) -> bytes:
    """An image as a file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_pixels_follow_the_rule_of_the_training_images() -> None:
    """A drawing is laid over the ground that the model was trained with."""
    clear = png(Image.new("LA", (3, 2), (255, 0)))
    drawing = Image.new("LA", (3, 2), (255, 255))
    drawing.putpixel((0, 0), (255, 0))
    assert decode(clear, "x", Reading()).shape == (2, 3, 3)
    assert decode(png(drawing), "x", Reading(ground=(0, 0, 0)))[0, 0].tolist() == [0, 0, 0]


def test_wide_pixels_out_of_range_name_the_upload() -> None:
    """The sender sees his own name for it."""
    wide = png(Image.fromarray(np.full((2, 2), 60_000, np.uint16)))
    with pytest.raises(PictureError, match=r"between 0 and 4095.*Received: 'scan\.png'"):
        decode(wide, "scan.png", Reading(integers=(0, 4095)))


def test_too_many_pixels_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the file claims, before anything is decoded."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    limit_pixels()
    with pytest.raises(PictureError, match=f"at most {MOST_PIXELS:,} pixels"):
        decode(bomb(8000, 8000), "x", Reading())


@pytest.mark.parametrize("content", [b"", b"x", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 torn"])
def test_what_is_no_picture_is_said_in_our_words(content: bytes) -> None:
    """Pillow's would name an address in memory."""
    with pytest.raises(PictureError, match=r"^A picture must be .* Send ") as caught:
        decode(content, "x", Reading())
    assert "0x" not in str(caught.value)
