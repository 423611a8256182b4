"""Exact copies."""

from __future__ import annotations

from data_pipeline.duplicates import deduplicate
from data_pipeline.example import Example
from data_pipeline.thumbnails import thumbnail
from tests.data_pipeline.conftest import Picture


def test_copies_of_one_class_stay() -> None:
    """Copies in an unsplit folder are named and kept."""
    examples = [Example("a", "1", "cat"), Example("b", "1", "cat"), Example("c", "2", "cat")]
    unique = deduplicate(examples)
    assert unique.kept == tuple(examples)
    assert unique.copies == ((examples[0], examples[1]),)
    assert (unique.conflicts, unique.leaks) == ((), ())


def test_conflicting_labels_are_all_dropped() -> None:
    """Where equal images have different classes, nobody knows the right one."""
    examples = [Example("a", "1", "cat"), Example("b", "1", "dog"), Example("c", "2", "cat")]
    unique = deduplicate(examples)
    assert unique.kept == (examples[2],)
    assert unique.conflicts == ((examples[0], examples[1]),)
    assert unique.copies == ()


def test_leaks_are_dropped_from_the_training_side() -> None:
    """The copy in the part that is looked at last stays, with its equals in that part."""
    train = Example("a", "1", "cat", "train")
    validation = Example("b", "1", "cat", "validation")
    test = [Example("c", "1", "cat", "test"), Example("d", "1", "cat", "test")]
    other = [Example("e", "2", "cat", "train"), Example("f", "2", "cat", "validation")]
    unique = deduplicate([train, validation, *test, *other])
    assert unique.leaks == ((train, test[0]), (validation, test[0]), (other[0], other[1]))
    assert unique.copies == (tuple(test),)
    assert unique.kept == (*test, other[1])


def test_equal_pixels_are_equal_images() -> None:
    """Files that differ in their metadata only have the same decoded pixels."""
    examples = [
        Example("a", "1", "cat", pixels="p"),
        Example("b", "2", "cat", pixels="p"),
        Example("c", "3", "dog", pixels="q"),
        Example("d", "4", "cat", pixels="q"),
    ]
    unique = deduplicate(examples)
    assert unique.copies == ((examples[0], examples[1]),)
    assert unique.conflicts == ((examples[2], examples[3]),)


def test_nearly_equal_images_stay_and_are_named(photo: Picture) -> None:
    """Of equal ones among them one is named."""
    small = [thumbnail(photo("a")), thumbnail(photo("a").resize((50, 50)))]
    first, again = (Example(path, "1", "cat", pixels="p", thumbnail=small[0]) for path in "ab")
    other = Example("c", "2", "dog", pixels="q", thumbnail=small[1])
    unique = deduplicate([first, again, other])
    assert unique.kept == (first, again, other)
    assert unique.similar == ((first, other),)
