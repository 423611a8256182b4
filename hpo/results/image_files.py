"""The image files a user names, alone or by their folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.folder import list_folder


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Returns the files among `paths`, and all images in the folders among them.

    What systems and programs leave in folders is left out, as in training data.

    Raises:
        DataError: A path is not there, or a folder holds no image.
    """
    return [file for path in paths for file in _images_at(path)]


def _images_at(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise DataError(
            f"hpo predict takes images and folders of images. Received: {str(path)!r}, which is "
            "not there. Check the path."
        )
    found = list_folder(path.resolve()).candidates
    if not found:
        raise DataError(
            f"A folder must hold images. Received: {str(path)!r}, with none. Check the path."
        )
    yield from (path / file for file in found)
