"""Where a search that was called from Python is shown: a notebook, a terminal or a log."""

from __future__ import annotations

import sys
from typing import Protocol

from rich.console import Console

from hpo.search.open_study import OpenStudy
from hpo.search.session import Ending
from hpo.search.views import ConsoleScreen, Screen

NEXT = "Next: study.best.export('model.keras'), study.best.test(), study.dashboard()"
AGAIN = "Nothing is lost: run this again to continue."


class PythonScreen(Screen, Protocol):
    """A screen that is told of the end, too."""

    def end(self, opened: OpenStudy, ending: Ending) -> None:
        """Shows what came of the search."""


class PythonConsole(ConsoleScreen):
    """A terminal or a log, with what to call next instead of what to type."""

    def end(self, opened: OpenStudy, ending: Ending) -> None:
        """See `PythonScreen`."""
        from hpo.results.ending import print_results

        found = print_results(opened, self._console)
        for line in what_next(ending, found):
            self.say(line)


def what_next(ending: Ending, found: bool) -> list[str]:
    """Returns what a user may do after a search.

    Args:
        ending: How the search ended.
        found: Whether there is a trial to use.
    """
    return [AGAIN] * (ending.interrupted or ending.out_of_time) + [NEXT] * found


def new_screen() -> PythonScreen:
    """Returns the screen of this process: the output of a notebook's cell, or the console."""
    if not in_notebook():
        return PythonConsole(Console())

    from hpo.api.notebook import NotebookScreen

    return NotebookScreen()


def in_notebook() -> bool:
    """Whether a kernel runs this process: Jupyter's, Colab's or VS Code's."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")
