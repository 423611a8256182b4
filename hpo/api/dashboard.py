"""The dashboard, served by a thread of this process."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING

from hpo.listening import address, listen
from hpo.results.dashboard import PASSWORD_VARIABLE, make_app, new_server
from hpo.search.open_study import OpenStudy
from studies.optuna_private import study_id

if TYPE_CHECKING:
    from waitress.server import BaseWSGIServer

HOST, CLOSE_S = "127.0.0.1", 2


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that is being served.

    Attributes:
        url: Where, on this machine.
        port: The port of it, to be forwarded where the browser runs elsewhere.
    """

    url: str
    port: int
    _server: BaseWSGIServer

    def close(self) -> None:
        """Ends it."""
        for storage, served in list(_SERVED.items()):
            if served._server is self._server:
                del _SERVED[storage]
        self._server.task_dispatcher.shutdown(timeout=CLOSE_S)  # what is being answered first
        self._server.close()

    def __repr__(self) -> str:
        return f"Dashboard at {self.url}"

    def _repr_html_(self) -> str:
        """Shows a link, and in Colab a link through its proxy."""
        if "google.colab" in sys.modules:
            colab = import_module("google.colab.output")
            colab.serve_kernel_port_as_window(self.port, path=self.url.partition(str(self.port))[2])
            return ""
        return f'Dashboard at <a href="{escape(self.url)}" target="_blank">{escape(self.url)}</a>'


_SERVED: dict[str, Dashboard] = {}
"""By their storages: a cell that runs again gets the one that is there."""


def serve_study(opened: OpenStudy, port: int) -> Dashboard:
    """Serves the dashboard of a study's storage, unless that is done already.

    Raises:
        StudyError: The port is in use.
    """
    storage = str(opened.storage.url)
    page = f"dashboard/studies/{study_id(opened.study)}"
    if served := _SERVED.get(storage):
        return Dashboard(f"http://{HOST}:{served.port}/{page}", served.port, served._server)
    password = os.environ.get(PASSWORD_VARIABLE)
    app = make_app(opened.storage, opened.files.paths.artifacts, password)
    listening = listen(HOST, port)
    server = new_server(app, listening)
    threading.Thread(target=server.run, name="hpo dashboard", daemon=True).start()
    made = Dashboard(address(listening) + page, listening.getsockname()[1], server)
    _SERVED[storage] = made
    return made
