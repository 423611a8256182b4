"""What a search's views show: running and finished trials, the best so far, the time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from hpo.search.claims import Claim
from hpo.search.runner import Worker
from hpo.training.protocol import EpochEnd, Progress, Ready, Started
from studies.metrics import METRICS, Metric
from studies.record import Outcome
from studies.scheduler import TrialRecord, rank

RECENT = 8


@dataclass
class Row:
    """One trial.

    Attributes:
        number: Its number.
        about: Backbone, batch size and the like in a few words.
        label: Name of the baseline it is, or an empty string.
        epochs: Epochs it may train.
        epoch: Finished epochs.
        done: Share of the epoch under way, in [0, 1].
        value: Objective of the last epoch, of the best one once finished.
        best: Objective of the best epoch so far.
        images_per_s: Training images a second.
        ended: Why it ended; empty while it runs.
        seconds: How long it took; while it runs, about how long it will take in all.
    """

    number: int
    about: str
    label: str
    epochs: int
    epoch: int = 0
    done: float = 0.0
    value: float | None = None
    best: float | None = None
    images_per_s: float | None = None
    ended: str = ""
    seconds: float | None = None


@dataclass
class Board:
    """The state of a search as far as people see it.

    Attributes:
        study: The study's name.
        metric: Its objective.
        total: Trials it shall have.
        finished: Trials it has, those of earlier runs included and duplicates left out.
        best: Best objective so far.
        best_number: The trial that has it.
        running: By worker.
        recent: The last ones that ended.
        devices: By worker.
        activity: What is done before the first trial.
        deadline_s: Time on the monotonic clock at which the search ends; None without.
    """

    study: str
    metric: Metric
    total: int
    finished: int = 0
    best: float | None = None
    best_number: int | None = None
    running: dict[int, Row] = field(default_factory=dict)
    recent: deque[Row] = field(default_factory=lambda: deque(maxlen=RECENT))
    devices: dict[int, str] = field(default_factory=dict)
    activity: str = ""
    deadline_s: float | None = None
    _values: dict[int, tuple[float, float | None]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _ended_now: int = 0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the deadline, or until all trials are finished at the pace of this run.

        None before there is a pace and without a deadline.
        """
        now = time.monotonic()
        left = [] if self.deadline_s is None else [max(0.0, self.deadline_s - now)]
        if self._ended_now:
            pace = (now - self._began) / self._ended_now
            left.append(pace * max(0, self.total - self.finished))
        return min(left, default=None)

    def resume(self, trials: Iterable[TrialRecord]) -> None:
        """Takes over what earlier runs have finished."""
        for trial in trials:
            if trial.reason != "imported":
                self.finished += trial.status == "ended" and trial.reason != "duplicate"
                self._value(trial.number, trial.value, trial.loss)

    def ready(self, worker: Worker, event: Ready) -> None:
        """Notes a worker's device."""
        self.devices[worker.index] = event.device

    def started(self, worker: Worker, claim: Claim, event: Started) -> None:
        """Adds a running trial."""
        config = claim.config
        self.running[worker.index] = Row(
            claim.number,
            config.summary,
            claim.label or "",
            config.epochs,
            event.epoch,
            seconds=claim.expected_s,
        )

    def progress(self, worker: Worker, event: Progress) -> None:
        """Notes how far an epoch is."""
        if row := self.running.get(worker.index):
            row.done, row.images_per_s = event.done, event.images_per_s

    def epoch(self, worker: Worker, claim: Claim, event: EpochEnd) -> None:
        """Notes an epoch's objective."""
        if row := self.running.get(worker.index):
            row.epoch, row.done = len(event.values), 0.0
            row.value = event.values[-1]
            row.best = max(event.values) if self.metric.maximize else min(event.values)

    def left(self, worker: Worker) -> None:
        """Removes the trial that a worker trains no more."""
        self.running.pop(worker.index, None)

    def ended(self, claim: Claim, outcome: Outcome) -> Row:
        """Moves a trial from the running to the finished ones."""
        worker = next((w for w, row in self.running.items() if row.number == claim.number), None)
        row = self.running.pop(worker) if worker is not None else self._unseen(claim)
        row.ended, row.epoch = outcome.reason, outcome.epochs or row.epoch
        row.seconds = outcome.seconds.get("total")
        speed = outcome.facts.get("images_per_s")
        row.images_per_s = float(speed) if speed is not None else row.images_per_s
        loss = outcome.history.get("val_loss") if outcome.best_epoch else None
        best_loss = loss[outcome.best_epoch - 1] if loss and outcome.best_epoch else None
        self._value(claim.number, outcome.value, best_loss)
        if outcome.value is not None:
            row.best = row.value = outcome.value
        self.finished += outcome.reason != "duplicate"
        self._ended_now += 1
        self.recent.append(row)
        return row

    def _value(self, number: int, value: float | None, loss: float | None) -> None:
        """Notes a trial's objective; None removes the one that it had while it was paused."""
        self._values.pop(number, None)
        if value is not None:
            self._values[number] = value, loss
        # Only where the best trial has changed for the worse are all of them compared.
        others = self._values if number == self.best_number else {number, self.best_number}
        self.best_number = min(
            (other for other in others if other in self._values),
            key=lambda n: rank(*self._values[n], n, maximize=self.metric.maximize),
            default=None,
        )
        self.best = None if self.best_number is None else self._values[self.best_number][0]

    def _unseen(self, claim: Claim) -> Row:
        model = claim.config.model
        return Row(claim.number, model.backbone, claim.label or "", claim.config.epochs)


def new_board(study: str, metric: str, total: int) -> Board:
    """Returns the board of a search that has not begun."""
    return Board(study, METRICS[metric], total)


def duration(seconds: float | None) -> str:
    """Returns seconds as people write them, e.g. `3 min 20 s`; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
