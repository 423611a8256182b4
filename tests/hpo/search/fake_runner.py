"""A runner and workers that train nothing: a test writes what they say."""

from __future__ import annotations

from dataclasses import dataclass, field

from hpo.search.files import Files
from hpo.search.runner import Heard, Job, Setup, Worker, WorkerEnd
from hpo.training.protocol import Event, Ready, Stop, Verdict

KILLED = WorkerEnd(
    cause="signal SIGKILL",
    killed=True,
    printed="first line\nValueError: the last line\n",
    log="worker.log",
)
"""How a worker ends unless a test says otherwise."""


@dataclass(eq=False)
class FakeWorker:
    """A worker: see `hpo.search.runner.Worker`.

    Attributes:
        given: Numbers of the trials it was given.
        sent: What it was sent besides.
        says: What it says next.
        ends: Whether it ends next.
    """

    index: int
    ready: bool = False
    given: list[int] = field(default_factory=list)
    sent: list[Verdict | Stop] = field(default_factory=list)
    says: list[Event] = field(default_factory=list)
    ends: bool = False

    def train(self, job: Job) -> None:
        """Keeps its number."""
        self.given.append(job.number)

    def send(self, command: Verdict | Stop) -> None:
        """Keeps it."""
        self.sent.append(command)

    @property
    def verdicts(self) -> list[str]:
        """What it was answered after its epochs."""
        return [command.action for command in self.sent if isinstance(command, Verdict)]


@dataclass
class FakeRunner:
    """A runner: see `hpo.search.runner.Runner`.

    Attributes:
        size: How many workers it has.
        end: How the workers end.
        started: How many workers it has started.
        killed: Those that were ended at once.
    """

    size: int = 1
    end: WorkerEnd = KILLED
    started: int = 0
    killed: list[Worker] = field(default_factory=list)
    workers: list[FakeWorker] = field(init=False)

    def __post_init__(self) -> None:
        self.workers = [self._start(index) for index in range(self.size)]

    def start(self, size: int, device: str) -> None:
        """Has started them already."""

    def begin(self, setup: Setup, files: Files, first: Job | None) -> None:
        """Tells nobody."""

    def events(self, timeout_s: float) -> list[Heard]:
        """Returns what the test has written."""
        heard = []
        for worker in list(self.workers):
            said, worker.says = worker.says, []
            worker.ready = worker.ready or any(isinstance(event, Ready) for event in said)
            if said or worker.ends:
                heard.append(Heard(worker, said, worker.ends))
        return heard

    def replace(self, worker: Worker, *, at_once: bool = False) -> WorkerEnd:
        """Puts a new one in its place."""
        if at_once:
            self.killed.append(worker)
        self.workers[worker.index] = self._start(worker.index)
        return self.end

    def close(self, *, at_once: bool = False) -> None:
        """Leaves them as they are."""

    def _start(self, index: int) -> FakeWorker:
        self.started += 1
        return FakeWorker(index)
