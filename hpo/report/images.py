"""What is found out about a data set itself, gathered once for the chapters on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from data_pipeline.manifest import Manifest
from hpo.analysis.embedding import Embedded
from hpo.analysis.suspects import KINDS, Suspects, find_suspects
from hpo.report.pictures import SMALL_PX, thumbnails

SHOWN: Mapping[str, int] = {"label": 40, "two_labels": 12, "possible": 20}
"""Pictures of a kind; of the others `OTHERS`."""
OTHERS = 10


@dataclass(frozen=True, eq=False)
class ImagesFacts:
    """What chapters on the images are made of.

    Attributes:
        suspects: Images that somebody should look at.
        pictures: Path to a small picture, JPEG, of the first suspects of each kind.
    """

    suspects: Suspects
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def look_at(embedded: Embedded) -> ImagesFacts:
    """Finds out what there is to say about a data set.

    Args:
        embedded: All its images but those of the sealed test.
    """
    suspects = find_suspects(embedded)
    return ImagesFacts(suspects, _pictures(embedded.manifest, suspects))


def _pictures(manifest: Manifest, suspects: Suspects) -> Mapping[str, bytes]:
    wanted: dict[str, None] = {}
    for kind in KINDS:
        for row in suspects.of(kind)[: SHOWN.get(kind, OTHERS)]:
            wanted |= dict.fromkeys([row.path, *row.like[:1]])
    return thumbnails(manifest, wanted, SMALL_PX)
