"""Classes in file names."""

from __future__ import annotations

import pytest

from data_pipeline.class_names import by_pattern, checked_pattern, guessed_pattern
from data_pipeline.errors import DataError
from data_pipeline.parts import Entry


def entries(*names: str) -> list[Entry]:
    """Files of these names in one folder."""
    return [Entry(name, None, (name,)) for name in names]


@pytest.mark.parametrize(
    ("template", "label"),
    [
        ("{}12.jpg", "cloudy"),
        ("{}.0.jpg", "cat"),
        ("{}_001.png", "cat"),
        ("{}-7.jpeg", "sun rise"),
        ("{} (3).jpg", "Dog"),
        ("{}_100.JPG", "great_pyrenees"),
        ("{}_12.jpg", "n01443537"),
        ("17_{}.png", "truck"),
        ("{}4", "ohne_endung"),
    ],
)
def test_guesses(template: str, label: str) -> None:
    """Common ways of writing the class beside a number are recognised."""
    names = [template.format(name) for name in (label, label, label, "zebra", "zebra", "zebra")]
    label_of = by_pattern(guessed_pattern(entries(*names)))
    assert [label_of(entry) for entry in entries(*names)] == [label] * 3 + ["zebra"] * 3


def test_a_few_odd_names_do_not_spoil_a_guess() -> None:
    """A name that does not fit gets no class, the others keep theirs."""
    names = [f"{name}{i}.jpg" for name in ("cat", "dog") for i in range(20)] + ["cat copy.jpg"]
    label_of = by_pattern(guessed_pattern(entries(*names)))
    assert label_of(entries("cat copy.jpg")[0]) is None
    assert label_of(entries("cat3.jpg")[0]) == "cat"


@pytest.mark.parametrize(
    "names",
    [
        [f"cat{i}.jpg" for i in range(9)],
        [f"{i:04}.jpg" for i in range(9)],
        [f"IMG_{i}.jpg" for i in range(9)] + [f"DSC{i}.jpg" for i in range(9)],
        [f"holiday{i}.jpg" for i in range(9)] + [f"IMG_{i}.jpg" for i in range(9)],
        [f"person_{chr(97 + i)}_1.jpg" for i in range(9)],
        ["rome.jpg", "paris.jpg", "athens.jpg"],
        [f"cat{i}.jpg" for i in range(9)] + ["a.jpg", "b.jpg", "c.jpg"] + ["dog1.jpg"],
    ],
    ids=["one class", "numbers", "cameras", "one camera", "singles", "no number", "too odd"],
)
def test_doubtful_names_are_not_guessed(names: list[str]) -> None:
    """The error says what was looked for, shows names, and shows the flag to use."""
    with pytest.raises(DataError, match=r"cloudy12\.jpg.*Received: '.*--class-pattern '"):
        guessed_pattern(entries(*names))


def test_given_pattern() -> None:
    """The group `class` is searched in the name; what does not fit has no class."""
    names = entries("x-cat-1.jpg", "y-dog-2.jpg", "readme.jpg")
    label_of = by_pattern(checked_pattern(r"-(?P<class>[a-z]+)-", names))
    assert [label_of(entry) for entry in names] == ["cat", "dog", None]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(", "unterminated"), (r"[a-z]+", "without that group"), (r"(?P<class>\d{9})", "fits none")],
)
def test_bad_pattern(pattern: str, reason: str) -> None:
    """A pattern that is none, lacks the group or fits nothing is refused with an example."""
    with pytest.raises(DataError, match=rf"{reason}.*Example for cat_001\.jpg"):
        checked_pattern(pattern, entries("cat1.jpg"))
