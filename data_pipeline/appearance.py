"""What an image looks like, in a few figures: dark, pale, flat or blurred.

The figures are taken of decoded images at one size, so they say what a network sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""
_AT_ONCE = 64
_BLUR_PX = 11


@dataclass(frozen=True, eq=False)
class Appearance:
    """Figures of n images, each (n,), float32.

    Attributes:
        brightness: Mean, in [0, 1].
        brightest: What 99 % of the pixels are darker than, in [0, 1].
        darkest: What 5 % of the pixels are darker than, in [0, 1].
        contrast: Standard deviation of the brightness, in [0, 0.5].
        blur: How little more blur would change, in [0, 1]; sharp photos have .2 to .5.
    """

    brightness: Floats
    brightest: Floats
    darkest: Floats
    contrast: Floats
    blur: Floats


def appearance(images_bhwc: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> Appearance:
    """Measures images.

    Args:
        images_bhwc: RGB, uint8; they may be mapped from a file.
        rows: Which of them, (n,).
    """
    parts = [
        _measure(images_bhwc[rows[begin : begin + _AT_ONCE]])
        for begin in range(0, len(rows), _AT_ONCE)
    ]
    columns = np.concatenate(parts, axis=1) if parts else np.zeros((5, 0), np.float32)
    return Appearance(*columns)


def _measure(images_bhwc: npt.NDArray[np.uint8]) -> Floats:
    light: Floats = (images_bhwc.astype(np.float32) @ _LUMA / 255).astype(np.float32)
    darkest, brightest = np.percentile(light, (5, 99), axis=(1, 2))
    return np.stack(
        [light.mean(axis=(1, 2)), brightest, darkest, light.std(axis=(1, 2)), _blur(light)]
    ).astype(np.float32)


def _blur(light_bhw: Floats) -> Floats:
    """Returns how much of the differences between neighbours another blur leaves, (b,).

    Crete et al. 2007, "The blur effect: perception and estimation with a new no-reference
    perceptual blur metric". An image without any differences counts as sharp: it is flat.
    """
    from scipy.ndimage import uniform_filter1d

    found = []
    for axis in (1, 2):
        blurred = uniform_filter1d(light_bhw, _BLUR_PX, axis=axis, mode="nearest")
        before, after = (np.abs(np.diff(image, axis=axis)) for image in (light_bhw, blurred))
        lost = np.maximum(0, before - after).sum(axis=(1, 2))
        total = before.sum(axis=(1, 2))
        found.append(1 - np.divide(lost, total, out=np.ones_like(total), where=total > 1e-3))
    return np.asarray(np.maximum(*found))
