"""What one row of the table of backbones says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Backbone:
    """One body of a network: from preprocessed images to a feature map.

    Attributes:
        name: Key of the row.
        family: `scratch` is trained from random weights only; `imagenet` has pretrained ones.
        constructor: Name of a function of `models.convolutional` for `scratch`, of
            `keras.applications` for `imagenet`.
        kwargs: What the constructor is given.
        parameters: Number of weights, without any top, for the smallest images.
        min_size_px: Smallest height and width of the images.
        preprocessing: Key of a row of `models.preprocessing.PREPROCESSING`.
        source: Where the network was described.
        weights_file: Name Keras gives the downloaded file; `{size}` stands for the image size
            where there are weights for several.
        weights_sizes_px: These sizes; any other uses the file for 224.
    """

    name: str
    family: Literal["scratch", "imagenet"]
    constructor: str
    kwargs: Mapping[str, Any] = field(hash=False)
    parameters: int
    min_size_px: int
    preprocessing: str
    source: str
    weights_file: str | None = None
    weights_sizes_px: tuple[int, ...] = ()
