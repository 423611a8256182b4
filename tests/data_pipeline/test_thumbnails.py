"""Images that are nearly equal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from data_pipeline.thumbnails import connected, nearly_equal, thumbnail
from tests.data_pipeline.conftest import Picture


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The image as it is after it was saved as JPEG."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def test_copies_that_were_saved_again(photo: Picture) -> None:
    """Saved as JPEG, shrunk, cropped a little, darkened, they are one group, each photo its own."""
    images = []
    for key in map(str, range(12)):
        base = photo(key)
        darker = Image.eval(base, lambda value: int(0.8 * value))
        cropped = base.crop((2, 2, 94, 94))
        images += [base, jpeg(base, 60), jpeg(base, 90), base.resize((64, 64)), cropped, darker]
    groups = nearly_equal([thumbnail(image) for image in images])
    assert groups == [tuple(range(6 * i, 6 * i + 6)) for i in range(12)]


@pytest.mark.parametrize("levels", [0, 1, 6])
def test_images_that_show_next_to_nothing_are_not_compared(levels: int) -> None:
    """Blank images and faint textures have nothing in common but that."""
    random = np.random.default_rng(0)
    shapes = [random.integers(120, 121 + levels, (64, 64, 3)).astype(np.uint8) for _ in range(30)]
    assert nearly_equal([thumbnail(Image.fromarray(shape)) for shape in shapes]) == []


def test_images_of_one_colour_are_not_compared() -> None:
    """Shades of red are different images, though each channel is like every other's."""
    images = [Image.new("RGB", (16, 16), (9 * shade, 0, 5)) for shade in range(25)]
    assert nearly_equal([thumbnail(image) for image in images]) == []


def test_textures_of_one_kind_are_no_copies() -> None:
    """Stripes of one direction that lie elsewhere, and noise, are different images."""
    random = np.random.default_rng(0)
    images = []
    for _ in range(30):
        phase, width = random.uniform(0, 6.28), random.uniform(0.3, 0.6)
        stripes = 128 + 80 * np.sin(np.arange(64) * width + phase)
        noisy = stripes[:, None, None] + random.normal(0, 25, (64, 64, 1))
        images.append(np.broadcast_to(noisy, (64, 64, 3)).clip(0, 255).astype(np.uint8))
    assert len(nearly_equal([thumbnail(Image.fromarray(image)) for image in images])) <= 1


def test_a_kind_of_drawing_is_not_one_picture() -> None:
    """Glyphs that all look alike are not one group of half the set."""
    random = np.random.default_rng(0)
    images = []
    for _ in range(60):
        image = Image.new("RGB", (32, 32), "white")
        left, top = (int(offset) for offset in random.integers(8, 12, 2))
        image.paste((0, 0, 0), (left, top, left + 12, top + 12))
        images.append(image)
    groups = nearly_equal([thumbnail(image) for image in images])
    equal = {}
    for image in images:
        equal[image.tobytes()] = equal.get(image.tobytes(), 0) + 1
    assert max(map(len, groups)) <= max(equal.values())


def test_what_has_no_thumbnail_is_passed_over(photo: Picture) -> None:
    """Positions stay those of all images."""
    small = thumbnail(photo("a"))
    assert nearly_equal([None, small, None, small]) == [(1, 3)]
    assert nearly_equal([]) == []
    assert nearly_equal([small]) == []


def test_connected() -> None:
    """Links join sets, in whatever order they come."""
    found = connected([(1, 2), (5, 6), (3, 4), (4, 2), (7,)])
    assert sorted(map(sorted, found)) == [[1, 2, 3, 4], [5, 6]]
