"""One rule for the pixels of a set."""

from __future__ import annotations

import pytest

from data_pipeline.inspect_image import FileFacts
from data_pipeline.reading import GROUNDS, Reading, choose_reading, read_reading


def wide(*extents: tuple[float, float], mode: str = "I;16") -> list[FileFacts]:
    """Files of pixels from and to such values."""
    return [FileFacts(str(i), "x", mode=mode, extent=e) for i, e in enumerate(extents)]


@pytest.mark.parametrize(
    ("extents", "chosen"),
    [
        ([(0, 65535)], (0, 65535)),
        ([(3, 40000), (0, 60000)], (0, 65535)),
        ([(0, 4095)], (0, 4095)),
        ([(10, 3000), (0, 800)], (0, 4095)),
        ([(0, 255)], (0, 255)),
        ([(0, 900)], (0, 1023)),
        ([(0, 1500), (0, 100)], (0, 1500)),
        ([(0, 100000)], (0, 100000)),
        ([(30000, 34000), (31000, 35000)], (30000, 35000)),
        ([(-1000, 2000)], (-1000, 2000)),
        ([(0, 0)], (0, 1)),
    ],
)
def test_integers(extents: list[tuple[float, float]], chosen: tuple[float, float]) -> None:
    """A sensor's full scale where the values use it; else the values' own range."""
    assert choose_reading(wide(*extents)).integers == chosen


@pytest.mark.parametrize(
    ("extents", "chosen"),
    [
        ([(0, 1)], (0, 1)),
        ([(0.1, 0.7)], (0, 1)),
        ([(0, 255)], (0, 255)),
        ([(0, 17.5)], (0, 17.5)),
        ([(-1, 1)], (-1, 1)),
        ([(250.5, 310.25)], (250.5, 310.25)),
        ([(0, 0)], (0, 1)),
    ],
)
def test_floats(extents: list[tuple[float, float]], chosen: tuple[float, float]) -> None:
    """0 to 1 and 0 to 255 where the values look like them; else their own range."""
    assert choose_reading(wide(*extents, mode="F")).floats == chosen


def test_one_odd_file_in_a_hundred_does_not_darken_the_others() -> None:
    """A file of full scale among 12-bit ones is cut off."""
    assert choose_reading(wide(*[(0, 4000)] * 199, (0, 65000))).integers == (0, 4095)


@pytest.mark.parametrize(
    ("contrasts", "ground"),
    [
        ([], GROUNDS[0]),
        ([(90.0, 60.0, 30.0, 80.0)] * 5, GROUNDS[0]),
        ([(0.0, 110.0, 55.0, 90.0)] * 5, GROUNDS[1]),
        ([(0.0, 110.0, 55.0, 90.0), (110.0, 0.0, 55.0, 90.0)], GROUNDS[2]),
        ([(0.0, 90.0, 55.0, 90.0), (90.0, 0.0, 5.0, 90.0), (50.0, 50.0, 0.0, 90.0)], GROUNDS[3]),
        ([(90.0, 60.0, 30.0, 80.0)] * 199 + [(0.0, 110.0, 55.0, 90.0)], GROUNDS[0]),
    ],
)
def test_the_ground_is_one_that_the_drawings_lack(
    contrasts: list[tuple[float, ...]], ground: tuple[int, int, int]
) -> None:
    """White unless drawings would vanish on it, and then the one that shows most of them."""
    facts = [FileFacts(str(i), "x", mode="RGBA", contrasts=row) for i, row in enumerate(contrasts)]
    assert choose_reading(facts).ground == ground


def test_files_that_cannot_be_used_have_no_say() -> None:
    """Nor have those of 8 bits."""
    facts = [
        FileFacts("a", problem="damaged", mode="I;16", extent=(0, 9)),
        FileFacts("b", mode="RGB"),
    ]
    assert choose_reading(facts, "pad") == Reading(resize="pad")


def test_it_travels_as_a_text() -> None:
    """The usual rule is an empty one."""
    assert Reading().text() == ""
    for reading in (Reading(), Reading(integers=(0, 4095), ground=(0, 0, 0), resize="crop")):
        assert read_reading(reading.text()) == reading
