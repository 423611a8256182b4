"""What follows when a worker dies: how its trial ends, and whether the search stops."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field

from data_pipeline.system import address_limit_bytes, oom_kills
from hpo.search.claims import Claim
from hpo.search.runner import WorkerEnd
from models.config import ModelConfig
from studies.record import Outcome

SAME_FAILURES = 3
"""After this many consecutive failures with one cause the search stops with that cause."""
MAX_DEATHS = 3
"""A trial whose worker ended this often without an epoch in between has failed; so has a search
whose workers were killed this often in a row before they could be used."""

_KILL = -9  # SIGKILL, a name that not every system has
_ABORTS = (-signal.SIGABRT, 127)
"""How a process ends that gives up when it gets no memory: C++ and TensorFlow, and glibc."""
_CRASHES = (*_ABORTS, -signal.SIGSEGV, -7)  # SIGBUS
_WORDS = re.compile(r"bad_alloc|out of memory|(?:cannot|failed to|unable to) allocate", re.I)


@dataclass
class Failures:
    """The failures of one run of a search so far."""

    _failed: list[tuple[str, ModelConfig]] = field(default_factory=list)
    _failed_starts: int = 0

    def started(self) -> None:
        """A worker can be used."""
        self._failed_starts = 0

    def of_start(self, end: WorkerEnd) -> str | None:
        """Returns why the search must stop after a worker ended before it was ready, or None.

        One that ended by itself would do so again; one that was killed may not.
        """
        self._failed_starts += 1
        if end.killed and self._failed_starts < MAX_DEATHS:
            return None
        return f"A worker could not start ({end.cause}). {_last_line(end)}".strip()

    def of_death(self, claim: Claim, end: WorkerEnd) -> Outcome | None:
        """Returns how a trial ends whose worker died; None if another worker continues it."""
        claim.deaths += 1
        if end.out_of_memory:
            return Outcome(reason="out of memory", message=end.out_of_memory)
        if claim.deaths < MAX_DEATHS:
            return None
        message = f"Its worker ended {claim.deaths} times ({end.cause}). {_last_line(end)}"
        return Outcome(reason="failed", message=message.strip())

    def of_trial(self, claim: Claim, outcome: Outcome, backbones: int = 1) -> str | None:
        """Returns the cause that has failed too many trials in a row, or None.

        One network of the user's own that fails again and again does not end a search that has
        others: the sampler learns to avoid it.

        Args:
            claim: The trial.
            outcome: How it ended.
            backbones: How many the study has to choose from.
        """
        if outcome.reason != "failed":
            self._failed.clear()
            return None
        cause = (outcome.message or "unknown").strip().splitlines()[-1]
        self._failed.append((cause, claim.config.model))
        latest = self._failed[-SAME_FAILURES:]
        if len(latest) < SAME_FAILURES or len({cause for cause, _ in latest}) > 1:
            return None
        own = all(model.own for _, model in latest)
        alone = len({model.backbone for _, model in latest}) == 1
        return None if own and alone and backbones > 1 else cause


def out_of_memory(status: int, printed: str, oom_kills_before: int) -> str | None:
    """Returns how a process of this machine ended for lack of memory; None if it did not.

    Args:
        status: Its exit status, negative for a signal.
        printed: What it printed last.
        oom_kills_before: `oom_kills()` of a while ago.
    """
    if status == _KILL and oom_kills() > oom_kills_before:
        return "The kernel killed the worker because memory ran out."
    said = [line.strip() for line in printed.splitlines() if _WORDS.search(line)]
    if status in _ABORTS and said:
        return f"The worker got no more memory: {said[-1][:200]}"
    limit_bytes = address_limit_bytes()
    if status in _CRASHES and limit_bytes is not None:
        # Below a limit TensorFlow also follows null pointers and breaks off without a word.
        return (
            f"The worker crashed ({status}) under the memory limit of "
            f"{limit_bytes / 1e9:.1f} GB that is set (ulimit -v)."
        )
    return None


def _last_line(end: WorkerEnd) -> str:
    """Returns the last line a worker printed, with where to read the rest."""
    lines = end.printed.strip().splitlines()
    where = f" (see {end.log})" if end.log else ""
    return f"{lines[-1] if lines else ''}{where}".strip()
