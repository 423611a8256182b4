"""The worker process: `python -m hpo.training.worker`, started by `hpo.search.crew`.

Reads commands from standard input and writes events to standard output, one JSON object a line.
What TensorFlow and Python print goes to standard error, which is the worker's log.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import click

from hpo.training.link import LaidAside
from hpo.training.protocol import (
    Alive,
    EpochEnd,
    Finished,
    Progress,
    Ready,
    Started,
    Stop,
    Train,
    Verdict,
    decode_command,
    encode,
)


@dataclass
class PipeLink:
    """The pipe to the coordinator, see `hpo.training.link.Link`."""

    out: BinaryIO
    jobs: queue.SimpleQueue[Train] = field(default_factory=queue.SimpleQueue)
    _verdicts: queue.SimpleQueue[Verdict] = field(default_factory=queue.SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)

    def listen(self, source: BinaryIO) -> None:
        """Reads commands for ever; ends the process when the coordinator is gone."""
        for line in source:
            command = decode_command(line)
            if isinstance(command, Train):
                self._stop.clear()
                self.jobs.put(command)
            elif isinstance(command, Stop):
                self._stop.set()
            else:
                self._verdicts.put(command)
        os._exit(0)

    def send(self, event: Ready | Alive | Started | Progress | EpochEnd | Finished) -> None:
        """Sends an event."""
        self.out.write(encode(event))
        self.out.flush()

    def verdict(self) -> str:
        """Waits for the answer to an `EpochEnd`."""
        return self._verdicts.get().action

    def alive(self) -> None:
        """Says that something long is under way, and ends it where the trial is to be laid aside.

        Raises:
            LaidAside: It is.
        """
        self.send(Alive())
        if self.stopped():
            raise LaidAside

    def stopped(self) -> bool:
        """Whether the trial is to be laid aside at once."""
        return self._stop.is_set()


@click.command()
@click.option("--manifest", type=click.Path(path_type=Path), required=True)
@click.option("--image-size", type=int, required=True)
@click.option("--device", required=True)
@click.option("--threads", type=int, required=True)
def main(manifest: Path, image_size: int, device: str, threads: int) -> None:
    """Trains the trials it is sent."""
    link = PipeLink(_claim_stdout())
    threading.Thread(target=link.listen, args=(sys.stdin.buffer,), daemon=True).start()
    from hpo.training.device import set_up

    try:
        ready = set_up(device, threads, image_size)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)  # a common exit would wait for the thread that reads
    import psutil

    from hpo.training.inputs import TrialData
    from hpo.training.programs import Programs
    from hpo.training.trial import run_trial

    data = TrialData.open(manifest, image_size)
    programs = Programs(ready, link.alive)
    link.send(Ready(device=ready.name))
    while True:
        finished = run_trial(link.jobs.get(), data, programs, link)
        programs.release()
        resident = psutil.Process().memory_info().rss
        link.send(finished.model_copy(update={"resident_bytes": resident}))


def _claim_stdout() -> BinaryIO:
    """Keeps standard output for events and sends what anybody prints to standard error."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return events


if __name__ == "__main__":
    main()
