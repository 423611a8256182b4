"""What the coordinating process and the one that checks network files say: one JSON object a line.

coordinator -> checker   Declare, Build, Build, …
checker -> coordinator   Declared, Built, Built, …, one for each
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from models.config import ModelConfig
from studies.network_files import NetworkFile


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Message):
    """A file: what it is called, and what it says."""

    name: str
    text: str


class Declare(_Message):
    """Run these files.

    Attributes:
        files: The files.
        limit_s: How long one step may take before it is taken for hung.
    """

    files: tuple[Text, ...]
    limit_s: float


class Declared(_Message):
    """What the files declare.

    Attributes:
        files: The files, with their networks.
        problem: What is wrong with one of them, for the user; None where nothing is.
        printed: What the files printed.
    """

    files: tuple[NetworkFile, ...] = ()
    problem: str | None = None
    printed: str = ""


class Build(_Message):
    """Build a network of the files once.

    Attributes:
        model: The network.
        label: The same in words.
        thoroughly: Whether to export it and load it again, too.
    """

    model: ModelConfig
    label: str
    thoroughly: bool


class Built(_Message):
    """What came of it.

    Attributes:
        problem: What went wrong, for the user; None where nothing did.
        parameters: Its weights, the head's among them.
        needs_layers: Whether it has layers that are not Keras's own.
        layers: What is registered with Keras for these.
        printed: What the files printed.
    """

    problem: str | None = None
    parameters: int = 0
    needs_layers: bool = False
    layers: tuple[str, ...] = ()
    printed: str = ""
