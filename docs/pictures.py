"""Makes the pictures of README.md with the program itself: `make pictures`.

The live table is that of a real search on the photos of `docs/photos.py`; the dashboard is
photographed by headless Chromium (`apt install chromium`) while it shows that study. Weights of
ImageNet are used as far as they are on the machine.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from rich.console import Console

from docs.photos import REGIONS, draw
from hpo.cli import main as hpo
from hpo.search import views

DOCS = Path(__file__).parent
TRIALS, SHOWN_AFTER = 14, 9
WIDTH = 116
BACKBONES = "mobilenet_0.75,mobilenet_v2_0.35,cnn"
SIDE_PX, GAP_PX, LINE_PX, CHOSEN = 96, 4, 18, (4, 14)
"""Of the strip of photos: their size, the space between them, the line of text, which are shown."""


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
            picture = camera.export_svg(title=f"hpo run --data photos --trials {TRIALS}")
            # Without the fonts that rich would have the reader's browser fetch.
            picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
            (DOCS / "live-table.svg").write_text(picture, encoding="utf-8")


def strip(photos: Path) -> None:
    """Draws some photos of each class in a row, with their classes above them."""
    files = [(label, photos / label / f"{n:03d}.jpg") for label in REGIONS for n in CHOSEN]
    width = len(files) * (SIDE_PX + GAP_PX) - GAP_PX
    picture = Image.new("RGB", (width, LINE_PX + SIDE_PX), "white")
    pen = ImageDraw.Draw(picture)
    for place, (label, file) in enumerate(files):
        left = place * (SIDE_PX + GAP_PX)
        if place % len(CHOSEN) == 0:
            pen.text((left, 2), f"{label}/", fill="black", font_size=12)
        picture.paste(Image.open(file).resize((SIDE_PX, SIDE_PX)), (left, LINE_PX))
    picture.save(DOCS / "photos.jpg", quality=85)


def search() -> None:
    """Searches on the photos in this folder and draws the live table."""
    views.TableView = _Photographed  # type: ignore[misc]
    views.is_live = lambda console: True
    os.environ |= {"TTY_COMPATIBLE": "1", "COLUMNS": str(WIDTH)}  # a terminal, to rich
    try:
        hpo(["run", "--data", "photos", "--trials", str(TRIALS), "--backbones", BACKBONES])
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
    """Makes all pictures in a scratch folder."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        strip(draw(Path("photos")))
        search()
        command = [sys.executable, "-um", "hpo", "dashboard", "--port", "0"]
        dashboard = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert dashboard.stdout is not None
            address = dashboard.stdout.readline().split()[2]  # it is printed once it answers
            photograph(f"{address}dashboard/studies/1", "dashboard.png")
        finally:
            dashboard.terminate()
            dashboard.wait()


if __name__ == "__main__":
    main()
