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
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hpo.search.claims import Claim
from hpo.training.protocol import Begin, Command, Event, decode_event, encode

MAX_LINE_BYTES = 1 << 24
"""A worker that has said so much without an end of line says nothing that can be understood."""
PRINTED_BYTES = 8192
"""As much of a worker's log is looked at for what ended it: a stack trace and what is before it."""

RESIDENT_GROWTH, RESIDENT_SLACK_BYTES = 1.25, 1 << 29
"""A worker that has grown beyond so much is renewed: every network shape it traces stays in it."""


WORKER = (sys.executable, "-P", "-m", "hpo.training.worker")
"""The command line of a worker."""


class Worker:
    """One worker process and what it is doing.

    Attributes:
        index: Its place in the crew.
        claim: The trial it trains, or None.
        ready: Whether it has imported TensorFlow and opened the images.
        heard_at: When it last said anything, on the monotonic clock.
        log: File with what it prints; None until it knows its study.
        gibberish: What it said that is no event, after which it is not listened to; else empty.
        printed: The end of what it printed, once it has ended.
        first_resident_bytes: Memory it held after its first trial; None before.
    """

    def __init__(self, index: int, environment: Mapping[str, str]) -> None:
        self.index = index
        self.claim: Claim | None = None
        self.ready = False
        self.heard_at = time.monotonic()
        self.log: Path | None = None
        self.gibberish = self.printed = ""
        self.first_resident_bytes: int | None = None
        self._rest = b""
        self._early = tempfile.TemporaryFile()  # noqa: SIM115 - what it prints before it has a log
        self._process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._early,
            env=environment,
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

    def begin(self, begin: Begin, logs: Path) -> None:
        """Tells it what it trains on, and to print into a file in the folder `logs`."""
        self.log = logs / f"worker-{self.index}.log"
        with self.log.open("ab") as log:
            self._log_start = log.tell()
        self.send(begin.model_copy(update={"log": str(self.log)}))

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
        self._early.seek(0)
        printed = self._early.read()
        with suppress(OSError):  # a full disk is told by whoever has something to write
            if self.log is not None:
                printed += self._logged(b"" if self.ready else printed)
        return printed[-PRINTED_BYTES:].decode(errors="replace")

    def _logged(self, missing: bytes) -> bytes:
        """Returns the end of what it printed into its log, and adds there what is missing."""
        assert self.log is not None
        with self.log.open("a+b") as log:
            log.seek(max(self._log_start, log.tell() - PRINTED_BYTES))
            logged = log.read()
            log.write(missing)
        return logged

    def end(self, *, at_once: bool = False) -> int:
        """Ends the process, unless it was, and returns its exit status, negative for a signal."""
        if self._early.closed:
            return int(self._process.returncode)
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
            self._early.close()


class Crew:
    """The workers of one coordinating process.

    They are started first and import TensorFlow, which takes seconds, while the coordinator finds
    out what they shall train on.

    Attributes:
        workers: Those that train, by their index; successors aside.
    """

    def __init__(self) -> None:
        self._scratch = TemporaryDirectory(prefix="hpo-", ignore_cleanup_errors=True)
        self._selector = selectors.DefaultSelector()
        self._gpus: Sequence[str] = ()
        self._begin: tuple[Begin, Path] | None = None
        self.workers: list[Worker] = []
        self._successors: dict[int, Worker] = {}

    def start(self, size: int, gpus: Sequence[str]) -> None:
        """Starts workers until there are `size`.

        Args:
            size: How many.
            gpus: Ids of the GPUs to share out, one a worker; empty without.
        """
        self._gpus = gpus
        while len(self.workers) < size:
            self.workers.append(self._start(len(self.workers)))

    def begin(self, begin: Begin, logs: Path) -> None:
        """Tells the workers, and those that will be started, what they train on.

        Args:
            begin: What to tell them. One is told the first trial; who replaces it is not, as that
                may be what ended it.
            logs: Folder for what they print.
        """
        logs.mkdir(parents=True, exist_ok=True)
        self._begin = begin.model_copy(update={"first": None}), logs
        for worker in self.workers:
            worker.begin(*((begin, logs) if worker.index == 0 else self._begin))

    def _start(self, index: int) -> Worker:
        worker = Worker(index, self._environment(index))
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)
        if self._begin:
            worker.begin(*self._begin)
        return worker

    def _environment(self, index: int) -> Mapping[str, str]:
        """Returns the environment of the worker `index`; TensorFlow leaves files in TMPDIR."""
        gpus = self._gpus
        gpu = {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]} if gpus else {}
        fixed = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        return os.environ | fixed | gpu | {"TMPDIR": self._scratch.name}

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
        """Starts a worker's successor, which makes itself ready while the worker trains on."""
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
        """Ends all workers; the second time there is nothing left to do."""
        self._selector.close()
        for worker in [*self.workers, *self._successors.values()]:
            worker.end(at_once=at_once)
        self._scratch.cleanup()
