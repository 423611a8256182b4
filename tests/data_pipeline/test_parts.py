"""Folders that hold the parts of a split."""

from __future__ import annotations

import pytest

from data_pipeline.parts import part_in, part_of


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("train", "train"),
        ("Train", "train"),
        ("training", "train"),
        ("training_set", "train"),
        ("TrainingSet", "train"),
        ("train-images", "train"),
        ("val", "validation"),
        ("Val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("validation_set", "validation"),
        ("test", "test"),
        ("test_set", "test"),
        ("testing", "test"),
        ("TEST DATA", "test"),
        ("evaluation", "test"),
        ("val_v2", "validation"),
        ("train-jpg", "train"),
        ("test_stg1", "test"),
        ("Train (1)", "train"),
        ("02_test_images", "test"),
        ("검증용 데이터셋", "validation"),
        ("validación", "validation"),
        ("trains", None),
        ("training day", None),
        ("value", None),
        ("tester", None),
        ("2017", None),
        ("trainer", None),
        ("test_tube", None),
        ("valley", None),
        ("cats", None),
    ],
)
def test_names_of_parts(folder: str, part: str | None) -> None:
    """The usual spellings are known, and names that only begin like them are not."""
    assert part_of(folder) == part


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("trainA", "train"),
        ("DIV2K_valid_HR", "validation"),
        ("test tube", "test"),
        ("검증 A", "validation"),
        ("trains", None),
        ("Testarossa", None),
    ],
)
def test_parts_among_the_words_of_a_name(folder: str, part: str | None) -> None:
    """A whole word counts, whatever stands beside it."""
    assert part_in(folder) == part
