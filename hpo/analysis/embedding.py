"""What a frozen backbone makes of the images of a data set, all but the sealed test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import Decoded, Examples, ImageStore, open_store
from hpo.quiet import load_tensorflow
from hpo.search.image_size import native_size_px
from models.catalogue import BUILT_IN, Catalogue
from studies.errors import StudyError
from studies.parameters import PRETRAINED_BACKBONES

SIZE_PX = 160
"""Large enough that photos show what they are of, and one of the sizes that a search begins with,
so that what was computed for one serves the other."""
MOST_BACKBONES = 2
"""Two seldom make the same mistake: with both more wrong labels are found than with either."""
PIXELS_UP_TO_PX = 28
"""Smaller images are taken as they are: a backbone for photos says little about them."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """Images as vectors, training images first.

    Attributes:
        manifest: The data set.
        backbones: Whose features they are; none where they are the pixels.
        image_size_px: Size at which the images were seen.
        features: For each backbone (n, features), float32.
        labels: Class of each image, (n,), int32.
        paths: Of each image, as in the manifest.
        train_images: How many of them are training images; the others validate.
        store: All images, decoded at that size.
    """

    manifest: Manifest
    backbones: tuple[str, ...]
    image_size_px: int
    features: tuple[npt.NDArray[np.float32], ...]
    labels: npt.NDArray[np.int32]
    paths: tuple[str, ...]
    train_images: int
    store: ImageStore

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """All decoded images, (images, h, w, 3)."""
        return self.store.splits["train"].images_bhwc

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The row of each image in `pixels`, (n,)."""
        parts = (self.store.splits[name].rows for name in ("train", "validation"))
        return np.concatenate(list(parts))


def embed(
    manifest: Manifest,
    *,
    backbones: Sequence[str] = (),
    image_size_px: int = SIZE_PX,
    native_px: int | None = None,
    decoded: Decoded | None = None,
    catalogue: Catalogue = BUILT_IN,
) -> Embedded:
    """Runs frozen backbones over the training and validation images.

    Args:
        manifest: The data set.
        backbones: Such as have weights; without any those of `pretrained_here`, or the pixels where
            the images are tiny.
        image_size_px: Size at which they see them.
        native_px: Their own size, where it is known; their files may be gone.
        decoded: Images that were read already.
        catalogue: Where backbones are looked up.

    Raises:
        StudyError: No pretrained weights are on this machine.
        DataError: The images are not what they were.
    """
    native_px = native_px or native_size_px(manifest)
    if not backbones and native_px < PIXELS_UP_TO_PX:
        store = open_store(manifest, native_px, Cache(), decoded=decoded)
        parts = [_pixels(store.splits[name]) for name in ("train", "validation")]
        return _embedded(manifest, (), store, (np.concatenate(parts),))
    chosen = tuple(backbones) or pretrained_here(catalogue)
    store = open_store(manifest, image_size_px, Cache(), decoded=decoded)
    features = (_features(manifest, name, store, catalogue) for name in chosen)
    return _embedded(manifest, chosen, store, tuple(features))


def pretrained_here(catalogue: Catalogue = BUILT_IN) -> tuple[str, ...]:
    """Returns the pretrained backbones that a search would begin with on this machine, two at most.

    Raises:
        StudyError: It has no pretrained weights.
    """
    rows = (catalogue.find(name) for name in PRETRAINED_BACKBONES)
    here = [row.name for row in rows if row.weights and row.weights.here() is not None]
    if not here:
        raise StudyError(
            "Suspect labels are found with a pretrained backbone. Received: no weights on this "
            "machine; see `hpo backbones`. `hpo run` downloads them where it can."
        )
    return tuple(here[:MOST_BACKBONES])


def _features(
    manifest: Manifest, backbone: str, store: ImageStore, catalogue: Catalogue
) -> npt.NDArray[np.float32]:
    load_tensorflow()

    from data_pipeline.config import AugmentConfig
    from hpo.training.features import Features
    from hpo.training.inputs import TrialData
    from models.config import ModelConfig

    model = ModelConfig(
        backbone=backbone,
        pretrained=True,
        image_size_px=store.image_size_px,
        classes=max(2, len(manifest.classes)),
    )
    data = TrialData(manifest, lambda _: store, Cache())
    found = Features(model, data, "float32", lambda: None, catalogue)
    seen = [found.train_view(AugmentConfig(), 0), found.validation()[0]]
    vectors = np.concatenate([part.reshape(len(part), -1).astype(np.float32) for part in seen])
    found.release()
    return vectors


def _pixels(split: Examples) -> npt.NDArray[np.float32]:
    return split.images_bhwc[split.rows].reshape(len(split), -1).astype(np.float32)


def _embedded(
    manifest: Manifest,
    backbones: tuple[str, ...],
    store: ImageStore,
    features: tuple[npt.NDArray[np.float32], ...],
) -> Embedded:
    train, validation = store.splits["train"], store.splits["validation"]
    return Embedded(
        manifest=manifest,
        backbones=backbones,
        image_size_px=store.image_size_px,
        features=features,
        labels=np.concatenate([train.labels, validation.labels]),
        paths=train.paths + validation.paths,
        train_images=len(train),
        store=store,
    )
