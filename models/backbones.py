"""The table of backbones: what there is, what it expects, where its weights lie.

Reading it needs no TensorFlow; `models.bodies` builds what a row describes. To add a backbone, add
a row to `models.scratch` or `models.imagenet`: the command line, the search space and the contract
tests read them from here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from models import imagenet, scratch
from models.backbone import Backbone
from models.errors import ModelError

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {r.name: r for r in (*scratch.ROWS, *imagenet.ROWS)}
)


def find_backbone(name: str) -> Backbone:
    """The row of that name.

    Raises:
        ModelError: If there is none.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(name, BACKBONES, n=3) or list(BACKBONES)
    raise ModelError(
        "A backbone must be a row of `hpo backbones`. "
        f"Received: {name!r}. Did you mean {', '.join(near)}?"
    )


def weights_folder() -> Path:
    """Where Keras keeps downloaded weights: `models` in `KERAS_HOME`, by default `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def weights_file(backbone: Backbone, image_size_px: int) -> str | None:
    """Name of the file Keras would load for images of that size; None for `scratch` rows."""
    if backbone.weights_file is None:
        return None
    sizes_px = backbone.weights_sizes_px
    return backbone.weights_file.format(size=image_size_px if image_size_px in sizes_px else 224)


def weights_path(backbone: Backbone, image_size_px: int) -> Path | None:
    """The pretrained weights on this machine, or None where they are missing."""
    name = weights_file(backbone, image_size_px)
    path = weights_folder() / name if name else None
    return path if path and path.is_file() else None
