"""Builds what a row of `BACKBONES` describes, and loads its pretrained weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np

from models import convolutional
from models.backbone import Backbone
from models.backbones import weights_file, weights_folder, weights_path
from models.errors import ModelError
from models.preprocessing import preprocess


def build_body(
    row: Backbone, images_bhwc: keras.KerasTensor, weights: Path | None = None
) -> keras.Model:
    """A functional model from the source of `images_bhwc` to the backbone's feature map.

    Args:
        row: What to build.
        images_bhwc: Symbolic RGB images, 0..255, of static size.
        weights: File with pretrained weights; None leaves the random ones.

    Returns:
        A model whose output is (b, h', w', c). It starts with the row's preprocessing.

    Raises:
        ModelError: If the file does not hold this network's weights.
    """
    source = keras.utils.get_source_inputs(images_bhwc)[0]
    x = preprocess(images_bhwc, row.preprocessing)
    if row.family == "scratch":
        features = getattr(convolutional, row.constructor)(x, **row.kwargs)
        return keras.Model(source, features)
    constructor = getattr(keras.applications, row.constructor)
    body = constructor(
        include_top=False,
        weights=None,
        input_tensor=x,
        input_shape=tuple(x.shape[1:]),
        **row.kwargs,
    )
    if weights is not None:
        _load(body, weights)
    return keras.Model(source, body.output)


def _load(body: keras.Model, weights: Path) -> None:
    """Loads a file that Keras downloaded.

    Keras's own `weights="imagenet"` is not used: it would download in the middle of a trial, and
    it warns about every image size but 224.
    """
    try:
        body.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            "Pretrained weights must be the complete file Keras downloads. "
            f"Received: {weights} ({error}). Delete it and let Keras download it again."
        ) from error
    for layer in body.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            # EfficientNet's file holds ImageNet's mean and variance, and Keras corrects the
            # variance in a layer that exists only while it downloads. The row's preprocessing
            # already does all of that, so this layer stays the identity.
            layer.set_weights([np.zeros(3), np.ones(3), np.array(0)])
            layer.finalize_state()


def require_weights(row: Backbone, image_size_px: int) -> Path:
    """The file with a row's pretrained weights.

    Raises:
        ModelError: If there are none for this backbone, or not on this machine.
    """
    name = weights_file(row, image_size_px)
    if name is None:
        raise ModelError(
            "Only a backbone of the `imagenet` family can be pretrained. "
            f"Received: {row.name!r}. Set pretrained to false or choose another backbone."
        )
    path = weights_path(row, image_size_px)
    if path is None:
        raise ModelError(
            f"A pretrained {row.name} at {image_size_px} px needs the file {name}. "
            f"Received: none in {weights_folder()}. Run `{_download_command(row, image_size_px)}` "
            "on a machine with a network and put the file into that folder, or name another "
            "folder's parent in KERAS_HOME."
        )
    return path


def _download_command(row: Backbone, image_size_px: int) -> str:
    """Shell command by which Keras downloads the file of a row."""
    given = {"include_top": False, "input_shape": (image_size_px, image_size_px, 3), **row.kwargs}
    text = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f'python -c "import keras; keras.applications.{row.constructor}({text})"'


def download_weights(row: Backbone, image_size_px: int) -> Path:
    """Lets Keras download a row's weights, unless they are here already.

    Returns:
        Where the file lies.

    Raises:
        ModelError: If it cannot be had.
    """
    if row.family == "imagenet" and weights_path(row, image_size_px) is None:
        constructor = getattr(keras.applications, row.constructor)
        size = (image_size_px, image_size_px, 3)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a size other than 224 uses 224's weights
                constructor(include_top=False, weights="imagenet", input_shape=size, **row.kwargs)
        except Exception as error:  # Keras raises a bare Exception where a download fails
            raise ModelError(
                f"The weights of {row.name} could not be downloaded. Received: {error}. "
                "Check the network, or leave this backbone out."
            ) from error
    return require_weights(row, image_size_px)
