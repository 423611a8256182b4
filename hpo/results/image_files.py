"""The image files a user names, alone or by their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.folder import Reason, list_folder

WHY: Mapping[Reason, str] = {
    "junk": "what systems and programs leave in folders",
    "hidden": "hidden",
    "own_output": "made by this program",
    "outside_link": "a link to a folder elsewhere",
    "folder_link": "a link to a folder that is searched already",
    "bad_name": "its name is not UTF-8",
    "unreachable": "it cannot be opened",
    "unreadable_folder": "a folder that cannot be opened",
    "unread_format": "its format is not read",
    "not_an_image": "no image",
}
"""Why something in a folder is no image to classify."""

_LINKS: tuple[Reason, ...] = ("outside_link", "folder_link", "unreachable", "unreadable_folder")


@dataclass(frozen=True)
class FoundImages:
    """Images that a user named.

    Attributes:
        files: The files, and all images in the folders.
        passed_over: What else is in the folders, by reason.
    """

    files: tuple[Path, ...]
    passed_over: Mapping[Reason, tuple[Path, ...]] = field(default_factory=dict)

    def left_out(self) -> str:
        """Returns what is not read, with formats and numbers; empty if all is."""
        said = []
        unread = self.passed_over.get("unread_format", ())
        if counts := Counter(path.suffix.lower() for path in unread):
            formats = ", ".join(f"{suffix} ({n})" for suffix, n in counts.most_common())
            said.append(
                f"Left out, as these formats are not read: {formats}. Convert them to PNG or JPEG."
            )
        if links := [path for why in _LINKS for path in self.passed_over.get(why, ())]:
            some = ", ".join(map(str, links[:3])) + " …" * (len(links) > 3)
            said.append(
                f"Left out, as they are links to folders or cannot be opened: {some} "
                f"({len(links)}). Pass the folders or files themselves."
            )
        return " ".join(said)


def find_images(paths: Sequence[Path]) -> FoundImages:
    """Returns the files among `paths`, and all images in the folders among them.

    What systems and programs leave in folders is left out, as in training data.

    Raises:
        DataError: A path is not there, or a folder holds no image.
    """
    files: list[Path] = []
    passed_over: dict[Reason, tuple[Path, ...]] = {}
    for path in paths:
        if path.is_file():
            files.append(path)
            continue
        if not path.is_dir():
            raise DataError(
                f"PATH must be an image or a folder of images. Received: {str(path)!r}, which "
                "does not exist. Check the path."
            )
        here = _in_folder(path)
        files += here.files
        for why, found in here.passed_over.items():
            passed_over[why] = passed_over.get(why, ()) + found
    return FoundImages(tuple(files), passed_over)


def _in_folder(path: Path) -> FoundImages:
    contents = list_folder(path.resolve())
    here = FoundImages(
        files=tuple(path / file for file in contents.candidates),
        passed_over={
            why: tuple(path / file for file in files) for why, files in contents.left_out.items()
        },
    )
    if not here.files:
        raise DataError(
            f"A folder must hold images. Received: {str(path)!r}, with none. "
            f"{here.left_out() or 'Check the path.'}"
        )
    return here
