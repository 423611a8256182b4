"""What is found out about a data set itself, gathered once for the chapters on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data_pipeline.manifest import Manifest
from hpo.analysis.embedding import MOST_BACKBONES, Embedded, embed
from hpo.analysis.growth import Growth, grow
from hpo.analysis.suspects import KINDS, Suspects, find_suspects
from hpo.report.pictures import SMALL_PX, thumbnails
from hpo.results.trial_rows import TrialRow

SHOWN: Mapping[str, int] = {"label": 40, "possible": 20, "two_labels": 12, "leak": 12}
"""Pictures of a kind; of the others `OTHERS`."""
OTHERS = 10


@dataclass(frozen=True, eq=False)
class ImagesFacts:
    """What chapters on the images are made of.

    Attributes:
        suspects: Images that somebody should look at.
        growth: What more images would bring; None where that was not asked or cannot be said.
        pictures: Path to a small picture, JPEG, of the first suspects of each kind.
    """

    suspects: Suspects
    growth: Growth | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def look_at(embedded: Embedded, *, growth: bool = False) -> ImagesFacts:
    """Finds out what there is to say about a data set.

    Args:
        embedded: All its images but those of the sealed test.
        growth: Whether to ask what more images would bring.
    """
    suspects = find_suspects(embedded)
    return ImagesFacts(
        suspects=suspects,
        growth=grow(embedded) if growth else None,
        pictures=_pictures(embedded.manifest, suspects),
    )


def embed_like(manifest: Manifest, ranked: Sequence[TrialRow], native_px: int) -> Embedded:
    """Embeds a study's images as the best solved heads saw them, whose features are kept.

    Args:
        manifest: The images.
        ranked: The trials, best first.
        native_px: The images' own size.

    Raises:
        StudyError: No pretrained weights are on this machine.
        DataError: The images are not what they were.
    """
    solved = [row.settings for row in ranked if row.solved]
    if not solved:
        return embed(manifest, native_px=native_px)
    size_px: int = solved[0]["model.image_size_px"]
    names = [str(s["model.backbone"]) for s in solved if s["model.image_size_px"] == size_px]
    return embed(
        manifest,
        backbones=list(dict.fromkeys(names))[:MOST_BACKBONES],
        image_size_px=size_px,
        native_px=native_px,
    )


def _pictures(manifest: Manifest, suspects: Suspects) -> Mapping[str, bytes]:
    wanted: dict[str, None] = {}
    for kind in KINDS:
        for row in suspects.of(kind)[: SHOWN.get(kind, OTHERS)]:
            wanted |= dict.fromkeys([row.path, *row.like[:1]])
    return thumbnails(manifest, wanted, SMALL_PX)
