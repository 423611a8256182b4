"""Workers that are processes of this machine.

A worker is a process of its own because only a process's end gives back the memory TensorFlow
takes, on the CPU and on the GPU, and because a crash, a hang or the kernel's killer then costs one
trial's epoch instead of the study.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from data_pipeline.system import apart, oom_kills, processors
from hpo.search.failures import out_of_memory
from hpo.search.files import Files
from hpo.search.runner import Heard, Job, Setup, Worker, WorkerEnd
from hpo.training.protocol import (
    Begin,
    Command,
    Event,
    Finished,
    Ready,
    Train,
    decode_event,
    encode,
)

MAX_LINE_BYTES = 1 << 24
"""A worker that has said so much without an end of line says nothing that can be understood."""
PRINTED_BYTES = 8192
"""As much of a worker's log is looked at for what ended it: a stack trace and what is before it."""

RESIDENT_GROWTH, RESIDENT_SLACK_BYTES = 1.25, 1 << 29
"""A worker that has grown beyond so much is replaced: every network shape it traces stays in it."""
READY_S = 600.0
"""A successor that is not ready after this long is replaced."""
OOM_S = 10.0
"""How often the kernel's kills are counted. What it kills is heard of within less."""

Said = queue.SimpleQueue[tuple["LocalWorker", Event | None]]
"""What workers say, in the order in which it arrives. None is the last of a worker: it has ended or
cannot be understood. A thread listens to each, as only some systems wait for several pipes."""

WORKER = (sys.executable, "-P", "-m", "hpo.training.worker")
"""The command line of a worker."""


