"""How a trial speaks to the process that coordinates the study."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from hpo.training.protocol import Alive, EpochEnd, Progress, Started

PROGRESS_S = 0.25


class Link(Protocol):
    """The coordinator as a trial sees it."""

    def send(self, event: Alive | Started | Progress | EpochEnd) -> None:
        """Sends an event."""

    def verdict(self) -> str:
        """Waits for the answer to an `EpochEnd`: continue, prune or pause."""

    def stopped(self) -> bool:
        """Whether the trial is to be paused within the epoch."""


class Paused(Exception):  # noqa: N818 - not an error
    """The trial goes on later, from its last checkpoint."""


def reporter(link: Link, steps: int, images: int) -> Callable[[int], bool]:
    """Returns what tells the coordinator, a few times a second, how far an epoch is.

    Args:
        link: To the coordinator.
        steps: Batches of the epoch.
        images: Training images.

    Returns:
        A function of the steps done; False where the trial is to be paused.
    """
    began = last = time.monotonic()

    def report(done: int) -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_S:
            last = now
            speed = images * done / steps / (now - began)
            link.send(Progress(done=done / steps, images_per_s=speed))
        return not link.stopped()

    return report
