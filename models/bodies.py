"""Builds what a row of the catalogue describes, with its pretrained weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras

from models.backbone import Backbone
from models.errors import ModelError

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


def build_body(
    row: Backbone,
    images_bhwc: keras.KerasTensor,
    weights: Path | None = None,
    arguments: Mapping[str, Any] = NO_ARGUMENTS,
    *,
    for_file: bool = False,
) -> keras.Model:
    """A functional model from the source of `images_bhwc` to the backbone's features.

    Args:
        row: What to build.
        images_bhwc: Symbolic RGB images, 0..255, of static size.
        weights: File with pretrained weights; None leaves the random ones.
        arguments: What a network of the user's own is given besides, see `Backbone.arguments`.
        for_file: Whether it is to be exported.

    Returns:
        A model whose output is (b, h', w', c) or (b, c). It starts with the row's preprocessing.

    Raises:
        ModelError: If the file does not hold this network's weights.
    """
    source = keras.utils.get_source_inputs(images_bhwc)[0]
    body = keras.Model(source, row.build(images_bhwc, for_file=for_file, **arguments))
    if weights is not None:
        assert row.weights is not None
        row.weights.load(body, weights)
    return body


def require_weights(row: Backbone) -> Path:
    """The file with a row's pretrained weights.

    Raises:
        ModelError: If there are none for this backbone, or not on this machine.
    """
    if row.weights is None:
        raise ModelError(
            "Only a backbone that has weights can be pretrained. "
            f"Received: {row.name!r}. Set pretrained to false or choose another backbone."
        )
    path = row.weights.here()
    if path is None:
        raise ModelError(
            f"A pretrained {row.name} needs the file {row.weights.file_name}. "
            f"Received: none in {row.weights.folder}. Run `{row.weights.download_command}` on a "
            "machine with a network and put the file into that folder, or name another folder's "
            "parent in KERAS_HOME."
        )
    return path
