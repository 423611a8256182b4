"""The worker processes of one coordinating process.

A worker is a process of its own because only a process's end gives back the memory TensorFlow
takes, on the CPU and on the GPU, and because a crash, a hang or the kernel's killer then costs one
trial's epoch instead of the study.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from hpo.search.claims import Claim
from hpo.training.protocol import Command, Event, decode_event, encode

MAX_LINE_BYTES = 1 << 24
"""A worker that has said so much without an end of line says nothing that can be understood."""
PRINTED_BYTES = 8192
"""As much of a worker's log is looked at for what ended it: a stack trace and what is before it."""

RESIDENT_GROWTH, RESIDENT_SLACK_BYTES = 1.25, 1 << 29
"""A worker that has grown beyond so much is renewed: every network shape it traces stays in it."""


class WorkerSettings(BaseModel):
    """What every worker of a crew is started with.

    Attributes:
        manifest: File that holds the manifest.
        image_size_px: Size of the decoded images.
        device: auto, cpu or gpu.
        threads: CPU threads of one worker.
        gpus: Ids of the GPUs to share out, one a worker; empty without.
        logs: Folder for what workers print.
        scratch: Folder for what TensorFlow leaves lying about; the system's where it is None.
    """

    model_config = ConfigDict(frozen=True)

    manifest: Path
    image_size_px: int
    device: str
    threads: int
    gpus: tuple[str, ...] = ()
    logs: Path
    scratch: Path | None = None

    def command(self) -> list[str]:
        """Returns the command line of a worker."""
        options = {
            "--manifest": self.manifest,
            "--image-size": self.image_size_px,
            "--device": self.device,
            "--threads": self.threads,
        }
        pairs = [str(part) for pair in options.items() for part in pair]
        return [sys.executable, "-P", "-m", "hpo.training.worker", *pairs]

    def environment(self, index: int) -> Mapping[str, str]:
        """Returns the environment of the worker `index`."""
        gpu = {"CUDA_VISIBLE_DEVICES": self.gpus[index % len(self.gpus)]} if self.gpus else {}
        scratch = {"TMPDIR": str(self.scratch)} if self.scratch else {}
        fixed = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        return os.environ | fixed | gpu | scratch


class Worker:
    """One worker process and what it is doing.

    Attributes:
        index: Its place in the crew.
        claim: The trial it trains, or None.
        ready: Whether it has imported TensorFlow.
        heard_at: When it last said anything, on the monotonic clock.
        log: File with what it prints.
        gibberish: What it said that is no event, after which it is not listened to; else empty.
        printed: The end of what it printed, once it has ended.
        first_resident_bytes: Memory it held after its first trial; None before.
    """

    def __init__(self, index: int, settings: WorkerSettings) -> None:
        self.index = index
        self.claim: Claim | None = None
        self.ready = False
        self.heard_at = time.monotonic()
        self.log = settings.logs / f"worker-{index}.log"
        self.gibberish = self.printed = ""
        self.first_resident_bytes: int | None = None
        self._rest = b""
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                settings.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=settings.environment(index),
                start_new_session=True,  # Ctrl-C is for the coordinator alone
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self.stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self.stdout.fileno(), False)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether it can be given a trial."""
        return self.ready and self.claim is None

    def has_grown(self, resident_bytes: int) -> bool:
        """Whether it holds so much more memory now than after its first trial as to be renewed."""
        if self.first_resident_bytes is None:
            self.first_resident_bytes = resident_bytes
        return resident_bytes > self.first_resident_bytes * RESIDENT_GROWTH + RESIDENT_SLACK_BYTES

    def send(self, command: Command) -> None:
        """Sends a command; a worker that has just died is noticed by the end of its output."""
        try:
            self._stdin.write(encode(command))
            self._stdin.flush()
        except BrokenPipeError:
            pass

    def receive(self) -> tuple[list[Event], bool]:
        """Returns what has arrived, and whether the worker has ended or can't be understood."""
        chunk = self.stdout.read()
        if chunk is None:
            return [], False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.heard_at = time.monotonic()
        events: list[Event] = []
        for line in [*filter(None, lines), *self._endless()]:
            try:
                events.append(decode_event(line))
            except ValueError:
                self.gibberish = repr(line[:100])
                return events, True
        return events, not chunk

    def _endless(self) -> list[bytes]:
        """Returns the line that has begun where it is too long to ever be an event."""
        return [self._rest] if len(self._rest) > MAX_LINE_BYTES else []

    def _printed(self) -> str:
        """Returns the end of what this process printed, and nothing of those before it."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - PRINTED_BYTES))
            return log.read().decode(errors="replace")

    def end(self, *, at_once: bool = False) -> int:
        """Ends the process and returns its exit status, negative for a signal."""
        if at_once:
            self._process.kill()
        with suppress(BrokenPipeError):  # what it was sent last, it did not live to read
            self._stdin.close()
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self.stdout.close()
            self.printed = self._printed()


class Crew:
    """The workers of one coordinating process."""

    def __init__(self, settings: WorkerSettings, size: int) -> None:
        self._scratch = TemporaryDirectory(prefix="hpo-", ignore_cleanup_errors=True)
        self._settings = settings.model_copy(update={"scratch": Path(self._scratch.name)})
        self._selector = selectors.DefaultSelector()
        settings.logs.mkdir(parents=True, exist_ok=True)
        self.workers: list[Worker] = []
        self._successors: dict[int, Worker] = {}
        for index in range(size):
            self.workers.append(self._start(index))

    def _start(self, index: int) -> Worker:
        worker = Worker(index, self._settings)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)
        return worker

    def events(self, timeout_s: float) -> Iterator[tuple[Worker, list[Event], bool]]:
        """Yields, for each worker that has something to say, its events and whether it ended."""
        for key, _ in self._selector.select(timeout_s):
            worker: Worker = key.data
            events, ended = worker.receive()
            if ended and worker is self._successors.get(worker.index):
                del self._successors[worker.index]
                self._end(worker, at_once=True)
            yield worker, events, ended

    def renew(self, worker: Worker) -> None:
        """Starts a worker's successor, which imports TensorFlow while the worker trains on."""
        if worker.index not in self._successors:
            self._successors[worker.index] = self._start(worker.index)

    def relieve(self, worker: Worker) -> Worker:
        """Returns who trains next in the place of an idle worker: its successor if it is ready."""
        if worker.index in self._successors and self._successors[worker.index].ready:
            self.replace(worker)
        return self.workers[worker.index]

    def replace(self, worker: Worker, *, at_once: bool = False) -> int:
        """Ends a worker, puts another in its place and returns the old one's exit status."""
        status = self._end(worker, at_once=at_once)
        successor = self._successors.pop(worker.index, None)
        self.workers[worker.index] = successor or self._start(worker.index)
        return status

    def _end(self, worker: Worker, *, at_once: bool) -> int:
        self._selector.unregister(worker.stdout)
        return worker.end(at_once=at_once)

    def busy(self) -> Sequence[Worker]:
        """Returns the workers that train a trial."""
        return [worker for worker in self.workers if worker.claim]

    def close(self, *, at_once: bool = False) -> None:
        """Ends all workers."""
        self._selector.close()
        for worker in [*self.workers, *self._successors.values()]:
            worker.end(at_once=at_once)
        self._scratch.cleanup()
