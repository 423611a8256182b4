"""Settings files as nobody would write them: a valid study, or a message what is wrong."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from studies.errors import StudyError
from studies.parameters import PARAMETERS
from studies.settings import StudySettings
from studies.toml_files import load_settings, make_settings
from tests.fuzzing import few, many

KEYS = st.sampled_from(
    [*StudySettings.model_fields, *PARAMETERS, "name", "low", "high", "log", "label"]
)
NUMBERS = st.sampled_from(
    [
        "nan",
        "-nan",
        "inf",
        "-inf",
        "0",
        "-1",
        "1e999",
        "-0.0",
        "1e-320",
        "9" * 30,
        "long",
        "0x1F",
    ]
).map(lambda number: number.replace("long", "9" * 5000))
TEXTS = st.text(max_size=8).map(json.dumps) | st.sampled_from(
    ['"digits"', '"cnn"', '"tpe"', '"percentile"', '"2h"', '"9999999999999h"', "'../../etc'", '""']
)
SCALARS = st.one_of(
    NUMBERS,
    TEXTS,
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["true", "false", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"]),
)


def _tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(KEYS | st.text("abc-_", min_size=1, max_size=4), values)
    return st.lists(pairs, max_size=4, unique_by=lambda pair: pair[0]).map(
        lambda rows: "{" + ", ".join(f"{key} = {value}" for key, value in rows) + "}"
    )


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda row: f"[{', '.join(row)}]") | _tables(inner)
    ),
    max_leaves=12,
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join),
    st.sampled_from(["[space]", "[sampler]", "[pruner]", "[[baseline]]", "[baseline.settings]"]),
    st.text(max_size=10),
)
HOPELESS = [
    b"\xef\xbb\xbfseed = 1",
    "seed = 1".encode("utf-16"),
    b"seed = " + b"9" * 10_000,
    b"space = " + b"[" * 5_000 + b"]" * 5_000,
    b"space = " + b"{a = " * 5_000 + b"1" + b"}" * 5_000,
    b"[" + b".".join([b"a"] * 5_000) + b"]",
    b"seed = 1\0",
    b"seed = 1\r\nseed = 1",
]
DOCUMENTS = st.one_of(
    st.lists(LINES, max_size=10).map("\n".join).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=60),
    st.integers(0, len(HOPELESS) - 1).map(HOPELESS.__getitem__),  # too long to be shown
)


def refusal(path: Path) -> str | None:
    """What is said of a file; None where it makes settings that can be stored."""
    try:
        settings: Any = make_settings(load_settings(path))
    except StudyError as error:
        return str(error)
    stored = settings.model_dump_json()
    assert StudySettings.model_validate(json.loads(stored)).model_dump_json() == stored
    return None


def check_document(content: bytes) -> None:
    """It makes valid settings, or a message with words in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.toml")
        path.write_bytes(content)
        said = refusal(path)
        assert said is None or ("s.toml" in said and len(said.split()) > 3)


def test_settings_files() -> None:
    """A few hundred documents: structures, wrong types, huge numbers, deep nesting, no text."""
    few(check_document, DOCUMENTS, 500)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_settings_files() -> None:
    """The same with thousands that nobody has chosen."""
    many(check_document, DOCUMENTS)
