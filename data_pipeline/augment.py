"""Augmentation: what is drawn for each image, and the one warp that applies it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from data_pipeline.config import AugmentConfig

Floats = npt.NDArray[np.float64]
CHANGES = 8
"""Turning, moving sideways and up or down, zooming, shearing, brightness, contrast, saturation."""
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a pixel's grey (ITU-R BT.601)."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn for each image of a batch or an epoch.

    Attributes:
        transforms_b8: For `warp` (b, 8, float32).
        light_b3: Factors of brightness, contrast and saturation (b, 3, float32).
        mix_b: Mixup: the image's own weight beside the one before it in the batch, in [0, 1]
            (b, float32); 1 is unmixed.
    """

    transforms_b8: npt.NDArray[np.float32]
    light_b3: npt.NDArray[np.float32]
    mix_b: npt.NDArray[np.float32]


def draw(config: AugmentConfig, count: int, image_size_px: int, rng: np.random.Generator) -> Draws:
    """Draws the changes of `count` images.

    As many numbers are drawn for one configuration as for another, so that two strengths turn
    the same image the same way.
    """
    uniform = rng.random((8, count))
    alpha = config.mixup_alpha
    mix_b = rng.beta(alpha, alpha, count) if alpha else np.ones(count)
    further = rng.random((2 + CHANGES, count))
    kept = _kept(config.most_changes, further[2:])
    turn, across, down, zoom, shear = kept[:5] * (2 * uniform[:5] - 1)
    transforms_b8 = compose(
        image_size_px,
        mirror_x=config.flip_horizontal * (uniform[6] < 0.5),
        mirror_y=config.flip_vertical * (uniform[7] < 0.5),
        angle_rad=np.deg2rad(config.rotation_deg) * turn,
        shift_x=config.width_shift * across,
        shift_y=config.height_shift * down,
        zoom=1 + config.zoom * zoom,
        shear=np.tan(np.deg2rad(config.shear_deg)) * shear,
    )
    ranges = (config.brightness, config.contrast, config.saturation)
    light = [
        np.where(keep, low + (high - low) * share, 1.0)
        for (low, high), share, keep in zip(
            ranges, (uniform[5], *further[:2]), kept[5:], strict=True
        )
    ]
    return Draws(
        transforms_b8, np.stack(light, axis=1).astype(np.float32), mix_b.astype(np.float32)
    )


def _kept(most: int, numbers: Floats) -> npt.NDArray[np.bool_]:
    """Returns which changes are made to each image, (changes, b): those of the lowest numbers."""
    if most == 0:
        return np.ones(numbers.shape, bool)
    return np.asarray(numbers.argsort(axis=0).argsort(axis=0) < most)


def compose(
    image_size_px: int,
    *,
    mirror_x: npt.NDArray[np.bool_],
    mirror_y: npt.NDArray[np.bool_],
    angle_rad: Floats,
    shift_x: Floats,
    shift_y: Floats,
    zoom: Floats,
    shear: Floats,
) -> npt.NDArray[np.float32]:
    """Composes one affine transform per image.

    It equals the Keras layers RandomFlip, RandomRotation, RandomTranslation, RandomZoom and
    RandomShear one after the other, without the blur and the lost corners of the steps between.

    Args:
        image_size_px: Height and width.
        mirror_x: Whether left and right are exchanged (b).
        mirror_y: Whether top and bottom are exchanged (b).
        angle_rad: Turned by, counter-clockwise (b).
        shift_x: Moved to the right by, as a fraction of the width (b).
        shift_y: Moved down by, as a fraction of the height (b).
        zoom: Size of what is shown; above 1 the image shrinks (b).
        shear: Each row is moved to the left by this many pixels for each row above it (b).

    Returns:
        Rows a0, a1, a2, b0, b1, b2, 0, 0 (b, 8): the pixel at (x, y) of the result is taken from
        (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image, as in `keras.ops.image`.
    """
    one, none = np.ones_like(angle_rad), np.zeros_like(angle_rad)
    centre = (image_size_px - 1) / 2
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    across, down = -image_size_px * shift_x, -image_size_px * shift_y
    # Each maps the result's pixels to where they come from, so the first layer stands first.
    matrix_b33 = (
        _about(centre, np.where(mirror_x, -1.0, 1.0), none, none, np.where(mirror_y, -1.0, 1.0))
        @ _about(centre, cos, -sin, sin, cos)
        @ _affine(one, none, across, none, one, down)
        @ _about(centre, zoom, none, none, zoom)
        @ _affine(one, shear, none, none, one, none)
    )
    return matrix_b33.reshape(-1, 9)[:, :8].astype(np.float32)