class LocalWorker:
    """One worker process: see `hpo.search.runner.Worker`.

    Attributes:
        index: Its place among the workers.
        ready: Whether it has imported TensorFlow and opened the images.
        busy: Whether it has been given a trial that it has not finished.
        started_s: When it was started, on the monotonic clock.
        gibberish: What it said that is no event, after which it is not listened to; else empty.
        printed: The end of what it printed, once it has ended.
    """

    def __init__(self, index: int, environment: Mapping[str, str], said: Said) -> None:
        self.index = index
        self.ready = self.busy = False
        self.started_s = time.monotonic()
        self.gibberish = self.printed = ""
        self._given: tuple[Setup, Files] | None = None
        self._log: Path | None = None
        self._log_start = 0
        self._first_resident_bytes: int | None = None
        self._early = tempfile.TemporaryFile()  # noqa: SIM115 - what it prints before it has a log
        self._process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._early,
            env=environment,
            **apart(),  # Ctrl-C is for the coordinator alone
        )
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        self._ended = False
        self._listener = threading.Thread(target=self._listen, args=(said,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def begin(self, setup: Setup, files: Files, threads: int, first: Job | None) -> None:
        """Tells it what it trains on, and to print into a log of its own."""
        self._given = setup, files
        files.logs.mkdir(parents=True, exist_ok=True)
        self._log = files.logs / f"worker-{self.index}.log"
        with self._log.open("ab") as log:
            self._log_start = log.tell()
        self._tell(
            Begin(
                manifest=str(files.manifest.resolve()),
                image_size_px=setup.image_size_px,
                device=setup.device,
                threads=threads,
                log=str(self._log),
                first=self._train(first) if first else None,
                networks=setup.networks,
            )
        )

    def train(self, job: Job) -> None:
        """Gives it a trial."""
        self.busy = True
        self._tell(self._train(job))

    def send(self, command: Command) -> None:
        """Sends a command."""
        self._tell(command)

    def heard(self, event: Event) -> None:
        """Notes what it said about itself."""
        self.ready = self.ready or isinstance(event, Ready)
        self.busy = self.busy and not isinstance(event, Finished)

    def has_grown(self, resident_bytes: int) -> bool:
        """Whether it holds so much more memory than after its first trial as to be replaced."""
        if self._first_resident_bytes is None:
            self._first_resident_bytes = resident_bytes
        limit_bytes = self._first_resident_bytes * RESIDENT_GROWTH + RESIDENT_SLACK_BYTES
        return resident_bytes > limit_bytes

    def end(self, *, at_once: bool = False) -> int:
        """Ends the process, unless it was, and returns its exit status, negative for a signal."""
        if self._ended:
            return int(self._process.returncode)
        if at_once:
            self._process.kill()
        with suppress(OSError):  # what it was sent last, it did not live to read
            self._stdin.close()
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._ended = True
            self._listener.join(timeout=1)  # longer where a process of its own holds the pipe
            self.printed = self._printed()
            self._early.close()

    def how_it_ended(self, status: int, oom_kills_before: int) -> WorkerEnd:
        """Returns the same in words, and what it printed."""
        if self.gibberish:
            cause = f"it said {self.gibberish}, which is no event"
        elif status < 0:
            cause = f"signal {signal.Signals(-status).name}"
        else:
            cause = f"exit status {status}"
        return WorkerEnd(
            cause=cause,
            killed=status < 0,
            printed=self.printed,
            log=str(self._log or ""),
            out_of_memory=out_of_memory(status, self.printed, oom_kills_before),
        )

    def _train(self, job: Job) -> Train:
        assert self._given is not None
        setup, files = self._given
        return Train(
            number=job.number,
            config=job.config,
            folder=str(files.checkpoints(job.number)),
            seed=setup.seed,
            metric=setup.metric,
            precision=setup.precision,
            costs=setup.costs,
            continues=self._train(job.continues) if job.continues else None,
        )

    def _listen(self, said: Said) -> None:
        """Hands on what the worker says; nobody else reads or closes its output."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while line := output.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
                    break  # it was killed in the midst of it
                try:
                    said.put((self, decode_event(line)))
                except ValueError:
                    self.gibberish = repr(line.rstrip(b"\n")[:100])
                    break
        said.put((self, None))

    def _tell(self, command: Command) -> None:
        with suppress(OSError):  # its death is noticed by the end of its output
            self._stdin.write(encode(command))
            self._stdin.flush()

    def _printed(self) -> str:
        """Returns the end of what this process printed, and nothing of those before it."""
        self._early.seek(0)
        printed = self._early.read()
        if self._log is None:
            return printed[-PRINTED_BYTES:].decode(errors="replace")
        with suppress(OSError), self._log.open("a+b") as log:  # a full disk shows elsewhere
            log.seek(max(self._log_start, log.tell() - PRINTED_BYTES))
            logged = log.read()
            log.write(b"" if self.ready else printed)  # why it did not get ready
            printed += logged
        return printed[-PRINTED_BYTES:].decode(errors="replace")


class WorkerPool:
    """The worker processes of one coordinating process: see `hpo.search.runner.Runner`.

    They are started first and import TensorFlow, which takes seconds, while the coordinator finds
    out what they shall train on. A worker that has grown trains on until its successor is ready.

    Attributes:
        workers: Those that train, by their index; successors that are not ready are not here.
    """

    def __init__(self) -> None:
        self._scratch = TemporaryDirectory(prefix="hpo-", ignore_cleanup_errors=True)
        self._said: Said = queue.SimpleQueue()
        self._gpus: Sequence[str] = ()
        self._begun: tuple[Setup, Files] | None = None
        self.workers: list[LocalWorker] = []
        self._successors: dict[int, LocalWorker] = {}
        self._oom_kills, self._counted_s = oom_kills(), time.monotonic()

    def start(self, size: int, device: str) -> None:
        """Starts workers until there are `size`."""
        self._gpus = gpu_ids() if device != "cpu" else ()
        while len(self.workers) < size:
            self.workers.append(self._start(len(self.workers)))

    def begin(self, setup: Setup, files: Files, first: Job | None) -> None:
        """Tells the workers, and those that will be started, what they train on."""
        self._begun = setup, files
        for worker in self.workers:
            worker.begin(setup, files, self._threads(), first if worker.index == 0 else None)

    def events(self, timeout_s: float) -> list[Heard]:
        """Returns what workers have said."""
        arrived: dict[LocalWorker, list[Event | None]] = {}
        with suppress(queue.Empty):
            worker, event = self._said.get(timeout=timeout_s)
            while True:
                arrived.setdefault(worker, []).append(event)
                worker, event = self._said.get_nowait()
        heard = []
        for worker, said in arrived.items():
            successor = self._successors.get(worker.index)
            if worker not in (self.workers[worker.index], successor):
                continue  # it was replaced
            events, ended = [event for event in said if event is not None], said[-1] is None
            for event in events:
                worker.heard(event)
                if isinstance(event, Finished) and worker.has_grown(event.resident_bytes):
                    self._renew(worker)
            if worker is successor and ended:
                del self._successors[worker.index]
                worker.end(at_once=True)
                ended = False  # the worker trains on
            heard.append(Heard(worker, events, ended))
        for index, successor in list(self._successors.items()):
            if successor.ready and not self.workers[index].busy:
                self.replace(self.workers[index])
        self._count_oom_kills()
        return heard

    def replace(self, worker: Worker, *, at_once: bool = False) -> WorkerEnd:
        """Ends a worker, puts another in its place and returns how it ended."""
        assert isinstance(worker, LocalWorker)
        index = worker.index
        status = worker.end(at_once=at_once or bool(worker.gibberish))
        # Else it has given way to its successor already, before what it said last was looked at.
        if self.workers[index] is worker:
            successor = self._successors.pop(index, None)
            self.workers[index] = successor or self._start(index)
        return worker.how_it_ended(status, self._oom_kills)

    def close(self, *, at_once: bool = False) -> None:
        """Ends all workers; the second time there is nothing left to do."""
        for worker in [*self.workers, *self._successors.values()]:
            worker.end(at_once=at_once)
        self._scratch.cleanup()

    def _start(self, index: int) -> LocalWorker:
        worker = LocalWorker(index, self._environment(index), self._said)
        if self._begun:
            worker.begin(*self._begun, self._threads(), None)
        return worker

    def _renew(self, worker: LocalWorker) -> None:
        """Starts a worker's successor, which gets ready while the worker trains on."""
        successor = self._successors.get(worker.index)
        if successor and time.monotonic() - successor.started_s > READY_S:
            self._successors.pop(worker.index).end(at_once=True)
        if worker.index not in self._successors:
            self._successors[worker.index] = self._start(worker.index)

    def _environment(self, index: int) -> Mapping[str, str]:
        """Returns the environment of the worker `index`; TensorFlow leaves temporary files."""
        gpus = self._gpus
        gpu = {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]} if gpus else {}
        fixed = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        scratch = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), self._scratch.name)
        return os.environ | fixed | gpu | scratch

    def _threads(self) -> int:
        """Returns how many CPU threads each worker may use."""
        return max(1, processors() // len(self.workers))

    def _count_oom_kills(self) -> None:
        now = time.monotonic()
        if now - self._counted_s > OOM_S:
            self._oom_kills, self._counted_s = oom_kills(), now


def gpu_ids() -> tuple[str, ...]:
    """Returns the ids of the GPUs that workers may use, without importing TensorFlow."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return tuple(filter(None, os.environ["CUDA_VISIBLE_DEVICES"].split(",")))
    if shutil.which("nvidia-smi") is None:
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(index) for index in range(len(lines)))
