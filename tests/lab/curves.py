"""The table of learning curves: one line of JSON for each run, in a file for each set.

Lines are appended as they are recorded, so a recording that was ended goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studies.space import DataFacts
from studies.trial_config import TrialConfig

FOLDER = Path(__file__).parent / "curves"


@dataclass(frozen=True)
class Run:
    """One recorded trial; README.md says the same of the columns.

    Attributes:
        name: The candidate's.
        settings: Its configuration, without what has its default.
        reason: Why it ended.
        accuracy: Validation accuracy of each epoch; of a solved head, of each strength.
        loss: Validation loss of each epoch.
        seconds: Seconds that each epoch took, without passes of the frozen base.
        ready_s: Seconds before the first epoch: building and tracing the network.
        base: Multiply-adds of the frozen base for one image; 0 where there is none.
        head: Those of the part that is trained.
    """

    name: str
    settings: dict[str, Any]
    reason: str
    accuracy: tuple[float, ...]
    loss: tuple[float, ...]
    seconds: tuple[float, ...]
    ready_s: float
    base: int
    head: int

    @property
    def config(self) -> TrialConfig:
        """Its settings."""
        return TrialConfig.model_validate(self.settings)


@dataclass(frozen=True)
class Pass:
    """What a pass of a frozen base over the training images took, the first time.

    Attributes:
        backbone: Its backbone.
        image_size_px: Its image size.
        stages: Stages of the backbone that it leaves out.
        seconds: What it took.
    """

    backbone: str
    image_size_px: int
    stages: int
    seconds: float

    @property
    def key(self) -> tuple[str, int, int]:
        """What it is a pass of."""
        return self.backbone, self.image_size_px, self.stages


@dataclass(frozen=True)
class Curves:
    """What is recorded of one set.

    Attributes:
        name: The set's.
        facts: What the space and the trials need to know of it.
        validation_images: How many each accuracy is taken on.
        runs: Candidate to its run.
        passes: Backbone, size and stages to seconds of a pass over the training images.
    """

    name: str
    facts: DataFacts
    validation_images: int
    runs: dict[str, Run]
    passes: dict[tuple[str, int, int], float]


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """Returns the file of a set."""
    return folder / f"{name}.jsonl"


def append(path: Path, row: dict[str, Any]) -> None:
    """Adds a line, all of it or none: a torn one is left out when it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row, separators=(",", ":")) + "\n")


def run_row(run: Run) -> dict[str, Any]:
    """Returns the line of a run, its figures rounded."""
    row = asdict(run)
    for name in ("accuracy", "loss"):
        row[name] = [float(f"{value:.4g}") for value in row[name]]
    row["seconds"] = [round(value, 3) for value in row["seconds"]]
    return row | {"ready_s": round(run.ready_s, 3)}


def read(path: Path) -> Curves | None:
    """Returns what is recorded of a set; None where nothing is."""
    rows = list(_rows(path)) if path.exists() else []
    if not rows:
        return None
    about, *rows = rows
    runs = [Run(**{**row, **_tuples(row)}) for row in rows if "name" in row]
    passes = [Pass(**row) for row in rows if "stages" in row]
    return Curves(
        name=path.stem,
        facts=DataFacts.model_validate(about["facts"]),
        validation_images=about["validation_images"],
        runs={run.name: run for run in runs},
        passes={row.key: row.seconds for row in passes},
    )


def read_all(folder: Path = FOLDER) -> list[Curves]:
    """Returns what is recorded of every set, by name."""
    found = [read(path) for path in sorted(folder.glob("*.jsonl"))]
    return [curves for curves in found if curves]


def _tuples(row: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(row[name]) for name in ("accuracy", "loss", "seconds")}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # torn by a kill
            continue
