"""What a notebook sees of a public call: no warnings of libraries, and errors in a line."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from data_pipeline.errors import DataError
from models.errors import ModelError
from studies.errors import StudyError

P = ParamSpec("P")
R = TypeVar("R")


def public(call: Callable[P, R]) -> Callable[P, R]:
    """Makes a function one that users call.

    IPython shows what they can mend, and a stop, in a line; a bug keeps its traceback.

    IPython asks an exception for its text through `_render_traceback_`
    (`IPython.core.interactiveshell.InteractiveShell.showtraceback`).
    """

    @wraps(call)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        _import_optuna()
        try:
            return call(*args, **kwargs)
        except (DataError, ModelError, StudyError) as error:
            _say_only(error, f"{type(error).__name__}: {error}")
            raise
        except KeyboardInterrupt as error:
            _say_only(error, "Stopped at once. Nothing is lost: run this again to continue.")
            raise

    return called


def _import_optuna() -> None:
    """Imports Optuna without tqdm's warning that ipywidgets are missing, which nothing here needs.

    It takes a while, so that no public name brings it along.
    """
    with warnings.catch_warnings(action="ignore"):
        import optuna  # noqa: F401


def _say_only(error: BaseException, text: str) -> None:
    error._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
