"""A search as a live table in the output of a notebook's cell."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

from hpo.api.screens import what_next
from hpo.search.board import Board, Row
from hpo.search.open_study import OpenStudy
from hpo.search.session import Ending
from hpo.search.views import ENDS, TITLES, BoardView, LineView, cells, headline, is_best, rows_of

REFRESH_S = 0.5
"""The table is not drawn more often: every drawing is a message to the browser."""
LINES = 12
"""Messages that are shown, the newest; the first ones, on the data, stay."""
FIRST_LINES = 6

# Colours that can be read on white and on black; everything else is the notebook's own.
COLOURS = {"green": "#2e9e44", "yellow": "#b58900", "cyan": "#2a8fbd", "dim": "#888", "red": "#d33"}
STYLE = """<style>
.hpo {font-size: 13px; line-height: 1.5; max-width: 1100px}
.hpo table {border-collapse: collapse; table-layout: auto; width: 100%; margin: 6px 0; border: none}
.hpo th, .hpo td {text-align: right; padding: 1px 10px; border: none; background: none;
  white-space: nowrap; font-variant-numeric: tabular-nums; color: inherit}
.hpo th {border-bottom: 1px solid currentColor}
.hpo th.l, .hpo td.l {text-align: left !important}
.hpo td.s {white-space: normal; width: 60%}
.hpo .bar {height: 4px; background: rgba(128, 128, 128, .3); margin-top: 4px}
.hpo .bar div {height: 4px; background: #2e9e44}
.hpo .m {opacity: .75; white-space: pre-wrap}
</style>"""


class NotebookScreen:
    """The output of one cell, drawn anew as the search goes on."""

    def __init__(self) -> None:
        from IPython.display import display

        self._first: list[str] = []
        self._lines: deque[str] = deque(maxlen=LINES - FIRST_LINES)
        self._board: Board | None = None
        self._doing, self._drawn_s = "", 0.0
        self._handle = display(self._bundle(), raw=True, display_id=True)

    def say(self, message: str) -> None:
        """See `Screen`."""
        (self._lines if len(self._first) == FIRST_LINES else self._first).append(message)
        self.draw()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `Screen`."""
        self._doing = "Reading the data set …"
        self.draw()
        try:
            yield
        finally:
            self._doing = ""
            self.draw()

    def view(self, board: Board) -> LineView:
        """See `Screen`."""
        self._board = board
        return NotebookView(board, self)

    def end(self, opened: OpenStudy, ending: Ending) -> None:
        """See `PythonScreen`."""
        board = self._board
        for line in what_next(ending, bool(board is None or board.best is not None)):
            self.say(line)

    def tick(self) -> None:
        """Draws where enough time has passed."""
        if time.monotonic() - self._drawn_s >= REFRESH_S:
            self.draw()

    def draw(self) -> None:
        """Draws everything anew."""
        self._drawn_s = time.monotonic()
        self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        lines = [*self._first, *self._lines, *filter(None, [self._doing])]
        table = as_html(self._board) if self._board else ""
        said = "".join(f"<div>{escape(line)}</div>" for line in lines)
        head = f"hpo {self._board.study}{''.join(headline(self._board))}" if self._board else ""
        return {
            "text/html": f'{STYLE}<div class="hpo">{table}<div class="m">{said}</div></div>',
            "text/plain": "\n".join(filter(None, [head, *lines])),
        }


class NotebookView(BoardView):
    """The live table: the board in HTML."""

    def __init__(self, board: Board, screen: NotebookScreen) -> None:
        self.board = board
        self._screen = screen

    def __exit__(self, *_: object) -> None:
        self.board.running.clear()
        self._screen.draw()

    def show(self, message: str) -> None:
        """Shows a line below the table."""
        self._screen.say(message)

    def tick(self) -> None:
        """Time has passed."""
        self._screen.tick()


def as_html(board: Board) -> str:
    """Returns the table of a search."""
    before, best, after = map(escape, headline(board))
    done = board.finished / max(1, board.total)
    titles = "".join(f"<th{_side(name)}>{name}</th>" for name in TITLES)
    rows = "".join(_row(row, best=is_best(board, row)) for row in rows_of(board))
    return (
        f"<div><b>hpo {escape(board.study)}</b>{before}<b>{best}</b>{after}</div>"
        f'<div class="bar"><div style="width: {min(1.0, done):.1%}"></div></div>'
        f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(row: Row, *, best: bool) -> str:
    colour = COLOURS[ENDS.get(row.ended or "running", "red")]
    texts = dict(zip(TITLES, map(escape, cells(row)), strict=True))
    texts["state"] = f'<span style="color: {colour}">{texts["state"]}</span>'
    weight = ' style="font-weight: bold"' if best else ""
    body = "".join(f"<td{_side(name)}>{text}</td>" for name, text in texts.items())
    return f"<tr{weight}>{body}</tr>"


def _side(title: str) -> str:
    return {"settings": ' class="l s"', "state": ' class="l"'}.get(title, "")
