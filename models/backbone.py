"""One row of the catalogue: a body of a network, how it is built and where its weights lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from models.config import ModelConfig
from models.preprocessing import preprocess

if TYPE_CHECKING:
    import keras


Output = Literal["logits", "softmax", "sigmoid"]
"""What a network returns that has its own output."""


class Weights(Protocol):
    """Where the pretrained weights of one backbone come from."""

    @property
    def file_name(self) -> str:
        """Name of the file that holds them."""

    @property
    def folder(self) -> Path:
        """Folder in which that file is looked for."""

    @property
    def download_command(self) -> str:
        """Shell command that puts the file there."""

    def here(self) -> Path | None:
        """Returns the file, or None where this machine does not have it."""

    def fetch(self) -> Path:
        """Returns the file, downloaded first where it is missing.

        Raises:
            ModelError: The download failed.
        """

    def load(self, body: keras.Model, file: Path) -> None:
        """Gives a body that the backbone built the weights in a file.

        Raises:
            ModelError: The file does not hold this network's weights.
        """


@dataclass(frozen=True)
class Backbone:
    """One body of a network, from RGB images to features.

    Reading a row needs no TensorFlow: `construct` imports it when it is called.

    Attributes:
        name: Key of the row.
        construct: Takes symbolic preprocessed images (b, h, w, 3) of static size and returns a
            symbolic feature map (b, h', w', c), or a vector (b, c), by layers of Keras. One of the
            user's own also takes what `arguments` returns, by keywords.
        parameters: Number of weights, without any head, for the smallest images; None where that
            is known only once the network is built.
        min_size_px: Smallest height and width of the images.
        preprocessing: Key of a row of `models.preprocessing.PREPROCESSING`.
        source: Where the network was described.
        weights: Where its pretrained weights come from; None where it is trained from random
            weights only.
        multiply_adds_224: What one image of 224 px costs in a forward pass, without any head; at
            another size it grows with the pixels. None where that is not known.
        code: Digest of the user's text that it is built from; empty for a row of this program.
        output: What it returns, (b, classes) or (b, 1), where it has its own output and gets no
            head; None where it returns features.
        takes_classes: Whether it is given the number of classes.
        construct_for_file: Builds the same network of layers that an exported file can hold; None
            where `construct` does.
    """

    name: str
    construct: Callable[..., keras.KerasTensor] = field(repr=False)
    parameters: int | None = None
    min_size_px: int = 8
    preprocessing: str = "unit"
    source: str = ""
    weights: Weights | None = None
    multiply_adds_224: float | None = None
    code: str = ""
    output: Output | None = None
    takes_classes: bool = False
    construct_for_file: Callable[..., keras.KerasTensor] | None = field(default=None, repr=False)

    @property
    def has_weights(self) -> bool:
        """Whether there are pretrained weights to start from."""
        return self.weights is not None

    def arguments(self, config: ModelConfig) -> Mapping[str, Any]:
        """Returns what a network's settings give `construct` besides the images."""
        settings = config.own.settings if config.own else {}
        return settings | ({"classes": config.classes} if self.takes_classes else {})

    def build(
        self, images_bhwc: keras.KerasTensor, *, for_file: bool = False, **arguments: Any
    ) -> keras.KerasTensor:
        """Returns symbolic features of symbolic RGB images, 0..255, of static size."""
        construct = (for_file and self.construct_for_file) or self.construct
        return construct(preprocess(images_bhwc, self.preprocessing), **arguments)
