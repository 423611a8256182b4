"""What is made of failures: how a trial ended whose worker died, and when a search is to stop."""

from __future__ import annotations

from dataclasses import dataclass, field

from hpo.search.claims import Claim
from hpo.search.crew import Worker
from hpo.search.memory import oom_kills, starvation
from studies.record import Outcome

SAME_FAILURES = 3
"""After this many consecutive failures with one cause the search stops with that cause."""
MAX_DEATHS = 3
"""A trial whose worker ended this often without an epoch in between has failed; so has a search
whose workers were killed this often in a row before they could be used."""


@dataclass
class Failures:
    """The failures of one run of a search so far."""

    _causes: list[str] = field(default_factory=list)
    _failed_starts: int = 0
    _oom_kills: int = field(default_factory=oom_kills)

    def beat(self) -> None:
        """Takes note of what the kernel has killed by now; to be called every few seconds."""
        self._oom_kills = oom_kills()

    def started(self) -> None:
        """A worker can be used."""
        self._failed_starts = 0

    def of_start(self, worker: Worker, status: int) -> str | None:
        """Returns why the search is to stop, now that a worker ended before it could be used.

        One that ended by itself would do so again; one that was killed may not.
        """
        self._failed_starts += 1
        if status >= 0 or self._failed_starts >= MAX_DEATHS:
            return f"A worker could not start. {_last_line(worker)}"
        return None

    def of_death(self, worker: Worker, claim: Claim, status: int) -> Outcome | None:
        """Returns how a trial ended whose worker did; None where another is to go on with it."""
        claim.deaths += 1
        if starved := starvation(status, worker.printed, self._oom_kills):
            return Outcome(reason="out of memory", message=starved)
        if claim.deaths < MAX_DEATHS:
            return None
        why = death_of(worker, status)
        message = f"Its worker ended {claim.deaths} times, {why}. {_last_line(worker)}"
        return Outcome(reason="failed", message=message)

    def of_trial(self, outcome: Outcome) -> str | None:
        """Returns the cause that has ended too many trials in a row for the search to go on."""
        if outcome.reason != "failed":
            self._causes.clear()
            return None
        self._causes.append((outcome.message or "").strip().splitlines()[-1:][0])
        latest = self._causes[-SAME_FAILURES:]
        return latest[0] if len(latest) == SAME_FAILURES and len(set(latest)) == 1 else None


def death_of(worker: Worker, status: int) -> str:
    """Returns what ended a worker: its exit status, or what it said that is no event."""
    return f"it said {worker.gibberish}, which is no event" if worker.gibberish else str(status)


def _last_line(worker: Worker) -> str:
    """Returns the last line a worker printed, with where to read the rest."""
    lines = worker.printed.strip().splitlines()
    return f"{lines[-1] if lines else ''} (see {worker.log})".strip()
