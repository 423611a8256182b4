"""Makes the pictures of README.md with the program itself: `make pictures`.

The live table is that of a real search on the digits; the dashboard is photographed by headless
Chromium (`apt install chromium`) while it shows that study.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from hpo.cli import main as hpo
from hpo.search import session, views

DOCS = Path(__file__).parent
TRIALS, SHOWN_AFTER = 20, 14
WIDTH = 116


class _Photographed(views.TableView):
    """The live table, drawn once more for the picture in the middle of the search."""

    taken = False

    def tick(self) -> None:
        """Draws the table when enough trials have ended and one is well under way."""
        running = list(self.board.running.values())
        due = self.board.finished >= SHOWN_AFTER and running and running[0].epoch >= 2
        if due and not _Photographed.taken:
            _Photographed.taken = True
            camera = Console(record=True, width=WIDTH, file=io.StringIO())
            camera.print(views.render(self.board, WIDTH))
            picture = camera.export_svg(title=f"hpo run --trials {TRIALS}")
            # Without the fonts that rich would have the reader's browser fetch.
            picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
            (DOCS / "live-table.svg").write_text(picture, encoding="utf-8")


def search() -> None:
    """Searches on the digits in this folder and draws the live table."""
    session.TableView = _Photographed  # type: ignore[misc]
    session.is_live = lambda console: True
    os.environ |= {"TTY_COMPATIBLE": "1", "COLUMNS": str(WIDTH)}  # a terminal, to rich
    try:
        hpo(["run", "--trials", str(TRIALS)])
    except SystemExit as end:
        if end.code:
            raise


def photograph(url: str, name: str) -> None:
    """Writes what a browser shows at `url` to the folder of this file."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("The picture of the dashboard needs Chromium: apt install chromium")
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        subprocess.run(
            [
                browser,
                *flags,
                f"--user-data-dir={profile}",
                "--window-size=1400,1000",
                "--virtual-time-budget=15000",
                f"--screenshot={DOCS / name}",
                url,
            ],
            check=True,
            capture_output=True,
        )


def main() -> None:
    """Makes both pictures in a scratch folder."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        search()
        dashboard = subprocess.Popen([sys.executable, "-m", "hpo", "dashboard", "--port", "8099"])
        try:
            time.sleep(5)
            photograph("http://127.0.0.1:8099/dashboard/studies/1", "dashboard.png")
        finally:
            dashboard.terminate()
            dashboard.wait()


if __name__ == "__main__":
    main()
