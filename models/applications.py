"""The networks of `keras.applications` and the files of weights that Keras downloads for them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ModelError

if TYPE_CHECKING:
    import keras

WEIGHTS_SIZE_PX = 224
"""Keras has MobileNet's weights for several image sizes. The ones for this size are used for every
size: one download serves all, and networks of two sizes start from the same weights."""


@dataclass(frozen=True)
class Application:
    """One network of `keras.applications` and its ImageNet weights.

    Attributes:
        constructor: Name of the function in `keras.applications`.
        file_name: Name that Keras gives the downloaded file.
        kwargs: What the constructor is given.
    """

    constructor: str
    file_name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def build(self, images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the symbolic feature map of symbolic preprocessed images."""
        import keras

        body = getattr(keras.applications, self.constructor)(
            include_top=False,
            weights=None,
            input_tensor=images_bhwc,
            input_shape=tuple(images_bhwc.shape[1:]),
            **self.kwargs,
        )
        return body.output

    @property
    def folder(self) -> Path:
        """Where Keras keeps its downloads: `models` in `KERAS_HOME`, by default `~/.keras`."""
        return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"

    @property
    def download_command(self) -> str:
        """Shell command by which Keras downloads the file."""
        given = {"include_top": False, "input_shape": _INPUT_SHAPE, **self.kwargs}
        text = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f'python -c "import keras; keras.applications.{self.constructor}({text})"'

    def here(self) -> Path | None:
        """Returns the file, or None where this machine does not have it."""
        path = self.folder / self.file_name
        return path if path.is_file() else None

    def fetch(self) -> Path:
        """Returns the file, which Keras downloads where it is missing.

        Raises:
            ModelError: The download failed.
        """
        if path := self.here():
            return path
        import keras

        try:
            getattr(keras.applications, self.constructor)(
                include_top=False, weights="imagenet", input_shape=_INPUT_SHAPE, **self.kwargs
            )
        except Exception as error:  # Keras raises a bare Exception where a download fails
            raise ModelError(
                f"{self.file_name} must be downloaded. Received: {_reason(error)}. "
                "Check the network, or leave this backbone out."
            ) from error
        return self.folder / self.file_name

    def load(self, body: keras.Model, file: Path) -> None:
        """Loads a file that Keras downloaded.

        Keras's own `weights="imagenet"` is not used: it would download in the middle of a trial,
        and it warns about every image size but 224.

        Raises:
            ModelError: The file does not hold this network's weights.
        """
        import keras
        import numpy as np

        try:
            body.load_weights(file)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                "Pretrained weights must be the complete file Keras downloads. "
                f"Received: {file} ({error}). Delete it and let Keras download it again."
            ) from error
        for layer in body.layers:
            if isinstance(layer, keras.layers.Normalization) and layer.weights:
                # EfficientNet's file holds ImageNet's mean and variance, and Keras corrects the
                # variance in a layer that exists only while it downloads. The row's preprocessing
                # already does all of that, so this layer stays the identity.
                layer.set_weights([np.zeros(3), np.ones(3), np.array(0)])
                layer.finalize_state()


_INPUT_SHAPE = (WEIGHTS_SIZE_PX, WEIGHTS_SIZE_PX, 3)


def _reason(error: Exception) -> str:
    """Why a download failed, in one line that names no host."""
    # Keras puts the address in front of what `urllib` said; that alone is the cause.
    cause = getattr(error.__context__, "reason", None) or error
    text = re.sub(r"\S*\w+://\S+", "the server", str(cause)).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
