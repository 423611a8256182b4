"""Images that are nearly equal: saved again, shrunk, cropped a little, frames of one burst.

Each image is compared as a thumbnail by normalised cross-correlation, which brightness and
contrast leave alone (Lewis 1995, "Fast normalized cross-correlation"; on thumbnails Torralba et al.
2008, "80 million tiny images"). Hashes of 64 bits, such as pHash, tell textures and scans of one
kind apart less well, and cost as much, since the time goes into decoding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE_PX = 16
CORRELATION = 0.98
"""From here on two images are nearly equal. JPEG at quality 60, half the size and 2 % cropped away
give .99 and more; different photos of one kind hardly ever more than .95."""
FLAT = 8.0
"""Standard deviation in grey levels below which a thumbnail says too little to be compared."""
MOST_IMAGES = 200_000
"""The pairs of more would take hours; then only equal images are found."""
_STRICTER = (0.99, 0.995, 0.998)
_ROWS = 1024


def thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Returns an RGB image as (SIDE_PX, SIDE_PX, 3), uint8."""
    small = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX, reducing_gap=3.0)
    return np.asarray(small)


def nearly_equal(
    thumbnails: Sequence[npt.NDArray[np.uint8] | None],
) -> list[tuple[int, ...]]:
    """Returns the groups of images that are nearly equal, as ascending positions.

    Each is nearly equal to another of its group. A group of more than a twentieth of all images is
    a kind of drawing rather than one picture, and is taken apart by a stricter rule.

    Args:
        thumbnails: One an image; None where an image is not to be compared.
    """
    known = [(i, small) for i, small in enumerate(thumbnails) if small is not None]
    if not 1 < len(known) <= MOST_IMAGES:
        return []
    pixels = np.stack([small for _, small in known]).astype(np.float32)
    # Without each channel's mean: images of one colour have nothing else that could be compared.
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    vectors = pixels.reshape(len(known), -1)
    clear = vectors.std(axis=1) >= FLAT
    vectors = vectors[clear]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    positions = np.array([i for i, _ in known])[clear]
    pairs = _pairs(vectors)
    most = max(10, len(known) // 20)
    groups = _joined(pairs, CORRELATION)
    for limit in _STRICTER:
        fine = [group for group in groups if len(group) <= most]
        coarse = {member for group in groups if len(group) > most for member in group}
        groups = fine + _joined([p for p in pairs if p[1] in coarse and p[2] in coarse], limit)
    return sorted(tuple(sorted(int(positions[row]) for row in group)) for group in groups)


def _pairs(vectors: npt.NDArray[np.float32]) -> list[tuple[float, int, int]]:
    """Correlation and rows of every pair that correlates by `CORRELATION` or more."""
    if len(vectors) < 2:
        return []
    # |a - b|² = 2 - 2 r for vectors of length 1, and no projection is longer: rows that lie further
    # apart on the axis along which most differ need not be compared.
    axis = np.linalg.svd(vectors[:: max(1, len(vectors) // 500)], full_matrices=False)[2][0]
    along = vectors @ axis
    order = np.argsort(along)
    vectors, along = vectors[order], along[order]
    reach = (2 - 2 * CORRELATION) ** 0.5
    found = []
    for begin in range(0, len(vectors), _ROWS):
        block = vectors[begin : begin + _ROWS]
        end = int(np.searchsorted(along, along[begin : begin + _ROWS][-1] + reach, "right"))
        table = block @ vectors[begin:end].T
        for i, j in zip(*np.nonzero(table >= CORRELATION), strict=True):
            if i < j:
                rows = int(order[begin + i]), int(order[begin + j])
                found.append((float(table[i, j]), min(rows), max(rows)))
    return found


def _joined(pairs: Iterable[tuple[float, int, int]], limit: float) -> list[list[int]]:
    return connected((i, j) for correlation, i, j in pairs if correlation >= limit)


def connected(links: Iterable[Sequence[int]]) -> list[list[int]]:
    """Returns the members of each set of numbers that links join, two or more a set."""
    parent: dict[int, int] = {}

    def root(member: int) -> int:
        parent.setdefault(member, member)
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for first, *others in links:
        for other in others:
            parent[root(other)] = root(first)
    members = defaultdict(list)
    for member in parent:
        members[root(member)].append(member)
    return [group for group in members.values() if len(group) > 1]
