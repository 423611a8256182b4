"""What the tests of the search share."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from tests.hpo.search.small_study import make_study


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """An empty study."""
    return make_study(tmp_path)
