"""Where the files of a data set lie: in a folder, or in a zip archive that is read in place."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from data_pipeline.errors import DataError
from data_pipeline.folder import Contents, Reason, contents_of, list_folder, reason_by_name

MOST_BYTES = 2 << 30
"""A larger file in an archive is no image; zip packs a gigabyte of nothing into a megabyte."""


class Files(Protocol):
    """Files by their paths, relative and with forward slashes."""

    def list(self) -> Contents:
        """Returns what is there."""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            OSError: It cannot be read.
        """

    def watched(self) -> dict[str, Path]:
        """Returns name to place of every file on the disk that must not change."""


class DiskFiles:
    """The files of a folder.

    Attributes:
        root: The folder, absolute.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def list(self) -> Contents:
        """See `Files`."""
        return list_folder(self.root)

    def read(self, path: str) -> bytes:
        """See `Files`."""
        return (self.root / path).read_bytes()

    def watched(self) -> dict[str, Path]:
        """See `Files`."""
        return {path: self.root / path for path in self.list().candidates}


class ZipFiles:
    """The files of a zip archive. Nothing is unpacked, so no path can lead anywhere.

    Attributes:
        path: The archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"An archive must be a complete zip file. Received: {str(self.path)!r} ({error}). "
                "Download or pack it again."
            ) from error

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        return {_name(info): info for info in self._archive.infolist() if not info.is_dir()}

    def list(self) -> Contents:
        """See `Files`."""
        left_out: dict[Reason, list[str]] = defaultdict(list)
        files = []
        for path, info in self._members.items():
            pieces = PurePosixPath(path).parts
            reason = next((why for piece in pieces if (why := reason_by_name(piece))), None)
            if info.flag_bits & 1 or info.file_size > MOST_BYTES:  # encrypted, or a bomb
                reason = "unreachable"
            if reason:
                left_out[reason].append(path)
            else:
                files.append(path)
        folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
        return contents_of(files, sorted(folders - {"."}), left_out, self.read)

    def read(self, path: str) -> bytes:
        """See `Files`."""
        try:
            return self._archive.read(self._members[path])
        except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise OSError(f"cannot be read from the archive ({error})") from error

    def watched(self) -> dict[str, Path]:
        """See `Files`."""
        return {self.path.name: self.path}


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name; archives of older Windows write names in the code page of their country."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        for encoding in ("utf-8", "cp949"):
            try:
                name = name.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    return name.replace("\\", "/").lstrip("/")
