"""`@network`: what it declares, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import ModelError
from studies.domains import Choices, Fixed
from studies.domains import FloatRange as Floats
from studies.domains import IntRange as Ints
from studies.networks import Choice, FloatRange, IntRange, network


def test_settings_are_domains_of_the_space() -> None:
    """The three kinds, and a value that is fixed."""
    assert Choice(16, 32) == Choices(values=(16, 32))
    assert IntRange(2, 5, step=3) == Ints(low=2, high=5, step=3)
    assert FloatRange(1e-3, 1.0, log=True) == Floats(low=1e-3, high=1.0, log=True)

    @network(filters=Choice(16, 32), depth=3)
    def plain(images: Any, *, filters: int, depth: int) -> Any:
        return images, filters, depth

    assert plain.name == "plain"
    assert plain.settings["depth"] == Fixed(value=3)
    assert plain("images", filters=16, depth=2) == ("images", 16, 2)
    assert not plain.takes_classes


def test_first_come_the_functions_own_defaults() -> None:
    """Without one it is the first choice, and the middle of a range."""

    @network(
        a=Choice("x", "y"), b=Choice("x", "y"), c=IntRange(2, 6), d=FloatRange(0.01, 1, log=True)
    )
    def plain(images: Any, *, b: str = "y", **others: Any) -> Any:
        return images

    assert plain.starts == {"a": "x", "b": "y", "c": 4, "d": pytest.approx(0.1)}


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: IntRange(5, 2), r"IntRange low must not be above high. Received: low = 5"),
        (lambda: Choice(), r"Choice\.values .*at least 1"),
        (lambda: network(preprocessing="symetric"), r"preprocessing must be one of .*symmetric\?"),
        (lambda: network(output="probabilities"), r"output must be one of logits, softmax"),
        (lambda: network(min_size_px=0), r"min_size_px must be a whole number"),
        (lambda: network(classes=3), r"classes is no setting"),
        (lambda: network(widths=[1, 2]), r"setting widths must be Choice"),
        (lambda: network(depth=2)(lambda images: images), r"Received: depth, which"),
        (lambda: network()(lambda images, depth: images), r"without depth"),
        (lambda: network()(lambda: None), r"must take the images first"),
    ],
)
def test_what_is_wrong_is_said_at_once(declare: Any, said: str) -> None:
    """The decorator's own line is where the user looks."""
    with pytest.raises(ModelError, match=said):
        declare()
