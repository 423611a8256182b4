"""What a frozen backbone makes of the images of a data set, all but the sealed test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import Decoded, Examples, ImageStore, open_store
from hpo.results.quiet import load_tensorflow
from hpo.search.image_size import native_size_px
from models.catalogue import BUILT_IN, Catalogue
from studies.errors import StudyError
from studies.parameters import PRETRAINED_BACKBONES

SIZE_PX = 160
"""Large enough that photos show what they are of, and one of the sizes that a search begins with,
so that what was computed for one serves the other."""
PIXELS_UP_TO_PX = 28
"""Smaller images are taken as they are: a backbone for photos says little about them."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """Images as vectors, training images first.

    Attributes:
        manifest: The data set.
        backbone: Whose features they are; None where they are the pixels.
        image_size_px: Size at which the backbone saw them.
        features: (n, features), float32.
        labels: Class of each image, (n,), int32.
        paths: Of each image, as in the manifest.
        train_images: How many of them are training images; the others validate.
        store: All images, decoded at that size.
    """

    manifest: Manifest
    backbone: str | None
    image_size_px: int
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    paths: tuple[str, ...]
    train_images: int
    store: ImageStore


def embed(
    manifest: Manifest,
    *,
    backbone: str | None = None,
    image_size_px: int = SIZE_PX,
    decoded: Decoded | None = None,
    catalogue: Catalogue = BUILT_IN,
) -> Embedded:
    """Runs a frozen backbone over the training and validation images.

    Args:
        manifest: The data set.
        backbone: One with weights; without it the first of `PRETRAINED_BACKBONES` that this machine
            has, or the pixels where the images are tiny.
        image_size_px: Size at which it sees them.
        decoded: Images that were read already.
        catalogue: Where the backbone is looked up.

    Raises:
        StudyError: No pretrained weights are on this machine.
        DataError: The images are not what they were.
    """
    native_px = native_size_px(manifest)
    if backbone is None and native_px < PIXELS_UP_TO_PX:
        store = open_store(manifest, native_px, Cache(), decoded=decoded)
        parts = [_pixels(store.splits[name]) for name in ("train", "validation")]
        return _embedded(manifest, None, store, np.concatenate(parts))
    chosen = backbone or first_backbone(catalogue)
    return _by_backbone(manifest, chosen, image_size_px, decoded, catalogue)


def first_backbone(catalogue: Catalogue = BUILT_IN) -> str:
    """Returns the pretrained backbone that a search would begin with on this machine.

    Raises:
        StudyError: It has no pretrained weights.
    """
    for name in PRETRAINED_BACKBONES:
        weights = catalogue.find(name).weights
        if weights and weights.here() is not None:
            return name
    raise StudyError(
        "Suspect labels are found with a pretrained backbone. Received: no weights on this "
        "machine; see `hpo backbones`. `hpo run` downloads them where it can."
    )


def _by_backbone(
    manifest: Manifest,
    backbone: str,
    image_size_px: int,
    decoded: Decoded | None,
    catalogue: Catalogue,
) -> Embedded:
    load_tensorflow()

    from data_pipeline.config import AugmentConfig
    from hpo.training.features import Features
    from hpo.training.inputs import TrialData
    from models.config import ModelConfig

    def open_images(size_px: int) -> ImageStore:
        return open_store(manifest, size_px, cache, decoded=decoded)

    cache = Cache()
    data = TrialData(manifest, open_images, cache)
    model = ModelConfig(
        backbone=backbone,
        pretrained=True,
        image_size_px=image_size_px,
        classes=max(2, len(manifest.classes)),
    )
    features = Features(model, data, "float32", lambda: None, catalogue)
    seen = [features.train_view(AugmentConfig(), 0), features.validation()[0]]
    vectors = np.concatenate([part.reshape(len(part), -1).astype(np.float32) for part in seen])
    features.release()
    return _embedded(manifest, backbone, data.images(image_size_px), vectors)


def _pixels(split: Examples) -> npt.NDArray[np.float32]:
    return split.images_bhwc[split.rows].reshape(len(split), -1).astype(np.float32)


def _embedded(
    manifest: Manifest,
    backbone: str | None,
    store: ImageStore,
    features: npt.NDArray[np.float32],
) -> Embedded:
    train, validation = store.splits["train"], store.splits["validation"]
    return Embedded(
        manifest=manifest,
        backbone=backbone,
        image_size_px=store.image_size_px,
        features=features,
        labels=np.concatenate([train.labels, validation.labels]),
        paths=train.paths + validation.paths,
        train_images=len(train),
        store=store,
    )
