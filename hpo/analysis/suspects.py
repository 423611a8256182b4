"""Images of a data set that somebody should look at, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_pipeline.appearance import appearance
from data_pipeline.thumbnails import nearly_equal, thumbnail
from hpo.analysis.embedding import Embedded
from hpo.analysis.label_errors import Doubts, doubts, out_of_sample
from hpo.analysis.oddities import odd, oddities

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "label": "The label is probably wrong.",
        "possible": "The label may be wrong.",
        "two_labels": "A nearly equal image has another label.",
        "leak": "A nearly equal image is in another part of the split.",
        "copy": "A nearly equal image is there as well.",
        "dark": "Nothing on it is bright.",
        "pale": "Nothing on it is dark.",
        "flat": "Hardly anything can be seen on it.",
        "blurred": "It is blurred.",
        "odd": "It resembles no other image.",
    }
)
"""Why an image is suspect, and what that means, the most telling first."""


@dataclass(frozen=True)
class Suspect:
    """One image, and one reason to look at it.

    Attributes:
        path: As in the manifest.
        label: Name of its class.
        split: The part of the data that it belongs to.
        kind: Key of `KINDS`.
        likelier: The class that is likelier; None where the kind is not about the label.
        given: Probability of the label's class without the label, for those kinds.
        likeliest: Probability of the likelier class.
        like: The nearly equal images of the kinds that are about one.
    """

    path: str
    label: str
    split: str
    kind: str
    likelier: str | None = None
    given: float | None = None
    likeliest: float | None = None
    like: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suspects:
    """What was found in a data set.

    Attributes:
        rows: In the order of `KINDS`, within a kind the most suspect first.
        images: Images that were looked at.
        sealed: Test images, which were not.
        backbones: Whose features were used; none where the pixels were.
        image_size_px: Size at which they saw the images.
        agreement: Share of the images whose likeliest class is their label's. The lower it is, the
            less is known about labels.
    """

    rows: tuple[Suspect, ...]
    images: int
    sealed: int
    backbones: tuple[str, ...]
    image_size_px: int
    agreement: float

    def of(self, *kinds: str) -> tuple[Suspect, ...]:
        """Returns those of some kinds."""
        return tuple(row for row in self.rows if row.kind in kinds)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each kind."""
        return {kind: len(self.of(kind)) for kind in KINDS}


def find_suspects(embedded: Embedded) -> Suspects:
    """Looks for suspect images.

    Args:
        embedded: All images but those of the sealed test.
    """
    manifest, labels = embedded.manifest, embedded.labels
    alike = nearly_equal_rows(embedded)
    shares = out_of_sample(embedded.features, labels, len(manifest.classes), alike)
    found = doubts(shares, labels)
    kinds: dict[str, npt.NDArray[np.int64]] = {
        "label": found.order[found.probable[found.order]],
        "possible": found.order[~found.probable[found.order]],
        **oddities(appearance(embedded.pixels, embedded.rows)),
        "odd": odd(embedded.features[0]),
    }
    other = {row: tuple(o for o in group if o != row) for group in alike for row in group}
    kinds |= _alike(embedded, other)
    return Suspects(
        rows=tuple(
            _suspect(embedded, found, int(row), kind, other)
            for kind in KINDS
            for row in kinds[kind]
        ),
        images=len(labels),
        sealed=len(embedded.store.splits["test"]),
        backbones=embedded.backbones,
        image_size_px=embedded.image_size_px,
        agreement=found.agreement,
    )


def _alike(
    embedded: Embedded, other: Mapping[int, tuple[int, ...]]
) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the kinds of images that have nearly equal ones, each image in one of them."""
    labels, train = embedded.labels, embedded.train_images
    found: dict[str, list[int]] = {"two_labels": [], "leak": [], "copy": []}
    for row, like in other.items():
        if any(labels[o] != labels[row] for o in like):
            found["two_labels"].append(row)
        elif any((o < train) != (row < train) for o in like):
            found["leak"].append(row)
        else:
            found["copy"].append(row)
    return {kind: np.array(rows, np.int64) for kind, rows in found.items()}


def nearly_equal_rows(embedded: Embedded) -> list[tuple[int, ...]]:
    """Returns the groups of images that are nearly equal, as their places among all.

    Tiny images are not compared: different ones of a kind differ by no more than copies do.
    """
    if not embedded.backbones:
        return []
    images = (Image.fromarray(embedded.pixels[row]) for row in embedded.rows)
    return nearly_equal([thumbnail(image) for image in images])


def _suspect(
    embedded: Embedded,
    found: Doubts,
    row: int,
    kind: str,
    other: Mapping[int, tuple[int, ...]],
) -> Suspect:
    classes = embedded.manifest.classes
    suspect = Suspect(
        path=embedded.paths[row],
        label=classes[embedded.labels[row]],
        split="train" if row < embedded.train_images else "validation",
        kind=kind,
    )
    if kind in ("label", "possible"):
        return replace(
            suspect,
            likelier=classes[found.suggested[row]],
            given=float(found.given[row]),
            likeliest=float(found.likeliest[row]),
        )
    if kind in ("two_labels", "leak", "copy"):
        return replace(suspect, like=tuple(embedded.paths[o] for o in other[row]))
    return suspect
