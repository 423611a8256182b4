"""Tests of `studies.toml_errors`."""

from __future__ import annotations

import tomllib

import pytest

from studies.toml_errors import Location, line_of

TEXT = '''# trials = 1
trials = 5
sampler = { name = "tpe", n_startup_trials = 3 }
note = """
seed = 4
"""
seed = 7

[space]
dropout = { low = 0.1, high = 0.5 }
optimizer = [
    "adam",
    "sgd",
]
"batch_size" = 8  # seed = 1

[space.epochs]
low = 3
high = 9

[pruner]  # none
name = "none"

[[baseline]]
label = "a = b"
settings.dropout = 0.1

[[baseline]]
label = "second"
[baseline.settings]
dropout = 0.2
'''


def test_text_is_toml() -> None:
    """The document below is valid and means what the test says."""
    assert tomllib.loads(TEXT)["baseline"][1]["settings"] == {"dropout": 0.2}


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("trials",), 2),
        (("sampler", "n_startup_trials"), 3),
        (("seed",), 7),
        (("space",), 9),
        (("space", "dropout", "low"), 10),
        (("space", "optimizer", 1), 11),
        (("space", "batch_size"), 15),
        (("space", "epochs"), 17),
        (("space", "epochs", "high"), 19),
        (("space", "absent"), 9),
        (("pruner", "name"), 22),
        (("baseline", 0, "label"), 25),
        (("baseline", 0, "settings", "dropout"), 26),
        (("baseline", 1, "label"), 29),
        (("baseline", 1, "settings"), 30),
        (("baseline", 1, "settings", "dropout"), 31),
        (("absent",), None),
    ],
)
def test_line_of(location: Location, line: int | None) -> None:
    """The line of the key, else of the table around it; comments and texts hold no keys."""
    assert line_of(TEXT, location) == line
