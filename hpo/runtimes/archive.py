"""Metadata as a file of a zip archive, which `.keras` files are and `.tflite` files end with."""

from __future__ import annotations

import zipfile
from pathlib import Path

from hpo.runtimes.metadata import KEY, Metadata, read_metadata

MEMBER = f"{KEY}.json"
"""What Keras, LiteRT and others pass over."""


def read_from_archive(path: Path) -> Metadata:
    """Returns the metadata of a file.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(MEMBER).decode(errors="replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return read_metadata(None, str(path))
    return read_metadata(text, str(path))
