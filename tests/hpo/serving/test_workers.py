"""Tests of the threads that classify pictures."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from hpo.serving.workers import MOST_AT_ONCE, MOST_PIXELS, Workers
from tests.hpo.serving.asking import ColourModel

RED = np.full((2, 2, 3), (255, 0, 0), np.uint8)
BLUE = np.full((2, 5, 3), (0, 0, 255), np.uint8)


class NotingModel(ColourModel):
    """Notes the sizes of its batches, and fails on black pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def predict(self, images: list[np.ndarray]) -> np.ndarray:  # type: ignore[override]
        """Classifies them."""
        self.sizes.append(len(images))
        if any(image.max() == 0 for image in images):
            raise ValueError("black")
        return super().predict(images)


def test_pictures_that_wait_share_a_batch() -> None:
    """Up to a batch's size, and each has its own answer whatever its size in pixels."""
    model, begin = NotingModel(), threading.Event()
    workers = Workers(model, threads=1)

    def first() -> np.ndarray:
        assert begin.wait(60)
        return RED

    answers = workers.start([first, *[lambda: BLUE, lambda: RED] * MOST_AT_ONCE])
    begin.set()
    found = [int(answer.result(60).argmax()) for answer in answers]
    assert found == [0, *[2, 0] * MOST_AT_ONCE]
    assert model.sizes[0] <= MOST_AT_ONCE
    assert max(model.sizes) == MOST_AT_ONCE
    assert sum(model.sizes) == len(answers)
    workers.stop()


def test_a_picture_that_the_model_fails_on_fails_alone() -> None:
    """The others of its batch are classified."""
    begin = threading.Event()
    workers = Workers(NotingModel(), threads=1)
    waiting, *answers = workers.start(
        [lambda: begin.wait(60) and RED, lambda: RED, lambda: 0 * RED, lambda: BLUE]
    )
    begin.set()
    assert [answers[i].result(60).argmax() for i in (0, 2)] == [0, 2]
    assert waiting.result(60).argmax() == 0
    with pytest.raises(ValueError, match="black"):
        answers[1].result(60)
    workers.stop()


def test_what_nobody_waits_for_is_not_decoded() -> None:
    """A request whose time was over costs no more."""
    begin, decoded = threading.Event(), []
    workers = Workers(ColourModel(), threads=1)
    first, given_up = workers.start(
        [lambda: begin.wait(60) and RED, lambda: decoded.append(1) or RED]
    )
    given_up.cancel()
    begin.set()
    workers.stop()
    assert first.result().argmax() == 0
    assert decoded == []


def test_large_pictures_are_not_held_together() -> None:
    """A batch that has many pixels already is not added to."""
    model, begin = NotingModel(), threading.Event()
    workers = Workers(model, threads=1)
    large = np.full((MOST_PIXELS // 1000, 1000, 3), (255, 0, 0), np.uint8)
    answers = workers.start([lambda: begin.wait(60) and RED, *[lambda: large] * 3, lambda: BLUE])
    begin.set()
    assert [int(answer.result(60).argmax()) for answer in answers] == [0, 0, 0, 0, 2]
    workers.stop()
    assert max(model.sizes) <= 2
