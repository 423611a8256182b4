"""From a `--data` value, or a manifest, to the source of its images."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from data_pipeline.datasets import DATASETS
from data_pipeline.errors import DataError
from data_pipeline.sources.arrays import Arrays, BuiltIn
from data_pipeline.sources.image_files import ImageFiles, LabelTable, ZipArchive
from data_pipeline.sources.source import Source
from data_pipeline.tables import TABLE_SUFFIXES

SOURCES: Mapping[str, Callable[[str, str | None], Source]] = MappingProxyType(
    {row.kind: row for row in (ImageFiles, LabelTable, ZipArchive, Arrays, BuiltIn)}
)
"""Kind, as manifests keep it, to what opens a source of that kind by its name and images."""


def open_source(data: str, images: str | None = None) -> Source:
    """Returns the source that a user means.

    Args:
        data: A key of `DATASETS`, a folder, a table of labels, a zip archive or an .npz file; a
            folder of a built-in name is written `./digits`.
        images: Folder of the images that a table lists.

    Raises:
        DataError: There is no such source.
    """
    if data in DATASETS:
        return BuiltIn(data)
    path = _existing(data)
    if path.is_dir():
        if images is None:
            return ImageFiles(str(path))
    elif path.suffix.lower() in TABLE_SUFFIXES:
        return LabelTable(str(path), str(_existing(images)) if images else None)
    elif path.suffix.lower() == ".npz":
        return Arrays(str(path))
    elif zipfile.is_zipfile(path):
        return ZipArchive(str(path))
    if images is not None:
        raise DataError(
            "--images is the folder of the images that a table lists. "
            f"Received: --data {data}, which is no table. Pass the .csv or .tsv file as --data."
        )
    raise DataError(
        "--data must be a folder of images, a table of labels (.csv, .tsv), a .zip, an .npz or a "
        f"built-in name. Received: {data!r}, which is a file of another kind. Unpack it if it is "
        "an archive, save it as CSV if it is a table of labels, or pass its folder."
    )


def place_of(data: str) -> str:
    """Returns one spelling for each place: absolute, without links; built-in names as they are."""
    if data in DATASETS:
        return data
    try:
        return str(Path(data).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        return data


def may_have_moved(old: str, new: str) -> bool:
    """Whether one place may hold what lay in another; built-in sets lie nowhere."""
    return not {old, new} & DATASETS.keys()


def _existing(data: str) -> Path:
    """The path, absolute and without symbolic links.

    Raises:
        DataError: There is none.
    """
    try:
        path = Path(data).expanduser().resolve(strict=True)
        str(path).encode()  # It is stored in a JSON file.
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        near = get_close_matches(data.lower(), DATASETS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise DataError(
            "--data must be a folder of images, a table of labels, a .zip, an .npz or a built-in "
            f"name. Received: {data!r}, which cannot be opened ({reason}). "
            f"{hint}Built-in names: {', '.join(DATASETS)}."
        ) from error
    return path
