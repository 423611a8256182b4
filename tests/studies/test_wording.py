"""Tests of `studies.wording`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from studies.wording import complaint, did_you_mean


class Table(BaseModel):
    """Something a user writes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: int


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, "ten", "it must be a whole number. Received: 'ten'."),
        (int, 1.5, "it must be a whole number. Received: 1.5."),
        (float, None, "it must be a number. Received: None."),
        (bool, "perhaps", "it must be true or false. Received: 'perhaps'."),
        (str, 3, "it must be text in quotes. Received: 3."),
        (tuple[int, ...], 3, "it must be a list. Received: 3."),
        (Table, 3, "it must be a table. Received: 3."),
        (Table, {}, "it is missing."),
        (Table, {"size": 1, "sise": 2}, "There is no key it here. Received: 2."),
        (Literal["a", "b"], "c", "it must be one of 'a' or 'b'. Received: 'c'."),
        (Annotated[int, Field(ge=1)], 0, "it must be at least 1. Received: 0."),
        (Annotated[int, Field(gt=0)], 0, "it must be above 0. Received: 0."),
        (Annotated[float, Field(le=1)], 2.0, "it must be at most 1.0. Received: 2.0."),
        (Annotated[float, Field(lt=1)], 1.0, "it must be below 1.0. Received: 1.0."),
        (Annotated[float, Field(allow_inf_nan=False)], float("inf"), "it must be a finite number."),
        (bytes, 3, "it should be a valid bytes. Received: 3."),
    ],
)
def test_an_error_is_a_sentence_of_ours(kind: Any, value: object, expected: str) -> None:
    """What the value has to be, and what it was; pydantic's own words where there are no others."""
    with pytest.raises(ValidationError) as error:
        TypeAdapter(kind).validate_python(value)
    (found,) = error.value.errors()
    assert complaint("it", dict(found)).startswith(expected)


def test_names_that_are_spelt_alike_are_asked_for() -> None:
    """Three at most; nothing is said where none is like it."""
    names = ["dropout", "resnet50", "resnet101", "resnet152", "resnet18"]
    assert did_you_mean("dropuot", names) == "Did you mean dropout?"
    assert did_you_mean("resnet", names).count("resnet") == 3
    assert did_you_mean("xyz", names) == ""
