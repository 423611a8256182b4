"""The worker process: `python -m hpo.training.worker`, started by `hpo.search.processes`.

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

from hpo.training.link import Paused
from hpo.training.protocol import (
    Alive,
    Begin,
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
    begun: queue.SimpleQueue[Begin] = field(default_factory=queue.SimpleQueue)
    jobs: queue.SimpleQueue[Train] = field(default_factory=queue.SimpleQueue)
    _verdicts: queue.SimpleQueue[Verdict] = field(default_factory=queue.SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)

    def listen(self, source: BinaryIO) -> None:
        """Reads commands for ever; ends the process when the coordinator is gone."""
        for line in source:
            command = decode_command(line)
            if isinstance(command, Begin):
                self.begun.put(command)
            elif isinstance(command, Train):
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
        """Says that something long is under way, and ends it where the trial is to be paused.

        Raises:
            Paused: It is.
        """
        self.send(Alive())
        if self.stopped():
            raise Paused

    def stopped(self) -> bool:
        """Whether the trial is to be paused at once."""
        return self._stop.is_set()


def main() -> None:
    """Trains the trials it is sent."""
    link = PipeLink(_claim_stdout())
    threading.Thread(target=link.listen, args=(sys.stdin.buffer,), daemon=True).start()
    _import_tensorflow()
    begin = link.begun.get()
    _print_to(begin.log)
    from hpo.training.device import set_up

    try:
        ready = set_up(begin.device, begin.threads, begin.image_size_px)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)  # a common exit would wait for the thread that reads
    import psutil

    from hpo.training.inputs import TrialData
    from hpo.training.programs import Programs
    from hpo.training.trial import make_ready, run_trial
    from studies.network_files import catalogue_of

    data = TrialData.open(Path(begin.manifest), link.alive)
    programs = Programs(ready, link.alive, catalogue_of(begin.networks))
    if begin.first:
        make_ready(begin.first, data, programs)  # while the coordinator decodes the images
        data.images(begin.first.config.model.image_size_px)  # once they are decoded
    link.send(Ready(device=ready.name))
    while True:
        finished = run_trial(link.jobs.get(), data, programs, link)
        programs.release()
        resident = psutil.Process().memory_info().rss
        link.send(finished.model_copy(update={"resident_bytes": resident}))


def _import_tensorflow() -> None:
    """Imports TensorFlow, and Keras with it, but not scikit-learn: Keras wraps it where it can.

    Nobody here uses these wrappers, and scikit-learn with SciPy is a fifth of the whole import.
    """
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # `import sklearn` fails
    try:
        import tensorflow  # noqa: F401
    finally:
        del sys.modules["sklearn"]


def _claim_stdout() -> BinaryIO:
    """Keeps standard output for events and sends what anybody prints to standard error."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return events


def _print_to(log: str) -> None:
    """Sends what is printed from now on to the end of a file."""
    with Path(log).open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)


if __name__ == "__main__":
    main()
