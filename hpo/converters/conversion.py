"""What a converter is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from hpo.runtimes.metadata import Metadata
    from hpo.runtimes.model import Images


@dataclass(frozen=True)
class Conversion:
    """One file to be written.

    Attributes:
        model: A Keras model from images of any size, or of one, to probabilities.
        metadata: What is to travel with it.
        target: The file or folder, which does not exist yet.
        samples: Yields training images (h, w, 3), from which 8-bit numbers get their ranges.
    """

    model: keras.Model
    metadata: Metadata
    target: Path
    samples: Callable[[], Iterator[Images]] = lambda: iter(())
