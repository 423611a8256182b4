"""How a search is shown: a live table on a terminal, a line an event elsewhere."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hpo.search.board import Board, Row, duration
from hpo.search.claims import Claim
from hpo.search.runner import Worker
from hpo.training.protocol import EpochEnd, Progress, Ready, Started
from studies.record import Outcome

ENDS = {
    "complete": "green",
    "stopped early": "green",
    "pruned": "yellow",
    "duplicate": "dim",
    "running": "cyan",
}


LINES_PER_S, AT_ONCE = 1.0, 60.0
"""Lines on epochs in a log, where epochs take less than a second; and how many may come first."""
TITLES = ("trial", "settings", "epoch", "last", "best", "images/s", "time", "state")
OF_TIME = ("images/s", "time")
SHORT_S = 10.0
"""A trial that takes no longer is not foretold."""
TIMES_FROM_COLUMNS = 100
"""Narrower terminals have no room for speed and time."""


def is_live(console: Console) -> bool:
    """Whether a live table can be shown: on a terminal only, even if FORCE_COLOR is set."""
    return console.file.isatty() and not console.is_dumb_terminal


class Screen(Protocol):
    """Where a search is shown, from before its data are read until it has ended."""

    def say(self, message: str) -> None:
        """Shows a line."""

    def reading(self) -> AbstractContextManager[object]:
        """Shows that the data set is read."""

    def view(self, board: Board) -> LineView:
        """Returns what shows the trials."""


class ConsoleScreen:
    """A terminal, or a file that is printed to."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, message: str) -> None:
        """See `Screen`."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def reading(self) -> AbstractContextManager[object]:
        """See `Screen`."""
        live = is_live(self._console)
        return self._console.status("Reading the data set …") if live else nullcontext()

    def view(self, board: Board) -> LineView:
        """See `Screen`."""
        return (TableView if is_live(self._console) else LineView)(board, self._console)


@dataclass
class Pace:
    """Lets one line a second through in the long run, and the first ones as they come.

    Attributes:
        left: Lines that may come at once.
    """

    left: float = AT_ONCE
    _last_s: float = field(default_factory=lambda: time.monotonic())

    def allows(self) -> bool:
        """Whether there may be a line now."""
        now = time.monotonic()
        self.left = min(AT_ONCE, self.left + (now - self._last_s) * LINES_PER_S)
        self._last_s = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class LineView:
    """A line an event, for logs and pipes; of fast epochs not every one has a line."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self._console = console
        self._pace = Pace()

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, message: str) -> None:
        """Shows a line."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def ready(self, worker: Worker, event: Ready) -> None:
        """A worker can be used."""
        self.board.ready(worker, event)
        self.show(f"worker {worker.index} ready: {self.board.devices[worker.index]}")

    def started(self, worker: Worker, claim: Claim, event: Started) -> None:
        """A trial has begun."""
        self.board.started(worker, claim, event)
        row = self.board.running[worker.index]
        again = f", continued after epoch {event.epoch}" if event.epoch else ""
        label = f" [{row.label}]" if row.label else ""
        about = f", about {duration(row.seconds)}" if (row.seconds or 0) > SHORT_S else ""
        self.show(f"trial {row.number}{label} started: {row.about}{again}{about}")

    def progress(self, worker: Worker, event: Progress) -> None:
        """A trial goes on."""
        self.board.progress(worker, event)

    def epoch(self, worker: Worker, claim: Claim, event: EpochEnd) -> None:
        """An epoch has ended."""
        self.board.epoch(worker, claim, event)
        row = self.board.running[worker.index]
        if not self._pace.allows():
            return
        self.show(
            f"trial {row.number} epoch {row.epoch}/{row.epochs}: "
            f"validation {self.board.metric.label} {event.values[-1]:.4f}, "
            f"training loss {event.metrics['loss']:.4f}"
        )

    def left(self, worker: Worker) -> None:
        """A worker trains no trial any more."""
        self.board.left(worker)

    def finished(self, claim: Claim, outcome: Outcome) -> None:
        """A trial has ended."""
        row = self.board.ended(claim, outcome)
        best = f"{row.best:.4f}" if row.best is not None else "-"
        message = f": {outcome.message.strip().splitlines()[-1]}" if outcome.message else ""
        self.show(
            f"trial {row.number} {outcome.reason} after {row.epoch} epochs in "
            f"{duration(row.seconds)}: best {best}{message} "
            f"({self.board.finished}/{self.board.total}, best so far {_best(self.board)})"
        )

    def tick(self) -> None:
        """Time has passed."""


class BoardView(LineView):
    """The board as a whole instead of lines, which are left for what is out of the ordinary."""

    def ready(self, worker: Worker, event: Ready) -> None:
        """A worker can be used."""
        self.board.ready(worker, event)

    def started(self, worker: Worker, claim: Claim, event: Started) -> None:
        """A trial has begun."""
        self.board.started(worker, claim, event)

    def epoch(self, worker: Worker, claim: Claim, event: EpochEnd) -> None:
        """An epoch has ended."""
        self.board.epoch(worker, claim, event)

    def finished(self, claim: Claim, outcome: Outcome) -> None:
        """A trial has ended."""
        self.board.ended(claim, outcome)
        if outcome.reason in ("failed", "hung") and outcome.message:
            last = outcome.message.strip().splitlines()[-1]
            self.show(f"trial {claim.number} {outcome.reason}: {last}")


class TableView(BoardView):
    """A table that is drawn anew a few times a second."""

    def __init__(self, board: Board, console: Console) -> None:
        super().__init__(board, console)
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4)

    def __enter__(self) -> TableView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, message: str) -> None:
        """Shows a line above the table."""
        self._live.console.print(message, markup=False, highlight=False)

    def _table(self) -> RenderableType:
        return render(self.board, self._console.width)


def render(board: Board, columns: int) -> RenderableType:
    """Returns the table of a search.

    Args:
        board: What it shows.
        columns: Width of the terminal. The settings take what the figures leave of it.
    """
    table = Table(expand=True, pad_edge=False, box=None, header_style="bold")
    shown = [name for name in TITLES if columns >= TIMES_FROM_COLUMNS or name not in OF_TIME]
    for name in shown:
        if name == "settings":
            table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
        else:
            justify: Literal["left", "right"] = "left" if name == "state" else "right"
            table.add_column(name, justify=justify, no_wrap=True)
    for row in rows_of(board):
        texts = {name: Text(text) for name, text in zip(TITLES, cells(row), strict=True)}
        texts["state"].stylize(ENDS.get(row.ended or "running", "red"))
        style = "bold" if is_best(board, row) else ""
        table.add_row(*(texts[name] for name in shown), style=style)
    before, best, after = headline(board)
    head = Text.assemble(
        ("hpo ", "bold"), (board.study, "bold cyan"), before, (best, "bold green"), after
    )
    return Group(head, table)


def headline(board: Board) -> tuple[str, str, str]:
    """Returns what is said of the search as a whole, its best objective in the middle."""
    devices = ", ".join(sorted(set(board.devices.values()))) or "starting TensorFlow"
    doing = f", {board.activity}" if board.activity else ""
    return (
        f"  {board.finished}/{board.total} trials  best {board.metric.label} ",
        _best(board),
        f"  time left {duration(board.eta_s)}  {devices}{doing}",
    )


def rows_of(board: Board) -> list[Row]:
    """Returns the trials that are shown, those under way last."""
    return [*board.recent, *board.running.values()]


def is_best(board: Board, row: Row) -> bool:
    """Whether a trial has ended as the best so far."""
    return row.number == board.best_number and bool(row.ended)


def cells(row: Row) -> list[str]:
    """Returns a trial's texts under `TITLES`."""
    label = f"[{row.label}] " if row.label else ""
    done = f" {row.done:4.0%}" if not row.ended and row.done else ""
    return [
        str(row.number),
        label + row.about,
        f"{row.epoch}/{row.epochs}{done}",
        _number(row.value),
        _number(row.best),
        f"{row.images_per_s:,.0f}" if row.images_per_s else "-",
        _time(row),
        row.ended or "running",
    ]


def _time(row: Row) -> str:
    if row.ended:
        return duration(row.seconds)
    return f"≈ {duration(row.seconds)}" if (row.seconds or 0) > SHORT_S else ""


def _number(value: float | None) -> str:
    return f"{value:.4f}" if value is not None else "-"


def _best(board: Board) -> str:
    where = f" (trial {board.best_number})" if board.best_number is not None else ""
    return _number(board.best) + where
