"""The image files a user names, alone or by their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.folder import Reason, list_folder

_LINKS: tuple[Reason, ...] = ("outside_link", "folder_link", "unreachable", "unreadable_folder")


@dataclass(frozen=True)
class FoundImages:
    """Images that a user named.

    Attributes:
        files: The files, and all images in the folders.
        unread: Files in the folders that hold pictures in formats that are not read.
        links: Links to folders, and links and files that lead nowhere or cannot be opened.
    """

    files: tuple[Path, ...]
    unread: tuple[Path, ...]
    links: tuple[Path, ...] = ()

    def left_out(self) -> str:
        """Returns what is not read, with formats and numbers; empty if all is."""
        said = []
        if counts := Counter(path.suffix.lower() for path in self.unread):
            formats = ", ".join(f"{suffix} ({n})" for suffix, n in counts.most_common())
            said.append(
                f"Left out, as these formats are not read: {formats}. Convert them to PNG or JPEG."
            )
        if self.links:
            some = ", ".join(map(str, self.links[:3])) + " …" * (len(self.links) > 3)
            said.append(
                f"Left out, as they are links to folders or cannot be opened: {some} "
                f"({len(self.links)}). Pass the folders or files themselves."
            )
        return " ".join(said)


def find_images(paths: Sequence[Path]) -> FoundImages:
    """Returns the files among `paths`, and all images in the folders among them.

    What systems and programs leave in folders is left out, as in training data.

    Raises:
        DataError: A path is not there, or a folder holds no image.
    """
    files: list[Path] = []
    unread: list[Path] = []
    links: list[Path] = []
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
        here = FoundImages(
            files=tuple(path / file for file in contents.candidates),
            unread=tuple(path / file for file in contents.left_out.get("unread_format", ())),
            links=tuple(path / f for why in _LINKS for f in contents.left_out.get(why, ())),
        )
        if not here.files:
            raise DataError(
                f"A folder must hold images. Received: {str(path)!r}, with none. "
                f"{here.left_out() or 'Check the path.'}"
            )
        files += here.files
        unread += here.unread
        links += here.links
    return FoundImages(tuple(files), tuple(unread), tuple(links))
