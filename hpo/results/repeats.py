"""The best few trials trained again on fresh splits: is the first really better?"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest, create_manifest
from data_pipeline.store import open_store
from hpo.quiet import load_tensorflow
from hpo.results.rebuild import trusted_catalogue
from hpo.results.tables import Cell, Column, Table
from hpo.search.open_study import OpenStudy
from hpo.search.plan import labelling
from studies.errors import StudyError
from studies.metrics import Metric
from studies.record import read_config
from studies.settings import StudySettings

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Repeats:
    """Trials on the same fresh splits.

    Attributes:
        metric: The study's metric.
        values: Number of a trial to its value on each split, the best trial first.
        train: Training images of a split.
        validation: Validation images of it.
    """

    metric: Metric
    values: Mapping[int, Sequence[float]]
    train: int
    validation: int

    def lead(self, number: int) -> tuple[float, float, float]:
        """Returns by how much the first trial is ahead of another, and the 95 % interval of it.

        The splits share most of their images, so that their differences vary less than those of
        new data would. Nadeau & Bengio 2003 (Inference for the Generalization Error, Machine
        Learning 52:239-281) widen the interval for that.
        """
        from scipy.stats import t

        first = next(iter(self.values.values()))
        sign = 1 if self.metric.maximize else -1
        pairs = zip(first, self.values[number], strict=True)
        differences = [sign * (one - other) for one, other in pairs]
        count, mean = len(differences), statistics.fmean(differences)
        variance = statistics.variance(differences) * (1 / count + self.validation / self.train)
        spread = float(t.ppf(0.975, count - 1)) * variance**0.5
        return mean, mean - spread, mean + spread

    def table(self) -> Table:
        """Returns a row for each trial."""
        columns = [
            Column("trial", "d"),
            Column(f"mean {self.metric.label}", ".4f"),
            Column("lowest", ".4f"),
            Column("highest", ".4f"),
            Column("first ahead by", "+.4f"),
            Column("95 % interval"),
        ]
        best = next(iter(self.values))
        rows: list[list[Cell]] = []
        for number, values in self.values.items():
            row: list[Cell] = [number, statistics.fmean(values), min(values), max(values)]
            lead = self.lead(number)
            behind = f"{lead[1]:+.4f} to {lead[2]:+.4f}"
            rows.append([*row, *([None, None] if number == best else [lead[0], behind])])
        return Table(columns, rows)

    def sentence(self) -> str:
        """Returns the answer for people."""
        best, *others = self.values
        surely = [number for number in others if self.lead(number)[1] > 0]
        rest = [number for number in others if number not in surely]
        said = [f"trial {best} is surely better than {_named(surely)}"] if surely else []
        if rest:
            said.append(f"nothing tells trial {best} from {_named(rest)}")
        return f"On fresh splits {', but '.join(said)}." if said else ""

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        best, *others = self.values
        return {
            "values": {str(number): list(values) for number, values in self.values.items()},
            "best_ahead_by": {str(number): self.lead(number) for number in others},
            "train_images": self.train,
            "validation_images": self.validation,
            "trial": best,
        }


def _named(numbers: Sequence[int]) -> str:
    return f"trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def fresh_splits(opened: OpenStudy, manifest: Manifest, count: int) -> Iterator[Manifest]:
    """Yields the study's images with those of training and validation dealt out anew.

    The test images stay sealed, and what belongs together stays together.

    Args:
        opened: The study.
        manifest: Its images.
        count: How many splits.

    Raises:
        DataError: The images are gone.
    """
    settings = StudySettings.model_validate(opened.record.settings)
    splits = {item.sha256: item.split for item in manifest.items}
    sizes = {part: sum(item.split == part for item in manifest.items) for part in _OPEN}
    for number in range(1, count + 1):
        drawn, _ = create_manifest(
            manifest.source,
            seed=settings.seed + number,
            validation=sizes["validation"] / sum(sizes.values()),
            test=0.0,
            labelling=replace(labelling(settings), draw_validation=True, images=manifest.images),
            resize=settings.resize,
        )
        parts = {item.sha256: item.split for item in drawn.items}
        items = tuple(
            item.model_copy(update={"split": parts[item.sha256]})
            if splits[item.sha256] in _OPEN and parts.get(item.sha256) in _OPEN
            else item
            for item in manifest.items
        )
        yield Manifest(**{**dict(manifest), "items": items})


_OPEN = ("train", "validation")


def repeat(
    opened: OpenStudy, trials: Sequence[FrozenTrial], manifest: Manifest, metric: Metric, count: int
) -> Repeats:
    """Trains trials anew on fresh splits, with another seed each.

    Args:
        opened: The study.
        trials: The trials, the best first.
        manifest: The study's images.
        metric: The study's metric.
        count: How many splits, at least 2.

    Raises:
        StudyError: A trial failed.
        DataError: The images are gone.
    """
    catalogue = trusted_catalogue(opened, map(read_config, trials))
    load_tensorflow()

    from hpo.training.device import as_it_is
    from hpo.training.inputs import TrialData
    from hpo.training.programs import Programs
    from hpo.training.protocol import Train
    from hpo.training.refit import Until
    from hpo.training.trial import run_trial

    settings = StudySettings.model_validate(opened.record.settings)
    programs = Programs(as_it_is(), catalogue=catalogue)
    values: dict[int, list[float]] = {trial.number: [] for trial in trials}
    cache, sizes = Cache(), dict[str, int]()
    for seed, split in enumerate(fresh_splits(opened, manifest, count), start=settings.seed + 1):
        data = TrialData(split, lambda size_px, of=split: open_store(of, size_px, cache), cache)  # type: ignore[misc]
        sizes = {part: sum(item.split == part for item in split.items) for part in _OPEN}
        for trial in trials:
            with tempfile.TemporaryDirectory() as folder:
                job = Train(
                    number=trial.number,
                    config=read_config(trial),
                    seed=seed,
                    metric=metric.name,
                    folder=str(Path(folder) / "trial"),
                    precision=trial.user_attrs.get("precision", settings.precision),
                )
                outcome = run_trial(job, data, programs, Until(None)).outcome
            if outcome is None or outcome.value is None:
                reason = outcome.reason if outcome else "failed"
                raise StudyError(
                    "A trial must end as well on a fresh split as it did. "
                    f"Received: trial {trial.number}, {reason}. Leave out --repeat."
                )
            values[trial.number].append(outcome.value)
        programs.release()
    return Repeats(metric, values, sizes["train"], sizes["validation"])
