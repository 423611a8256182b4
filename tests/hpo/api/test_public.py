"""The public names: few, quick to import, and with the settings that there are."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types

import pytest

import hpo
from hpo.api.settings import Settings
from studies.settings import StudySettings

HEAVY = ("tensorflow", "keras", "optuna", "numpy", "pandas", "pydantic", "sqlalchemy")


def test_importing_it_brings_nothing_along() -> None:
    """Neither the package nor the functions that it offers."""
    code = (
        "import sys, hpo; hpo.search, hpo.open, hpo.Study, hpo.StudyError;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_name_is_there() -> None:
    """All of them, and no other."""
    assert all(hasattr(hpo, name) for name in hpo.__all__)
    assert dir(hpo) == sorted(hpo.__all__)
    assert hpo.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = hpo.serach  # type: ignore[attr-defined]


def test_the_function_stays_what_it_is() -> None:
    """Importing the package of the same name does not take its place."""
    import hpo.search.session
    from hpo.search import session

    assert inspect.isfunction(hpo.search)
    assert isinstance(session, types.ModuleType)


def test_every_key_of_the_settings_file_is_an_argument() -> None:
    """Under its name; only the timeout may be written without its unit."""
    own = inspect.signature(hpo.search).parameters.keys() | {"timeout_s"}
    keys = Settings.__annotations__.keys()
    assert keys | own >= StudySettings.model_fields.keys()
    assert keys <= StudySettings.model_fields.keys()
    assert not keys & own
