"""How a search is shown: a live table on a terminal, a line an event elsewhere."""

from __future__ import annotations

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


SHORT_S = 10.0
"""A trial that takes no longer is not foretold."""
TIMES_FROM_COLUMNS = 100
"""Narrower terminals have no room for speed and time."""


def is_live(console: Console) -> bool:
    """Whether a live table can be shown: on a terminal only, even if FORCE_COLOR is set."""
    return console.file.isatty() and not console.is_dumb_terminal


class LineView:
    """A line an event, for logs and pipes."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self._console = console

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


class TableView(LineView):
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

    def _table(self) -> RenderableType:
        return render(self.board, self._console.width)


def render(board: Board, columns: int) -> RenderableType:
    """Returns the table of a search.

    Args:
        board: What it shows.
        columns: Width of the terminal. The settings take what the figures leave of it.
    """
    table = Table(expand=True, pad_edge=False, box=None, header_style="bold")
    with_times = columns >= TIMES_FROM_COLUMNS
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("settings", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("epoch", "last", "best", *(("images/s", "time") if with_times else ())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for row in [*board.recent, *board.running.values()]:
        state = row.ended or "running"
        label = f"[{row.label}] " if row.label else ""
        done = f" {row.done:4.0%}" if not row.ended and row.done else ""
        speed = f"{row.images_per_s:,.0f}" if row.images_per_s else "-"
        times = (speed, _time(row))
        table.add_row(
            str(row.number),
            Text(label + row.about),
            f"{row.epoch}/{row.epochs}{done}",
            _number(row.value),
            _number(row.best),
            *(times if with_times else ()),
            Text(state, style=ENDS.get(state, "red")),
            style="bold" if row.number == board.best_number and row.ended else "",
        )
    devices = ", ".join(sorted(set(board.devices.values()))) or "starting TensorFlow"
    doing = f", {board.activity}" if board.activity else ""
    head = Text.assemble(
        ("hpo ", "bold"),
        (board.study, "bold cyan"),
        f"  {board.finished}/{board.total} trials  best {board.metric.label} ",
        (_best(board), "bold green"),
        f"  time left {duration(board.eta_s)}  {devices}{doing}",
    )
    return Group(head, table)


def _time(row: Row) -> str:
    if row.ended:
        return duration(row.seconds)
    return f"≈ {duration(row.seconds)}" if (row.seconds or 0) > SHORT_S else ""


def _number(value: float | None) -> str:
    return f"{value:.4f}" if value is not None else "-"


def _best(board: Board) -> str:
    where = f" (trial {board.best_number})" if board.best_number is not None else ""
    return _number(board.best) + where
