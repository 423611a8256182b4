"""Tune Keras image classifiers from Python: the public names.

    import hpo

    study = hpo.search("photos", trials=20, timeout="10m")
    study.best.export("model.keras")

The names in `__all__` are public. Everything below, such as `hpo.training` or the package `models`,
may change from one version to the next.

Each name is imported when it is used first (PEP 562), so `import hpo` takes no time and imports
neither TensorFlow nor NumPy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from data_pipeline.errors import DataError as DataError
    from hpo.api.search import search as search
    from hpo.api.study import Study as Study
    from hpo.api.study import open_study as open  # noqa: A004
    from hpo.api.trial import Trial as Trial
    from models.errors import ModelError as ModelError
    from studies.errors import StudyError as StudyError
    from studies.networks import Choice as Choice
    from studies.networks import FloatRange as FloatRange
    from studies.networks import IntRange as IntRange
    from studies.networks import network as network

    __version__: str

_EXPORTS: Mapping[str, str] = MappingProxyType(
    {
        "search": "hpo.api.search",
        "open": "hpo.api.study:open_study",
        "Study": "hpo.api.study",
        "Trial": "hpo.api.trial",
        "network": "studies.networks",
        "Choice": "studies.networks",
        "FloatRange": "studies.networks",
        "IntRange": "studies.networks",
        "DataError": "data_pipeline.errors",
        "ModelError": "models.errors",
        "StudyError": "studies.errors",
    }
)
"""Name to the module that has it, and after a colon to what it is called there."""

__all__ = [
    "Choice",
    "DataError",
    "FloatRange",
    "IntRange",
    "ModelError",
    "Study",
    "StudyError",
    "Trial",
    "__version__",
    "network",
    "open",
    "search",
]


def __getattr__(name: str) -> Any:
    """Imports a public name."""
    if name == "__version__":
        from importlib.metadata import version  # which takes longer than all the rest

        return version("hpo")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'hpo' has no attribute {name!r}")
    module, _, inside = _EXPORTS[name].partition(":")
    found = globals()[name] = getattr(import_module(module), inside or name)
    return found


def __dir__() -> list[str]:
    """Returns the public names, for completion."""
    return __all__


class _Package(ModuleType):
    """This package, in which a public name stays what it is.

    Python would put the package `hpo.search` in place of the function when it imports it.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _EXPORTS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
