"""What the coordinating process and its workers say to each other: one JSON object a line.

    coordinator -> worker   Begin, Train, Verdict, Stop
    worker -> coordinator   Ready, Alive, Started, Progress, EpochEnd, Finished

A worker that reads the end of its input ends at once, so a killed coordinator leaves no orphan.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from studies.network_files import NetworkFile
from studies.record import Outcome
from studies.trial_config import TrialConfig


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Begin(_Message):
    """What all trials are trained on; comes first, perhaps while the worker imports TensorFlow.

    Attributes:
        manifest: File that holds the manifest.
        image_size_px: Largest size that images are decoded at.
        device: auto, cpu or gpu.
        threads: CPU threads this worker may use.
        log: File for what it prints from now on.
        first: The trial that is likely to come first, to be made ready for; None where unknown.
        networks: The study's own networks; their text comes from here and never from a file.
    """

    kind: Literal["begin"] = "begin"
    manifest: str
    image_size_px: int
    device: str
    threads: int
    log: str = ""
    first: Train | None = None
    networks: tuple[NetworkFile, ...] = ()


class Train(_Message):
    """Train this trial, from its last checkpoint where there is one.

    Attributes:
        number: The trial's number in its study.
        config: Its settings.
        seed: The study's seed.
        metric: Name of a row of `studies.metrics.METRICS`.
        folder: The trial's own folder, for checkpoints and best-epoch weights.
        precision: `auto` or a Keras dtype policy.
        costs: Names of the rows of `studies.metrics.COSTS` to measure at its end.
        continues: The trial whose last checkpoint it begins with; None if it begins anew.
    """

    kind: Literal["train"] = "train"
    number: int
    config: TrialConfig
    seed: int
    metric: str
    folder: str
    precision: str = "auto"
    costs: tuple[str, ...] = ()
    continues: Train | None = None


class Verdict(_Message):
    """The answer to an `EpochEnd`: go on, end as pruned, or pause the trial."""

    kind: Literal["verdict"] = "verdict"
    action: Literal["continue", "prune", "pause"]


class Stop(_Message):
    """Pause the trial within the epoch; its last checkpoint stands."""

    kind: Literal["stop"] = "stop"


class Ready(_Message):
    """The worker has imported TensorFlow, opened the images and waits for a trial."""

    kind: Literal["ready"] = "ready"
    device: str


class Started(_Message):
    """A trial has begun, at epoch 0 or where its checkpoint left it."""

    kind: Literal["started"] = "started"
    epoch: int


class Progress(_Message):
    """Within an epoch, a few times a second."""

    kind: Literal["progress"] = "progress"
    done: float
    images_per_s: float


class Alive(_Message):
    """Something long is under way that is no step of an epoch."""

    kind: Literal["alive"] = "alive"


class EpochEnd(_Message):
    """An epoch is finished and its checkpoint is being written; waits for a `Verdict`.

    Attributes:
        values: The objective of every epoch so far, so that a report lost to a kill is made up.
        metrics: All metrics of this epoch.
    """

    kind: Literal["epoch"] = "epoch"
    values: list[float]
    metrics: dict[str, float]


class Finished(_Message):
    """A trial has ended, or was paused.

    Attributes:
        outcome: How it ended. Of a paused trial it is what its best epoch comes to, or None
            before its first epoch.
        resident_bytes: Memory the worker holds now.
        fatal: What keeps this and every other trial from going on, such as a full disk.
    """

    kind: Literal["finished"] = "finished"
    outcome: Outcome | None
    resident_bytes: int = 0
    fatal: str | None = None


Command = Annotated[Begin | Train | Verdict | Stop, Field(discriminator="kind")]
Event = Annotated[
    Ready | Alive | Started | Progress | EpochEnd | Finished, Field(discriminator="kind")
]

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Command)
_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def encode(message: _Message) -> bytes:
    """Returns the message as one line."""
    return message.model_dump_json().encode() + b"\n"


def decode_command(line: bytes) -> Command:
    """Reads a line sent to a worker."""
    return _COMMANDS.validate_json(line)


def decode_event(line: bytes) -> Event:
    """Reads a line sent by a worker."""
    return _EVENTS.validate_json(line)
