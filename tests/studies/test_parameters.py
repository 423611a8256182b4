"""Tests of `studies.parameter` and `studies.parameters`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.augmentations import AUGMENTATIONS
from models.catalogue import BUILT_IN
from studies.domains import Choices
from studies.parameter import Parameter
from studies.parameters import (
    LEVELS,
    PARAMETERS,
    PRETRAINED_BACKBONES,
    SCRATCH_BACKBONES,
    parameter_table,
)
from studies.trial_config import TrialConfig

FROM_DATA = {"training.continued_after", "model.classes", "model.own"}


def leaves() -> set[str]:
    """Returns the path of every field of a trial's configuration."""
    sections: dict[str, Any] = {
        name: field.annotation for name, field in TrialConfig.model_fields.items()
    }
    return {f"{name}.{key}" for name, config in sections.items() for key in config.model_fields}


def test_every_setting_is_reachable() -> None:
    """The rows set exactly the fields that data, own networks and `hpo continue` do not."""
    targets = {row.target for row in PARAMETERS.values()} - {"augment"}
    assert targets == leaves() - FROM_DATA


def test_only_rows_that_follow_share_a_target() -> None:
    """A field has one row; two rows of one field name each other and exclude each other."""
    targets = [row.target for row in PARAMETERS.values() if row.follows is None]
    assert len(targets) == len(set(targets))
    for row in PARAMETERS.values():
        if row.follows:
            leader = PARAMETERS[row.follows]
            assert leader.target == row.target
            assert leader.when
            assert row.when
            (condition,), (other,) = {*leader.when} - {*row.when}, {*row.when} - {*leader.when}
            assert condition.parameters == other.parameters
            for value in PARAMETERS[condition.parameters[0]].names or (True, False):
                assert condition.holds(value) != other.holds(value)


def test_conditions_look_back() -> None:
    """A condition is about a row that has been sampled before."""
    names = list(PARAMETERS)
    for row in PARAMETERS.values():
        for when in row.when:
            assert all(names.index(name) < names.index(row.name) for name in when.parameters)


def test_defaults_are_allowed() -> None:
    """Every default, start value and choice passes its own row's check."""
    for row in PARAMETERS.values():
        choices = row.default.values if isinstance(row.default, Choices) else ()
        for value in (row.start, row.default_value, *choices):
            if value is not None:
                assert row.check(value) == value


def test_what_is_searched_by_default_exists() -> None:
    """The backbones and levels that the default space names are rows of their tables."""
    assert {*PRETRAINED_BACKBONES, *SCRATCH_BACKBONES} <= {*BUILT_IN}
    assert all(BUILT_IN.find(name).has_weights for name in PRETRAINED_BACKBONES)
    assert not any(BUILT_IN.find(name).has_weights for name in SCRATCH_BACKBONES)
    assert set(LEVELS) <= AUGMENTATIONS.keys()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("dropout", 1.0, "a number, at least 0.0, below 1.0"),
        ("dropout", "0.5", "a number, at least 0.0, below 1.0"),
        ("epochs", 2.5, "a whole number, at least 1"),
        ("epochs", True, "a whole number, at least 1"),
        ("learning_rate", 0.0, "a number, above 0.0"),
        ("learning_rate", float("nan"), "a number, above 0.0"),
        ("trainable_stages", 6, "a whole number, at least 0, at most 5"),
        ("pooling", "mean", "one of avg, max, flatten"),
        ("flip_vertical", 1, "true or false"),
        ("head_widths", "64-0", "numbers joined by '-' such as 512-128, or 'none'"),
        ("head_widths", "", "numbers joined by '-' such as 512-128, or 'none'"),
        ("brightness", "0.5", "numbers joined by '-' such as 0.5-1.5"),
    ],
)
def test_check_says_what_is_allowed(name: str, value: Any, allowed: str) -> None:
    """A value outside the field's type and bounds is refused with the rule and the value."""
    with pytest.raises(ValueError, match="Received") as error:
        PARAMETERS[name].check(value)
    assert str(error.value) == f"{name} must be {allowed}. Received: {value!r}"


def test_check_names_the_backbones() -> None:
    """A name that is in no table is refused with those like it, or else with all that are."""
    with pytest.raises(ValueError, match=r"names, such as resnet50, .*Received: 'resnet_51'"):
        PARAMETERS["backbone"].check("resnet_51")
    with pytest.raises(ValueError, match=r"one of .*mobilenet_0.75.*Received: 'x'"):
        PARAMETERS["backbone"].check("x")


@given(st.lists(st.integers(1, 4096)))
def test_widths_round_trip(widths: list[int]) -> None:
    """The text of head widths gives the same widths."""
    row = PARAMETERS["head_widths"]
    assert row.decode(row.encode(tuple(widths))) == tuple(widths)


@given(st.tuples(st.floats(0, 4), st.floats(0, 4)))
def test_brightness_round_trips(factors: tuple[float, float]) -> None:
    """The text of a brightness range gives the same range, tiny factors included."""
    row = PARAMETERS["brightness"]
    assert row.decode(row.check(row.encode(factors))) == factors


def test_one_width_may_be_a_number() -> None:
    """`head_widths = 64` is one dense layer."""
    assert PARAMETERS["head_widths"].check(64) == "64"
    assert PARAMETERS["head_widths"].decode("64") == (64,)


def test_rows_can_be_added_but_not_twice() -> None:
    """They are sampled after the others, and a name stands for one setting."""
    row = Parameter("own", "training.min_learning_rate", "a setting of one study")
    assert list(PARAMETERS.with_rows(row)) == [*PARAMETERS, "own"]
    with pytest.raises(ValueError, match="a name of its own"):
        PARAMETERS.with_rows(row, row)


def test_tables_of_the_same_backbones_are_equal() -> None:
    """A space that was stored and read again is the same one."""
    assert parameter_table(BUILT_IN) == PARAMETERS
