"""The image files a user names, alone or by their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.folder import list_folder


@dataclass(frozen=True)
class FoundImages:
    """Images that a user named.

    Attributes:
        files: The files, and all images in the folders.
        unread: Files in the folders that hold pictures in formats that are not read.
    """

    files: tuple[Path, ...]
    unread: tuple[Path, ...]

    def left_out(self) -> str:
        """Returns a line on what is not read, with formats and numbers; empty where all is."""
        counts = Counter(path.suffix.lower() for path in self.unread)
        if not counts:
            return ""
        formats = ", ".join(f"{suffix} ({n})" for suffix, n in counts.most_common())
        return f"Left out, as these formats are not read: {formats}. Convert them to PNG or JPEG."


def find_images(paths: Sequence[Path]) -> FoundImages:
    """Returns the files among `paths`, and all images in the folders among them.

    What systems and programs leave in folders is left out, as in training data.

    Raises:
        DataError: A path is not there, or a folder holds no image.
    """
    files: list[Path] = []
    unread: list[Path] = []
    for path in paths:
        if path.is_file():
            files.append(path)
            continue
        if not path.is_dir():
            raise DataError(
                f"PATH must be an image or a folder of images. Received: {str(path)!r}, which "
                "does not exist. Check the path."
            )
        contents = list_folder(path.resolve())
        others = [path / file for file in contents.left_out.get("unread_format", ())]
        if not contents.candidates:
            raise DataError(
                f"A folder must hold images. Received: {str(path)!r}, with none. "
                f"{FoundImages((), tuple(others)).left_out() or 'Check the path.'}"
            )
        files += [path / file for file in contents.candidates]
        unread += others
    return FoundImages(tuple(files), tuple(unread))
