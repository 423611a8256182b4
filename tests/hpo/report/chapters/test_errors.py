"""Tests of the chapter on errors."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from hpo.report.blocks import Block, Matrix, Phrase, Report, Table, Thumbnails, say
from hpo.report.chapters import errors
from hpo.report.facts import StudyFacts, Winner
from hpo.report.language import LANGUAGES, load
from hpo.report.page import page
from hpo.results.judged import Judged
from hpo.results.trial_rows import TrialRow
from tests.hpo.report.pages import Page, is_sound


def winner(classes: int, per_class: int, wrong: int) -> Winner:
    """A model that takes the first images for the class after theirs."""
    labels = np.repeat(np.arange(classes), per_class).astype(np.int32)
    guesses = np.where(np.arange(len(labels)) < wrong, (labels + 1) % classes, labels)
    shares = np.full((len(labels), classes), 0.1 / classes)
    shares[np.arange(len(labels)), guesses] += 0.9
    names = tuple(f"class {number}" for number in range(classes))
    paths = tuple(f"{number}.png" for number in range(len(labels)))
    judged = Judged("validation", names, paths, labels, shares)
    traits = {"brightness": np.arange(len(labels)) / len(labels)}
    pictures = dict.fromkeys(paths, b"jpeg")
    row = TrialRow(0, 0, "COMPLETE", 1.0, {})
    return Winner(row, 8, judged, traits=traits, pictures=pictures, heat={"0.png": b"heat"})


def blocks(of: Winner | None) -> tuple[Block, ...]:
    """What the chapter says, after it was put on a page in each language."""
    facts = StudyFacts(cast(Any, None), cast(Any, None), [], [], None, [], None, of)
    chapter = errors.chapter(facts)
    if chapter is None:
        return ()
    for code in LANGUAGES:
        text = page(Report("s", "now", say("errors.title"), (chapter,)), load(code))
        is_sound(Page(text))
    return chapter.blocks


def keys(found: tuple[Block, ...]) -> list[str]:
    """Which texts there are."""
    return [block.text.key for block in found if hasattr(block, "text")]


def test_every_error_can_be_led_to() -> None:
    """A cell that is not empty leads to its images; the surest errors have a heat map."""
    found = blocks(winner(classes=3, per_class=20, wrong=5))
    (matrix,) = (block for block in found if isinstance(block, Matrix))
    assert matrix.counts == ((15, 5, 0), (0, 20, 0), (0, 0, 20))
    assert matrix.links == {(0, 1): "cell-0-1"}
    cell, surest = (block for block in found if isinstance(block, Thumbnails))
    assert (cell.anchor, len(cell.pictures)) == ("cell-0-1", 5)
    assert len(surest.pictures) == 5
    assert [bool(picture.heat) for picture in surest.pictures] == [True, *[False] * 4]
    assert "errors.summary" in keys(found)


def test_a_hundred_classes_are_listed_instead() -> None:
    """Nobody could read their matrix; every class has its figures all the same."""
    found = blocks(winner(classes=100, per_class=2, wrong=120))
    assert not [block for block in found if isinstance(block, Matrix)]
    confusions, classes, *_ = (block for block in found if isinstance(block, Table))
    assert len(confusions.rows) == 60
    assert len(classes.rows) == 100


@pytest.mark.parametrize(("wrong", "key"), [(0, "errors.none"), (1, "errors.summary")])
def test_a_perfect_model_has_a_page(wrong: int, key: str) -> None:
    """And so has one with a single error, and one with one image in each class."""
    found = blocks(winner(classes=2, per_class=1, wrong=wrong))
    assert key in keys(found)
    assert "errors.no_slices" in keys(found)


def test_worse_images_are_named() -> None:
    """The first images are dark, and wrong."""
    found = blocks(winner(classes=3, per_class=20, wrong=15))
    slices = [block for block in found if isinstance(block, Table)][-1]
    ((kind, *_),) = slices.rows
    assert isinstance(kind, Phrase)
    assert kind.key == "errors.brightness.low"
    assert kind.fill["limit"] == pytest.approx(14.75 / 60)


def test_nothing_is_said_without_a_model() -> None:
    """Its weights were not kept, or the images are gone."""
    assert blocks(None) == ()
