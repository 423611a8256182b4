"""A search in a real kernel, whose workers train nothing."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from hpo.api.notebook import as_html
from hpo.search.board import Row, new_board
from tests.hpo.api.conftest import draw_photos

ROOT = Path(__file__).parents[3]
SETUP = """
import warnings
warnings.simplefilter("error")
import hpo
from hpo.search import processes
from tests.hpo.api.conftest import fake_workers
processes.WORKER = fake_workers(0.1)
"""
SEARCH = 'study = hpo.search("photos", trials={trials}, space={{"backbone": ["cnn"]}}{more})'
WAIT_S = 100.0


class Notebook:
    """A kernel and what its cells have put out.

    Attributes:
        outputs: Type of message and content, of the last cell, a display's changes among them.
    """

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager()
        inherited = {k: v for k, v in os.environ.items() if k not in ("HPO_STORAGE", "HPO_RUNS")}
        self._manager.start_kernel(
            cwd=str(folder),
            env=inherited | {"PYTHONPATH": str(ROOT), "HPO_CACHE_DIR": str(folder / "cache")},
        )
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=WAIT_S)
        self.outputs: list[tuple[str, dict[str, Any]]] = []
        assert self.run(SETUP) == "ok", self.outputs

    def run(self, code: str, when: Callable[[], bool] = lambda: False, presses: int = 1) -> str:
        """Runs a cell and returns how it ended; presses stop once `when` holds."""
        self.outputs = []
        asked = self._client.execute(code)
        deadline = time.monotonic() + WAIT_S
        while True:
            assert time.monotonic() < deadline, self.outputs
            message = self._client.get_iopub_msg(timeout=WAIT_S)
            if message["parent_header"].get("msg_id") != asked:
                continue
            self.outputs.append((message["msg_type"], message["content"]))
            if presses and when():
                presses -= 1
                self._manager.interrupt_kernel()
            if message["content"].get("execution_state") == "idle":
                break
        while (reply := self._client.get_shell_msg(timeout=WAIT_S))["parent_header"].get(
            "msg_id"
        ) != asked:  # one on the kernel, from when it was started
            pass
        return str(reply["content"]["status"])

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The outputs of some kinds."""
        return [content for kind, content in self.outputs if kind in kinds]

    @property
    def table(self) -> str:
        """The live table as it is, in HTML."""
        shown = self.of("display_data", "update_display_data")
        return str(shown[-1]["data"]["text/html"]) if shown else ""

    @property
    def printed(self) -> str:
        """What was printed."""
        return "".join(content["text"] for content in self.of("stream"))

    def kill(self) -> None:
        """Ends the kernel as a restart does."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with photos."""
    draw_photos(tmp_path / "photos")
    return tmp_path


@pytest.fixture
def notebook(folder: Path) -> Iterator[Notebook]:
    """A notebook in it."""
    notebook = Notebook(folder)
    yield notebook
    notebook.kill()


def test_a_live_table(notebook: Notebook) -> None:
    """One output is drawn anew until all trials have ended, and errors are a line."""
    assert notebook.run(SEARCH.format(trials=2, more="")) == "ok"
    assert len(notebook.of("display_data")) == 1
    assert len(notebook.of("update_display_data")) > 3
    assert notebook.of("stream") == []
    assert "2/2 trials" in notebook.table
    assert notebook.table.count("complete") == 2
    assert "Next: study.best.export" in notebook.table
    plain = notebook.of("update_display_data")[-1]["data"]["text/plain"]
    assert plain.startswith("hpo photos  2/2 trials  best accuracy 0.")
    assert notebook.run("study") == "ok"
    assert "2 complete" in notebook.of("execute_result")[0]["data"]["text/html"]
    assert notebook.run("study.best") == "ok"
    assert "learning_rate" in notebook.of("execute_result")[0]["data"]["text/html"]
    assert notebook.run('hpo.search("photos", seed=1)') == "error"
    (error,) = notebook.of("error")
    assert len(error["traceback"]) == 1
    assert error["traceback"][0].startswith("StudyError: The study 'photos' exists with other")


def test_stop_and_restart(notebook: Notebook, folder: Path) -> None:
    """The stop button pauses after the epoch; after a restart of the kernel it goes on there."""

    def trained() -> bool:
        return bool(re.search(r">[1-9]/\d+", notebook.table))

    assert notebook.run(SEARCH.format(trials=50, more=""), when=trained) == "ok"
    assert "Finishing the epoch and saving" in notebook.table
    assert "Nothing is lost: run this again to continue." in notebook.table
    assert notebook.run("print(study.trials().state.iloc[-1])") == "ok"
    assert notebook.printed == "interrupted\n"
    twice = notebook.run(SEARCH.format(trials=50, more=""), when=trained, presses=2)
    assert twice == "error", notebook.outputs
    (stopped,) = notebook.of("error")
    assert stopped["traceback"][0].startswith("Stopped at once. Nothing is lost")
    assert notebook.run("print({*study.trials().state} - {'complete'})") == "ok"
    assert notebook.printed == "{'interrupted'}\n"
    notebook.kill()
    again = Notebook(folder)
    assert again.run(SEARCH.format(trials=1, more="")) == "ok"
    assert again.run("print(study.trials().loc[0, 'state'])") == "ok"
    assert again.printed == "complete\n"
    again.kill()


def test_in_the_background(notebook: Notebook) -> None:
    """Other cells run meanwhile; stopping the wait stops the search."""
    assert notebook.run(SEARCH.format(trials=50, more=", background=True")) == "ok"
    assert notebook.run("print(study.running)") == "ok"
    assert notebook.printed == "True\n"

    def waits() -> bool:
        time.sleep(1)  # it is told just before it waits
        return "waits" in notebook.printed

    code = "print('waits', flush=True); study.wait(); print(study.running)"
    assert notebook.run(code, when=waits) == "ok", notebook.outputs
    assert notebook.printed.endswith("False\n")


def test_texts_of_users_are_no_html() -> None:
    """A study or a baseline may be called anything."""
    board = new_board("<i>s</i>", "accuracy", 3)
    board.running[0] = Row(0, "cnn <b>", "<script>", 3)
    html = as_html(board)
    assert "&lt;script&gt;" in html
    assert "<i>s" not in html
    assert "<script>" not in html
