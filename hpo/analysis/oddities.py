"""Images that are unlike the others of their set: dark, pale, flat, blurred or odd.

An image is named where it is both far from the others and bad by itself: of a set of night photos
none is dark, and a scan that is a little less sharp than a hundred equal ones is not blurred.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_pipeline.appearance import Appearance

FAR = 3.5
"""Modified z-score of an outlier (Iglewicz & Hoaglin 1993, "How to Detect and Handle Outliers")."""
NEIGHBOURS = 5
MOST_COMPARED = 10_000
"""Images that others are compared with: all pairs of very many would take hours."""
_LEAST_LIGHT = 1 / 255
_NORMAL = 1.4826
"""Median absolute deviations in a standard deviation of a normal distribution."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Oddity:
    """One way in which an image can look wrong.

    Attributes:
        kind: Its name.
        figure: What is measured.
        sign: 1 where large figures are bad, -1 where small ones are.
        limit: The figure from which on an image can be bad by itself.
        least: The smallest spread of the figure that counts, so that sets without any spread have
            no outliers by rounding.
    """

    kind: str
    figure: Callable[[Appearance], Floats]
    sign: int
    limit: float
    least: float


def _log(figure: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(figure, _LEAST_LIGHT)))


ODDITIES = (
    # As cleanvision has it: nothing on the image is bright, or nothing is dark. Logarithms, as eyes
    # have them: in a set of very different images a black one is hardly an outlier otherwise.
    Oddity("dark", lambda seen: _log(seen.brightest), -1, math.log(0.32), 0.2),
    Oddity("pale", lambda seen: _log(1 - seen.darkest), -1, math.log(0.10), 0.2),
    Oddity("flat", lambda seen: _log(seen.contrast), -1, math.log(0.04), 0.2),
    # Eighty photos each of eight sets had .67 at most, and .6 or more after a Gaussian blur of 2 %
    # of their side.
    Oddity("blurred", lambda seen: seen.blur, 1, 0.68, 0.02),
)
"""One row a kind."""


def oddities(seen: Appearance) -> dict[str, npt.NDArray[np.int64]]:
    """Returns kind to the images that are so, the worst first; an image has one kind at most."""
    found: dict[str, npt.NDArray[np.int64]] = {}
    free = np.ones(len(seen.blur), bool)
    for row in ODDITIES:
        values = row.sign * row.figure(seen)
        bad = (values > row.sign * row.limit) & (outlyingness(values, row.least) > FAR) & free
        free &= ~bad
        found[row.kind] = _worst_first(values, bad)
    return found


def outlyingness(values: Floats, least: float = 0.0) -> Floats:
    """Returns how far above the median each value is, in robust standard deviations, (n,)."""
    if not len(values):
        return values
    distance = values - np.median(values)
    spread = max(_NORMAL * float(np.median(np.abs(distance))), least)
    return np.asarray(distance / spread if spread else np.zeros_like(distance))


def odd(features: Floats) -> npt.NDArray[np.int64]:
    """Returns the images that resemble no others, the oddest first.

    What counts is the mean distance to the nearest few (Kuan & Mueller 2022, "Back to the Basics:
    Revisiting Out-of-Distribution Detection Baselines"), as the angle between features.

    Args:
        features: (n, features).
    """
    from sklearn.neighbors import NearestNeighbors

    if len(features) <= NEIGHBOURS:
        return np.zeros(0, np.int64)
    some = np.random.default_rng(0).permutation(len(features))[:MOST_COMPARED]
    search = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, metric="cosine").fit(features[some])
    near, places = search.kneighbors(features)
    near[some[places] == np.arange(len(features))[:, None]] = (
        np.inf
    )  # no image is its own neighbour
    distances = np.sort(near, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    # Distances are skewed; their logarithms nearly are not.
    logs = np.log(np.maximum(distances, 1e-6)).astype(np.float32)
    return _worst_first(logs, outlyingness(logs) > FAR)


def _worst_first(values: Floats, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(-values[rows], kind="stable")]
