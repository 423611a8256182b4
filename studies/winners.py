"""What the best of many trials is worth: it was chosen because it looked best.

Only accuracy is treated here, since all that a trial keeps of the images is which it got right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.hits import Z_95, Hits

RESAMPLES, MOST_DRAWN = 1000, 20_000_000
"""Of very many images fewer resamples are drawn: less is to be corrected, and memory has an end."""
MOST_TRIALS = 200
"""Trials behind these win no resample."""


@dataclass(frozen=True)
class Worth:
    """The accuracy to expect of a winner on images that it was not chosen on.

    Attributes:
        raw: Its accuracy on the images that it was chosen on.
        corrected: The same without what being chosen added.
        low: Lower end of the 95 % interval of its accuracy on fresh images.
        high: Its upper end.
        trials: How many trials it was chosen from.
    """

    raw: float
    corrected: float
    low: float
    high: float
    trials: int


def worth(ranked: Sequence[Hits]) -> Worth:
    """Returns what the first of several trials is worth.

    Tsamardinos, Greasidou & Borboudakis 2018 (Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation, Machine Learning 107:1895-1922): draw images with
    replacement, choose the best trial on those, and see how it does on the images that were not
    drawn. The mean of that is the corrected figure.

    The interval begins where 2.5 % of the resamples lie, as in that paper, or at the lower end of
    that of a share (Wilson 1927) around the corrected figure if that is less. It is wide on
    purpose: each trial has chosen an epoch, too, and hits do not tell among which. It ends at the
    upper end of that around the raw figure, since the correction is an estimate itself.

    Args:
        ranked: Which images each trial got right, the best first; all of the same images.
    """
    right = np.stack([hits.unpack() for hits in ranked[:MOST_TRIALS]]).astype(np.float32)
    images, raw = ranked[0].images, float(ranked[0].unpack().mean())
    rng = np.random.default_rng(0)  # the same figure each time
    resamples = int(np.clip(MOST_DRAWN // images, 50, RESAMPLES))
    drawn = rng.multinomial(images, np.full(images, 1 / images), resamples)
    out = (drawn == 0).astype(np.float32)
    chosen = (right @ drawn.T.astype(np.float32)).argmax(axis=0)  # of equal ones the first
    left_over = np.maximum(out.sum(axis=1), 1.0)
    outside = (right[chosen] * out).sum(axis=1) / left_over
    corrected = min(raw, float(outside.mean()))
    low = min(share_interval(corrected, images)[0], float(np.quantile(outside, 0.025)))
    high = share_interval(raw, images)[1]
    return Worth(raw, corrected, low, high, len(ranked))


def share_interval(share: float, images: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share that need not be a whole number of images (Wilson)."""
    denominator = 1 + Z_95**2 / images
    middle = (share + Z_95**2 / (2 * images)) / denominator
    spread = Z_95 / denominator * (share * (1 - share) / images + (Z_95 / (2 * images)) ** 2) ** 0.5
    return max(0.0, middle - spread), min(1.0, middle + spread)
