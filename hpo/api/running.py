"""One run of a search, in the thread that asked for it or in one of its own."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

from hpo.api.screens import PythonScreen, new_screen
from hpo.api.study import Study
from hpo.paths import runs
from hpo.search.launch import Launch, search
from hpo.search.session import Stop
from studies.errors import StudyError

GLANCE_S = 0.2
"""How often a thread that waits for a search looks whether the user has stopped it."""


def begin(launch: Launch, *, background: bool) -> Study:
    """Runs a search to its end, or starts it in the background, and returns its study."""
    launch = replace(launch, where=replace(launch.where, runs=runs()))
    job = Job(launch, new_screen())
    study = Study(launch.where, launch.name, job)
    if background:
        job.start()
    else:
        job.run()
    return study


class Job:
    """One run of a search.

    Attributes:
        failure: What ended it in the background before its time; None where nothing did.
    """

    def __init__(self, launch: Launch, screen: PythonScreen) -> None:
        self.failure: BaseException | None = None
        self._launch, self._screen, self._stop = launch, screen, Stop()
        # Python ends while it runs: the workers then end by themselves, and nothing is lost.
        self._thread = threading.Thread(target=self._run_apart, name="hpo", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it goes on in the background."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Starts it in the background."""
        self._thread.start()

    def run(self) -> None:
        """Runs it to its end.

        Raises:
            StudyError: Something made it stop that the user can mend.
        """
        opened, ending = search(self._launch, self._screen, self._stop)
        self._screen.end(opened, ending)
        if ending.failure:
            raise StudyError(ending.failure)

    def stop(self) -> None:
        """Lets the trials finish their epoch and the search end."""
        self._stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """Waits for the end of a search in the background.

        The first Ctrl-C, or the stop button of a notebook, is `stop`; the second one ends the wait.
        """
        stopped = False
        while True:
            try:
                self._wait(timeout_s)
                break
            except KeyboardInterrupt:
                if stopped:
                    raise
                stopped, timeout_s = True, None
                self.stop()
                self._screen.say("Finishing the epoch and saving.")
        if self.failure:
            raise self.failure

    def _wait(self, timeout_s: float | None) -> None:
        left_s = float("inf") if timeout_s is None else timeout_s
        while self.running and left_s > 0:
            self._thread.join(min(GLANCE_S, left_s))  # a longer one would not be interrupted
            left_s -= GLANCE_S

    def _run_apart(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.failure = error
            with suppress(Exception):  # the kernel may be gone
                self._screen.say(f"Stopped: {error}")
