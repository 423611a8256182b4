"""What lies in a folder: the files that may be images, and everything that is left out and why."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_pipeline.errors import DataError
from data_pipeline.images import SUFFIXES, UNREAD_SUFFIXES, open_image
from data_pipeline.outputs import LIST, made_here

JUNK = frozenset(
    {
        "__macosx",
        ".ipynb_checkpoints",
        "__pycache__",
        "@eadir",
        "$recycle.bin",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        ".ds_store",
        "_ds_store",
    }
)
"""What operating systems and programs leave in folders, in lower case."""

# fmt: off
NO_IMAGES = frozenset((
    ".csv", ".tsv", ".txt", ".json", ".jsonl", ".xml", ".html", ".htm", ".md", ".py", ".ipynb",
    ".toml", ".yaml", ".yml", ".zip", ".tar", ".gz", ".7z", ".rar", ".h5", ".hdf5", ".keras",
    ".npz", ".pkl", ".parquet", ".db", ".xlsx",
))
# fmt: on
"""Endings of files that are never opened to see whether they are images after all."""

OWN_FOLDERS = frozenset({"hpo_runs"})
"""What this program makes where it is typed."""

Reason = Literal[
    "junk",
    "hidden",
    "own_output",
    "outside_link",
    "folder_link",
    "bad_name",
    "unreachable",
    "unreadable_folder",
    "unread_format",
    "not_an_image",
    "excluded",
]


@dataclass(frozen=True)
class Contents:
    """What a folder holds.

    Attributes:
        candidates: Files whose name or content is an image's, relative to the folder with forward
            slashes, sorted.
        left_out: Files and folders that were not looked into, by reason.
        imageless: The topmost folders without any candidate or output of this program.
    """

    candidates: tuple[str, ...]
    left_out: Mapping[Reason, tuple[str, ...]]
    imageless: tuple[str, ...]


def list_folder(root: Path) -> Contents:
    """Looks through a folder and all folders in it, without reading images.

    Args:
        root: The folder, absolute and without symbolic links.

    Raises:
        DataError: The folder itself cannot be listed.
    """
    files: list[str] = []
    folders: list[str] = []
    left_out: dict[Reason, list[str]] = defaultdict(list)

    def refused(error: OSError) -> None:
        if Path(error.filename) == root:
            raise DataError(
                f"--data must be a folder that can be read. Received: {str(root)!r} "
                f"({error.strerror}). Check its permissions."
            ) from error
        left_out["unreadable_folder"].append(_shown(Path(error.filename), root))

    for top, names_of_folders, names_of_files in os.walk(root, onerror=refused):
        listed = [(name, True) for name in names_of_folders]
        own = made_here(Path(top)) if LIST in names_of_files else frozenset()
        for name, is_folder in listed + [(name, False) for name in names_of_files]:
            path = Path(top, name)
            reason = _reason_to_leave_out(path, root, is_folder)
            if not is_folder and name in own:
                reason = "own_output"
            if reason:
                left_out[reason].append(_shown(path, root))
            else:
                (folders if is_folder else files).append(path.relative_to(root).as_posix())
            if reason and is_folder:
                names_of_folders.remove(name)  # Keeps os.walk out of it.
    return contents_of(files, folders, left_out, lambda path: (root / path).read_bytes())


def contents_of(
    files: Sequence[str],
    folders: Sequence[str],
    left_out: Mapping[Reason, Sequence[str]],
    read: Callable[[str], bytes],
) -> Contents:
    """Tells images from other files.

    Args:
        files: What may be images.
        folders: All folders.
        left_out: What is neither, by reason.
        read: Returns a file's bytes.
    """
    candidates = tuple(sorted(path for path in files if _may_be_image(path, read)))
    others = sorted(set(files) - set(candidates))
    unread = [path for path in others if _suffix(path) in UNREAD_SUFFIXES]
    sorted_out: dict[Reason, Sequence[str]] = {
        **left_out,
        "unread_format": unread,
        "not_an_image": sorted(set(others) - set(unread)),
    }
    return Contents(
        candidates,
        {reason: tuple(sorted(paths)) for reason, paths in sorted_out.items() if paths},
        tuple(_imageless(list(folders), (*candidates, *left_out.get("own_output", ())))),
    )


def reason_by_name(name: str) -> Reason | None:
    """Why a file or folder of that name is not looked into, or None."""
    if name.lower() in JUNK or name.startswith("._"):
        return "junk"
    if name in OWN_FOLDERS or name == LIST:
        return "own_output"
    return "hidden" if name.startswith(".") else None


def _reason_to_leave_out(path: Path, root: Path, is_folder: bool) -> Reason | None:
    if reason := reason_by_name(path.name):
        return reason
    if not _is_utf8(path.name):
        return "bad_name"
    # `os.path` says no where `Path` raises: in folders that may be listed but not entered.
    if is_folder and os.path.islink(path):  # noqa: PTH114
        inside = Path(os.path.realpath(path)).is_relative_to(root)
        return "folder_link" if inside else "outside_link"
    # Links to files are followed: many keep their images elsewhere and link the ones they use.
    return None if is_folder or os.path.isfile(path) else "unreachable"  # noqa: PTH113


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: Path, root: Path) -> str:
    """A relative path that can be printed and stored even where its name is not UTF-8."""
    relative = path.relative_to(root).as_posix()
    return relative.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _may_be_image(path: str, read: Callable[[str], bytes]) -> bool:
    """By the name where it says so, so that damaged images count too; else by the content."""
    if _suffix(path) in SUFFIXES:
        return True
    if _suffix(path) in NO_IMAGES:
        return False
    try:
        content = read(path)
        open_image(io.BytesIO(content), len(content))[0].close()
    except Exception:  # Pillow's readers raise nearly anything on what is no image.
        return False
    return True


def _imageless(folders: list[str], explained: tuple[str, ...]) -> Iterator[str]:
    used = {str(parent) for path in explained for parent in Path(path).parents}
    last = None
    for folder in sorted(folders):
        if folder not in used and (last is None or not Path(folder).is_relative_to(last)):
            last = folder
            yield folder
