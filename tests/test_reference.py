"""Tests of `docs.reference`."""

from __future__ import annotations

from docs.reference import settings_reference, space_table
from studies.settings import StudySettings
from tests.studies.spaces import space_of


def test_space_table_has_a_row_a_setting() -> None:
    """Name, range, condition and help of everything in the space."""
    rows = space_table(space_of())
    assert {row["name"] for row in rows} == space_of().root.keys()
    assert all(row["help"] and row["range"] for row in rows)
    (rate,) = (row for row in rows if row["name"] == "sgd_learning_rate")
    assert rate["range"] == "0.001 to 0.3 (log)"
    assert rate["when"] == "trained in steps and optimizer is sgd"


def test_reference_has_a_row_a_key() -> None:
    """Type and default in a TOML file's words, and a help for each."""
    rows = {row["key"]: row for row in settings_reference()}
    assert StudySettings.model_fields.keys() <= rows.keys()
    assert all(row["help"] and row["type"] for row in rows.values())
    assert rows["trials"]["default"] == "50"
    assert rows["trials"]["type"] == "whole number"
    assert rows["device"]["type"] == "auto, cpu, gpu"
    assert rows["timeout_s"]["default"] == ""
    assert rows["sampler"] == {
        "key": "sampler",
        "type": "table",
        "default": "tpe",
        "help": "What proposes the settings of each trial.",
    }
    assert rows["sampler.group"]["default"] == "true"
    assert rows["baseline.label"]["default"] == "required"
    assert (rows["baseline"]["type"], rows["exclude"]["type"]) == ("tables", "texts")
