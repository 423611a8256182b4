"""What trains trials, as the coordinator sees it. Processes of this machine are one kind.

Nothing here is a process, a path or a device, so that a runner may start its workers elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hpo.search.files import Files
from hpo.training.protocol import Event, Stop, Verdict
from studies.network_files import NetworkFile
from studies.trial_config import TrialConfig


@dataclass(frozen=True)
class Setup:
    """What all trials of a study have in common.

    Attributes:
        image_size_px: Largest size of the images.
        device: `auto`, `cpu` or `gpu`.
        seed: The study's seed.
        metric: Name of the row of `studies.metrics.METRICS` that is the objective.
        precision: `auto` or a Keras dtype policy.
        networks: The study's own networks.
        costs: Names of the rows of `studies.metrics.COSTS` that are measured.
    """

    image_size_px: int
    device: str
    seed: int
    metric: str
    precision: str
    networks: tuple[NetworkFile, ...] = ()
    costs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A trial to train.

    Attributes:
        number: Its number.
        config: Its settings.
        continues: The trial whose last checkpoint it begins with; None if it begins anew.
    """

    number: int
    config: TrialConfig
    continues: Job | None = None


@dataclass(frozen=True)
class WorkerEnd:
    """How a worker ended.

    Attributes:
        cause: What ended it, in a few words: a signal, an exit status, what it said.
        killed: Whether something else ended it; one that ended by itself would do so again.
        printed: The end of what it printed.
        log: Where all of that is.
        out_of_memory: What says that it got no more memory; None where nothing does.
    """

    cause: str
    killed: bool
    printed: str = ""
    log: str = ""
    out_of_memory: str | None = None


class Worker(Protocol):
    """Trains one trial at a time."""

    @property
    def index(self) -> int:
        """Its place among the workers, from 0, which its successor takes over."""

    @property
    def ready(self) -> bool:
        """Whether it can be given a trial."""

    def train(self, job: Job) -> None:
        """Gives it a trial, to be trained from its last checkpoint where there is one."""

    def send(self, command: Verdict | Stop) -> None:
        """Sends a command; one that has just ended is noticed by what `Runner.events` returns."""


@dataclass(frozen=True)
class Heard:
    """What a worker has said.

    Attributes:
        worker: The worker.
        events: What it said; may be empty, which still shows that it is alive.
        ended: Whether it will say no more: it has ended, or cannot be understood.
    """

    worker: Worker
    events: Sequence[Event]
    ended: bool = False


class Runner(Protocol):
    """Starts workers and replaces them.

    It alone knows the machines they run on, and shares out their processors and GPUs.
    """

    @property
    def workers(self) -> Sequence[Worker]:
        """The workers, by their index. A worker without a trial may give way to its successor."""

    def start(self, size: int, device: str) -> None:
        """Starts workers until there are `size`; they get ready while nothing is known yet."""

    def begin(self, setup: Setup, files: Files, first: Job | None) -> None:
        """Tells the workers, and those that will be started, what they train on.

        Args:
            setup: What all trials have in common.
            files: Where the study's files are.
            first: The trial that is likely to come first, to be made ready for by one worker.
                Whatever replaces that one is not told: it may be what ended it.
        """

    def events(self, timeout_s: float) -> Iterable[Heard]:
        """Waits, for `timeout_s` at most, until workers have said something, and returns that."""

    def replace(self, worker: Worker, *, at_once: bool = False) -> WorkerEnd:
        """Ends a worker, puts another in its place, and returns how the old one ended.

        One that has given way to its successor already stays replaced.
        """

    def close(self, *, at_once: bool = False) -> None:
        """Ends all workers; the second time there is nothing left to do."""
