"""What each backbone expects of its pixels, as rows of one affine map per colour channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Preprocessing:
    """`scale * pixel + offset` for RGB pixels in 0..255, and then perhaps the reverse order.

    Attributes:
        name: Key of the row.
        summary: What comes out, for people; means and deviations are ImageNet's.
        scale: Factor of each of the channels red, green, blue.
        offset: What is added to each of them then.
        bgr: Whether the channels are reversed, as Caffe's networks expect.
    """

    name: str
    summary: str
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    bgr: bool = False


_ROWS = (
    Preprocessing("none", "0..255", (1.0,) * 3, (0.0,) * 3),
    # KerasHub's presets bring a layer for it.
    Preprocessing("preset", "as its preset says", (1.0,) * 3, (0.0,) * 3),
    Preprocessing("unit", "0..1", (1 / 255,) * 3, (0.0,) * 3),
    Preprocessing("symmetric", "-1..1", (1 / 127.5,) * 3, (-1.0,) * 3),
    Preprocessing(
        "imagenet",
        "mean 0, deviation 1",
        (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    # Keras's EfficientNets begin with a division by 255 that cannot be left out.
    Preprocessing(
        "imagenet_255",
        "mean 0, deviation 255",
        (1 / 0.229, 1 / 0.224, 1 / 0.225),
        (-255 * 0.485 / 0.229, -255 * 0.456 / 0.224, -255 * 0.406 / 0.225),
    ),
    Preprocessing("caffe", "BGR, mean 0", (1.0,) * 3, (-123.68, -116.779, -103.939), bgr=True),
)

PREPROCESSING: Mapping[str, Preprocessing] = MappingProxyType({row.name: row for row in _ROWS})


def preprocess(images_bhwc: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Adds the layers of one row to a functional model.

    They compute in float32 even in a network of lower precision, since bfloat16 cannot tell
    neighbouring values of an augmented pixel apart.

    Args:
        images_bhwc: Symbolic RGB images, 0..255.
        name: Key of a row of `PREPROCESSING`.

    Returns:
        Symbolic float32 images of the same shape.
    """
    import keras

    row = PREPROCESSING[name]
    rescale = keras.layers.Rescaling(
        list(row.scale), list(row.offset), dtype="float32", name="preprocessing"
    )
    x = rescale(images_bhwc)
    return keras.ops.flip(x, axis=-1) if row.bgr else x