def _affine(a0: Floats, a1: Floats, a2: Floats, b0: Floats, b1: Floats, b2: Floats) -> Floats:
    none, one = np.zeros_like(a0), np.ones_like(a0)
    return np.stack([a0, a1, a2, b0, b1, b2, none, none, one], axis=-1).reshape(-1, 3, 3)


def _about(centre: float, a0: Floats, a1: Floats, b0: Floats, b1: Floats) -> Floats:
    """A linear map that leaves the image's centre where it is."""
    return _affine(a0, a1, centre * (1 - a0 - a1), b0, b1, centre * (1 - b0 - b1))


def _reflected(index: tf.Tensor, size: int) -> tf.Tensor:
    there = index % (2 * size)
    return tf.minimum(there, 2 * size - 1 - there)


_INSIDE: dict[str, Callable[[tf.Tensor, int], tf.Tensor]] = {
    "reflect": _reflected,
    "wrap": lambda index, size: index % size,
    "nearest": lambda index, size: tf.clip_by_value(index, 0, size - 1),
    "constant": lambda index, size: tf.clip_by_value(index, 0, size - 1),
}
"""Which pixel stands at an index outside of the image, as named in Keras."""


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def warp(
    images_bhwc: tf.Tensor,
    transforms_b8: tf.Tensor,
    light_b3: tf.Tensor,
    fill: str,
    coloured: bool = False,
) -> tf.Tensor:
    """Applies one affine transform, bilinearly, and one change of light to each image.

    XLA fuses all of it into a single loop over the result's pixels. On two CPU cores that is
    three to four times as fast as TensorFlow's own `ImageProjectiveTransformV3`, which computes
    every channel's position anew. Each new batch size is compiled once (0.1 s).

    Args:
        images_bhwc: Any real type, 0..255; all of one static height, width and channel number.
        transforms_b8: From `compose`, float32.
        light_b3: Factors of brightness, contrast and saturation, float32; the pixels are clipped
            after each of them.
        fill: What stands where the image was moved away, as in `AugmentConfig`.
        coloured: Whether contrast and saturation are changed; else their factors are not looked at.

    Returns:
        Images of the same shape, float32, 0..255.
    """
    _, height, width, channels = images_bhwc.shape
    x = tf.range(width, dtype=tf.float32)[None, None, :]
    y = tf.range(height, dtype=tf.float32)[None, :, None]
    a0, a1, a2, b0, b1, b2 = (
        column[:, None, None] for column in tf.unstack(transforms_b8, 8, 1)[:6]
    )
    columns = _neighbours(a0 * x + a1 * y + a2, width, fill)
    rows = _neighbours(b0 * x + b1 * y + b2, height, fill)
    pixels = tf.reshape(images_bhwc, [-1, height * width, channels])
    warped = sum(
        tf.cast(tf.gather(pixels, row * width + column, batch_dims=1), tf.float32)
        * (row_weight * column_weight)[..., None]
        for row, row_weight in rows
        for column, column_weight in columns
    )
    brightness, contrast, saturation = (
        factor[:, None, None, None] for factor in tf.unstack(light_b3, 3, 1)
    )
    lit = tf.clip_by_value(warped * brightness, 0.0, 255.0)
    if not coloured:
        return lit
    mean = tf.reduce_mean(_grey(lit), axis=[1, 2, 3], keepdims=True)
    contrasted = tf.clip_by_value(mean + contrast * (lit - mean), 0.0, 255.0)
    grey = _grey(contrasted)
    return tf.clip_by_value(grey + saturation * (contrasted - grey), 0.0, 255.0)


def _grey(images_bhwc: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(images_bhwc * tf.constant(GREY), axis=-1, keepdims=True)


def _neighbours(position_bhw: tf.Tensor, size: int, fill: str) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Indices and weights of the two pixels, along one axis, that each position lies between."""
    below = tf.floor(position_bhw)
    index, fraction = tf.cast(below, tf.int32), position_bhw - below
    pairs = [(index, 1 - fraction), (index + 1, fraction)]
    if fill == "constant":
        pairs = [(i, tf.where((i >= 0) & (i < size), weight, 0.0)) for i, weight in pairs]
    return [(_INSIDE[fill](i, size), weight) for i, weight in pairs]
