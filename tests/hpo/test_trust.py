"""Code of other people is not run unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.trust import is_trusted, require_trusted, trust
from models.source import Source
from studies.errors import StudyError
from studies.network_files import NetworkFile

FILE = NetworkFile(name="mine.py", text="x = 1\n")


@pytest.fixture(autouse=True)
def _somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPO_CONFIG_DIR", str(tmp_path))


def test_a_text_is_trusted_once_it_was_named() -> None:
    """The same text under another name is the same code; any other text is not."""
    with pytest.raises(StudyError, match=r"(?s)'s' carries Python code.*mine\.py.*--trust"):
        require_trusted("s", [FILE])
    trust([FILE.source])
    require_trusted("s", [FILE])
    assert is_trusted(Source("moved.py", "x = 1\n"))
    assert not is_trusted(Source("mine.py", "x = 2\n"))


def test_a_study_without_code_asks_for_nothing() -> None:
    """Most studies have none."""
    require_trusted("s", [])


def test_another_user_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has named, another has not."""
    trust([FILE.source])
    monkeypatch.setenv("HPO_CONFIG_DIR", str(tmp_path / "other"))
    assert not is_trusted(FILE.source)
