"""A data set in memory, and what stands for the coordinator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data_pipeline.cache import Cache
from data_pipeline.manifest import Item, Manifest
from data_pipeline.store import Examples, ImageStore
from hpo.training.inputs import TrialData
from hpo.training.protocol import Alive, EpochEnd, Finished, Progress, Started, Train
from studies.trial_config import TrialConfig

COUNTS = {"train": 75, "validation": 30, "test": 6}


def make_data(folder: Path, size_px: int = 8, classes: int = 3, scale: int = 1) -> TrialData:
    """Noisy images whose channels' brightness tells the class; the cache is in `folder`.

    There are `scale` times `COUNTS` of them.
    """
    random = np.random.default_rng(0)
    total = scale * sum(COUNTS.values())
    labels = random.permutation(np.arange(total) % classes)
    images = random.integers(0, 160, (total, size_px, size_px, 3))
    images[np.arange(total), ..., labels] += 60
    images = images.astype(np.uint8)
    images.flags.writeable = False
    splits, items, begin = {}, [], 0
    for name, count in COUNTS.items():
        rows = np.arange(begin, begin + scale * count)
        paths = tuple(map(str, rows))
        splits[name] = Examples(images, rows, labels[rows].astype(np.int32), paths)
        for row in rows:
            sha256 = hashlib.sha256(images[row].tobytes()).hexdigest()
            items.append(Item(path=str(row), sha256=sha256, label=int(labels[row]), split=name))
        begin += scale * count
    manifest = Manifest(
        kind="builtin",
        source="digits",
        layout="builtin",
        classes=tuple("abcde"[:classes]),
        items=tuple(items),
        seed=0,
    )
    store = ImageStore(size_px, splits)
    return TrialData(manifest, lambda _: store, Cache(folder / "cache"))


def make_job(config: TrialConfig, folder: Path, number: int = 0, metric: str = "accuracy") -> Train:
    """The job to train a trial in float32."""
    return Train(
        number=number,
        config=config,
        seed=5,
        metric=metric,
        folder=str(folder),
        precision="float32",
    )


@dataclass
class FakeLink:
    """Answers as a coordinator would.

    Attributes:
        answer: Given the finished epochs, the verdict.
        stop: Asked after each call of steps, whether to stop within the epoch.
        events: What was sent.
    """

    answer: Callable[[int], str] = lambda epochs: "continue"
    stop: Callable[[], bool] = lambda: False
    events: list[Alive | Started | Progress | EpochEnd | Finished] = field(default_factory=list)

    def send(self, event: Alive | Started | Progress | EpochEnd) -> None:
        """Keeps an event."""
        self.events.append(event)

    def verdict(self) -> str:
        """Answers the last epoch's end."""
        last = self.events[-1]
        assert isinstance(last, EpochEnd)
        return self.answer(len(last.values))

    def stopped(self) -> bool:
        """Whether to stop within the epoch."""
        return self.stop()

    def epochs(self) -> list[int]:
        """The epochs whose end was told."""
        return [len(event.values) for event in self.events if isinstance(event, EpochEnd)]
