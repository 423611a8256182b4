"""Where an exported model goes, and in which format."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hpo.converters.table import FORMATS, Format
from studies.errors import StudyError

CARD = "model-card.md"
CARD_MARK = "<!-- Written by `hpo best`. -->"


@dataclass(frozen=True)
class Target:
    """One file to be made.

    Attributes:
        format: Its format.
        path: Its name; of a SavedModel, that of its folder.
    """

    format: Format
    path: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that is written there."""
        beside = (self.path.with_suffix(".bin"),) if self.format.name == "openvino" else ()
        return (self.path, *beside)


def find_target(path: Path, name: str | None) -> Target:
    """Returns what `--export` and `--format` ask for.

    Raises:
        StudyError: The file's ending is no format's, or not the one of `--format`.
    """
    if name is None:
        for row in FORMATS.values():
            if row.by_ending and row.runtime.ending and path.suffix == row.runtime.ending:
                return Target(row, path)
        endings = ", ".join(row.runtime.ending for row in FORMATS.values() if row.by_ending)
        raise StudyError(
            f"--export must name a file that ends in {endings.replace(', ,', ',')}. "
            f"Received: {path}. Write --export {path.stem or 'model'}.keras, or add "
            "--format savedmodel for a folder."
        )
    row = FORMATS[name]
    if row.runtime.ending != path.suffix:
        ending = row.runtime.ending or "nothing, since it is a folder"
        raise StudyError(
            f"A file of --format {name} must end in {ending}. Received: {path}. "
            f"Write --export {path.stem or 'model'}{row.runtime.ending}."
        )
    return Target(row, path)


def all_targets(folder: Path) -> list[Target]:
    """Returns a target in a folder for each format whose packages are installed."""
    return [Target(row, folder / row.file) for row in FORMATS.values() if not row.missing]


def make_folder(folder: Path) -> None:
    """Makes the folder of `--export-all`, if it is not there.

    Raises:
        StudyError: It cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StudyError(
            "--export-all must name a folder that can be made. "
            f"Received: {folder} ({error.strerror}). Choose another name."
        ) from error


def check_target(target: Target, *, overwrite: bool) -> None:
    """Refuses a place that nothing can be exported to, before anything is computed.

    Raises:
        StudyError: Something is there already, or its folder is missing or cannot be written.
        ModelError: A package is missing.
    """
    target.format.require()
    for path in target.files:
        is_folder = not target.format.runtime.ending
        if path.is_dir() and not (is_folder and (path / "saved_model.pb").is_file()):
            raise StudyError(
                f"--export must name a {'new folder' if is_folder else 'file'}. "
                f"Received: {path}, which is a folder. Choose another name."
            )
        if path.exists() and not overwrite:
            raise _exists(path)
    card = card_of(target.path)
    if card.exists() and not overwrite and not _is_ours(card):
        raise _exists(card)
    try:
        tempfile.TemporaryFile(dir=target.path.parent).close()
    except OSError as error:
        raise StudyError(
            "The folder of an exported model must exist and be writable. "
            f"Received: {target.path.parent} ({error.strerror}). Create it, or choose another."
        ) from error


def card_of(path: Path) -> Path:
    """Returns the place of a file's card: `model-card.md` for `model.keras`."""
    return path.with_name(f"{path.stem}-card.md")


def _is_ours(card: Path) -> bool:
    return card.is_file() and CARD_MARK in card.read_text(errors="replace")


def _exists(path: Path) -> StudyError:
    return StudyError(
        f"--export must not replace a file. Received: {path}, which exists. "
        "Choose another name or add --overwrite."
    )


def place(source: Path, target: Path, *, overwrite: bool) -> None:
    """Moves a finished file or folder to its name on the same disk.

    Raises:
        StudyError: Another process has put something there meanwhile.
    """
    if overwrite and target.is_dir():
        shutil.rmtree(target)
    try:
        if source.is_dir():
            source.rename(target)  # refuses a folder that holds something
        elif overwrite:
            source.replace(target)
        else:
            _link(source, target)
    except (FileExistsError, NotADirectoryError) as error:
        raise _exists(target) from error
    except OSError as error:
        if target.exists():
            raise _exists(target) from error
        raise


def _link(source: Path, target: Path) -> None:
    """Gives a file a second name, which fails where the name is taken; renaming would replace."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if target.exists():
            raise FileExistsError(target) from None
        source.replace(target)
