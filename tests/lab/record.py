"""Records learning curves: `python -m tests.lab.record`, or `make lab`.

Each run is trained by the product's own `run_trial`, in float32, on one thread. What is recorded
already is left out, so that another night only adds to the table.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.trial_config import TrialConfig
from tests.lab import cost, curves
from tests.lab.candidates import Candidate, candidates
from tests.lab.sets import LabSet, lab_sets

if TYPE_CHECKING:
    from hpo.training.inputs import TrialData
    from hpo.training.programs import Programs
    from hpo.training.protocol import Alive, EpochEnd, Progress, Started

SEED = 0
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Solving heads on more threads than are free takes many times as long."""
ROUNDS = (15, 19, 1000)
"""So many candidates are recorded on every set before the next ones are, so that a short night
gives a table of all sets, too."""


@dataclass
class Clock:
    """Stands for the coordinator: lets every trial run to its end, and notes when epochs ended.

    Attributes:
        ends_s: When training began, and then the end of each epoch.
    """

    ends_s: list[float] = field(default_factory=list)

    def send(self, event: Alive | Started | Progress | EpochEnd) -> None:
        """Notes the time of a start or an epoch's end."""
        if event.kind in ("started", "epoch"):
            self.ends_s.append(time.monotonic())

    def verdict(self) -> str:
        """Goes on."""
        return "continue"

    def stopped(self) -> bool:
        """Never."""
        return False


@dataclass
class Recorder:
    """Records the runs of one set.

    Attributes:
        lab_set: The set.
        path: Its file.
        data: Its images.
        programs: Networks that were traced already.
        work: Folder for what trials write.
    """

    lab_set: LabSet
    path: Path
    data: TrialData
    programs: Programs
    work: Path

    def record(self, candidate: Candidate) -> None:
        """Trains a candidate and adds its line."""
        from hpo.training.protocol import Train
        from hpo.training.trial import make_ready, run_trial

        config = candidate.config(self.lab_set.facts)
        job = Train(
            number=zlib.crc32(candidate.name.encode()) % 10**6,
            config=config,
            seed=SEED,
            metric="accuracy",
            folder=str(self.work / candidate.name),
            precision="float32",
        )
        for wanted in _passes(config, config.epochs):
            self._pass(wanted)
        began_s, clock = time.monotonic(), Clock()
        make_ready(job, self.data, self.programs)
        outcome = run_trial(job, self.data, self.programs, clock).outcome
        assert outcome is not None, candidate
        assert outcome.reason != "failed", outcome.message
        inputs = self.programs.inputs(config, self.data, job.precision)
        network = self.programs.program(config, inputs, job.precision).network
        ends_s = clock.ends_s
        run = curves.Run(
            name=candidate.name,
            settings=config.model_dump(mode="json", exclude_defaults=True),
            reason=outcome.reason,
            accuracy=tuple(outcome.history.get("val_accuracy", ())),
            loss=tuple(outcome.history.get("val_loss", ())),
            seconds=tuple(b - a for a, b in itertools.pairwise(ends_s)),
            ready_s=ends_s[0] - began_s,
            base=0 if network.base is None else cost.multiply_adds(network.base),
            head=cost.multiply_adds(network.head),
        )
        curves.append(self.path, curves.run_row(run))
        self.programs.release()

    def _pass(self, wanted: cost.BasePass) -> None:
        """Makes a pass whose time is not to count for the trial, and notes that of the first."""
        from data_pipeline.config import AugmentConfig
        from models.config import ModelConfig

        model = ModelConfig(
            backbone=wanted.backbone,
            pretrained=True,
            image_size_px=wanted.image_size_px,
            classes=2,
            trainable_stages=wanted.stages,
        )
        features = self.programs.features(model, self.data, "float32")
        if wanted.view == cost.VALIDATION:
            features.validation()
            return
        features.trace()
        level = AugmentConfig.model_validate_json(wanted.augment or "{}")
        self.data.images(wanted.image_size_px)  # decoded beforehand
        began_s = time.monotonic()
        features.train_view(level, int(wanted.view))
        seconds = time.monotonic() - began_s
        row = curves.Pass(wanted.backbone, wanted.image_size_px, wanted.stages, round(seconds, 3))
        known = curves.read(self.path)
        assert known is not None
        if wanted.view == "0" and row.key not in known.passes:
            curves.append(self.path, vars(row))


def _passes(config: TrialConfig, epochs: int) -> Iterator[cost.BasePass]:
    """Yields every pass of a trial once."""
    yield from dict.fromkeys(
        wanted for epoch in range(1, epochs + 1) for wanted in cost.passes(config, epoch)
    )


def record_set(lab_set: LabSet, night: int, until_s: float, most: int) -> int:
    """Records what is missing of a set's first candidates, until a monotonic time.

    Returns:
        How many runs are missing then.
    """
    from hpo.training.device import set_up
    from hpo.training.inputs import TrialData
    from hpo.training.programs import Programs

    path, facts, manifest = curves.path_of(lab_set.name), lab_set.facts, lab_set.manifest
    if curves.read(path) is None:
        counts = [sum(item.split == "validation" for item in manifest.items)]
        about = {"facts": facts.model_dump(), "validation_images": counts[0]}
        curves.append(path, about)
    known = curves.read(path)
    assert known is not None
    wanted = candidates(facts, night)[:most]
    missing = [row for row in wanted if row.name not in known.runs]
    if not missing or time.monotonic() > until_s:
        return len(missing)
    device = set_up("cpu", 1, 224)
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "manifest.json"
        file.write_text(manifest.model_dump_json())
        data = TrialData.open(file, lambda: None)
        recorder = Recorder(lab_set, path, data, Programs(device), Path(work))
        seen = {run.config.identity for run in known.runs.values()}
        while missing and time.monotonic() < until_s:
            candidate = missing.pop(0)
            config = candidate.config(facts)
            if config.identity in seen:  # what differs means nothing on this set
                continue
            began_s = time.monotonic()
            recorder.record(candidate)
            seen.add(config.identity)
            click.echo(f"{lab_set.name}: {candidate.name}, {time.monotonic() - began_s:.1f} s")
    return len(missing)


@click.command()
@click.option("--night", default=1, help="How much is recorded; see candidates.py.")
@click.option("--minutes", default=480.0, help="Stop after so long.")
@click.option("--set", "name", help="This set only, in this process.")
@click.option("--most", default=1000, hidden=True)
def main(night: int, minutes: float, name: str | None, most: int) -> None:
    """Records the curves that are missing, of one set after the other."""
    until_s = time.monotonic() + 60 * minutes
    if name is not None:
        lab_set = next(each for each in lab_sets() if each.name == name)
        click.echo(f"{name}: {record_set(lab_set, night, until_s, most)} missing")
        return
    for count in ROUNDS:
        for lab_set in lab_sets():
            left_min = (until_s - time.monotonic()) / 60
            known = curves.read(curves.path_of(lab_set.name))
            if left_min <= 0:
                return
            if known and len(known.runs) >= count:
                continue
            # A process of its own, whose end gives back what TensorFlow took.
            words = ["--set", lab_set.name, "--night", str(night), "--most", str(count)]
            words += ["--minutes", f"{left_min:.2f}"]
            command = [sys.executable, "-m", "tests.lab.record", *words]
            subprocess.run(command, check=True, env=os.environ | ONE_THREAD)


if __name__ == "__main__":
    main()
