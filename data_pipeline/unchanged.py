"""Notices changes of a data set without reading the files that were not touched."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from data_pipeline.errors import DataError
from data_pipeline.hashing import file_sha256
from data_pipeline.manifest import Item, Manifest
from data_pipeline.sources.opening import SOURCES
from data_pipeline.sources.source import Source
from data_pipeline.system import processors


class Stamp(BaseModel):
    """One file as it was seen last.

    Attributes:
        size_bytes: Its size.
        mtime_ns: When it was changed last, by the file system.
        sha256: Of its contents.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_bytes: int
    mtime_ns: int
    sha256: str


Stamps = Mapping[str, Stamp]
"""Path, relative to the data set's folder, to what was seen there."""

_STAMPS: TypeAdapter[Stamps] = TypeAdapter(Stamps)


def write_stamps(manifest: Manifest, record: Path) -> None:
    """Writes down a data set that its manifest was made of just now.

    Args:
        manifest: The data set; its hashes are believed.
        record: File to write.
    """
    if stamps := _look(manifest.open(), manifest, _known(manifest)):
        _write(record, stamps)


def require_unchanged(manifest: Manifest, record: Path) -> None:
    """Refuses a data set if a file was changed, added or removed.

    Files whose size and time are those in the record are not read; a new time alone is no change.

    Args:
        manifest: The data set.
        record: What `write_stamps` wrote; where it is missing every file is read.

    Raises:
        DataError: Something was; says what to do.
    """
    source = manifest.open()
    if not source.is_there():
        raise changed(source, "", "it is gone")
    before = _read(record)
    now = _look(source, manifest, {}, before)
    if not now:
        return
    expected = {path: stamp.sha256 for path, stamp in (before or now).items()} | _known(manifest)
    listed = manifest.layout == "table"  # then files that it does not list are none of its images
    changes = [
        *((path, "it is gone") for path in expected.keys() - now.keys()),
        *((path, "it was added") for path in now.keys() - expected.keys() if not listed),
        *(
            (path, "its contents changed")
            for path, stamp in now.items()
            if stamp.sha256 != expected.get(path, stamp.sha256)
        ),
    ]
    if changes:
        path, how = min(changes)
        raise changed(source, path, how, len(changes) - 1)
    if now != before:
        _write(record, now)


def moved(manifest: Manifest, source: Source) -> Manifest:
    """Returns the manifest of a data set that lies somewhere else now.

    Args:
        manifest: The data set as it was.
        source: Where it is looked for; every image is compared by its hash.

    Raises:
        DataError: Its images differ; says how many.
    """

    def differs(item: Item) -> str | None:
        try:
            same = source.sha256(item.path) == item.sha256
        except (OSError, ValueError, IndexError):
            return "it is not there"
        return None if same else "its contents changed"

    if source.kind != manifest.kind:
        found = {item.path: f"it is no {manifest.kind}" for item in manifest.items[:1]}
    else:
        with ThreadPoolExecutor(processors()) as pool:
            how = pool.map(differs, manifest.items)
            found = {i.path: why for i, why in zip(manifest.items, how, strict=True) if why}
    if found:
        path, why = next(iter(found.items()))
        raise DataError(
            "A study continues with the images it was created with, wherever they are now. "
            f"Received: {source.name!r}, where {len(found):,} of {len(manifest.items):,} images "
            f"differ ({path}: {why}). To continue the study, name it instead of the images: "
            f"hpo run --study STUDY. To search on these images, create another study: "
            f"hpo run --data {shlex.quote(source.name)} --study NAME."
        )
    return manifest.model_copy(update={"source": source.name, "images": source.images})


def found_again(manifest: Manifest, near: Path) -> Manifest:
    """Returns a manifest whose images were moved together with the project they belong to.

    Args:
        manifest: The data set as it was.
        near: A folder of the project, such as the one that holds its studies.

    Returns:
        The manifest of a place beside `near`, or beside a folder around it, where a few images are
        what they were; the one that was given where there is none, or nothing was moved.
    """
    if manifest.open().is_there():
        return manifest
    old = Path(manifest.source)
    samples = manifest.items[:: max(1, len(manifest.items) // 3)]
    for folder in near.absolute().parents:
        for begin in range(1, len(old.parts) + 1):
            place = folder.joinpath(*old.parts[begin:])
            images = manifest.images and os.path.relpath(manifest.images, old.parent)
            there = str((place.parent / images).resolve()) if images else None
            source = SOURCES[manifest.kind](str(place), there)
            if source.is_there() and all(_is_same(source, item) for item in samples):
                return manifest.model_copy(update={"source": str(place), "images": there})
    return manifest


def _is_same(source: Source, item: Item) -> bool:
    try:
        return source.sha256(item.path) == item.sha256
    except (OSError, ValueError, IndexError):
        return False


def changed(source: Source, path: str, how: str, more: int = 0) -> DataError:
    """Returns the error that says that a data set is not what it was.

    Args:
        source: The data set.
        path: Of the image that is not; empty where it is all of it.
        how: In what way.
        more: How many others are not either.
    """
    others = f", and {more:,} more changes" if more else ""
    name = source.shown(path) if path else source.images or source.name
    advice = (
        f"Restore it, or create a new study on the data as it is now: hpo run --data "
        f"{shlex.quote(source.name)} --study NAME."
        if path
        else "If it was moved, say where it is now: hpo run --study STUDY --data PATH."
    )
    return DataError(
        f"A data set must stay as it was when its study was created. Received: {name!r}: {how}"
        f"{others}. {advice}"
    )


def _known(manifest: Manifest) -> dict[str, str]:
    """The hashes of all watched files that the manifest knows."""
    images = manifest.items if manifest.open().files_are_images else ()
    return {**{item.path: item.sha256 for item in images}, **manifest.also}


def _look(
    source: Source, manifest: Manifest, known: Mapping[str, str], before: Stamps | None = None
) -> Stamps:
    """Returns all watched files as they are, reading those of unknown contents."""
    stamps: dict[str, Stamp] = {}
    unread: dict[str, tuple[Path, os.stat_result]] = {}
    for name, path in source.watched(manifest.also).items():
        try:
            state = path.stat()
        except OSError:
            continue  # it is gone
        last = (before or {}).get(name)
        if last and (last.size_bytes, last.mtime_ns) == (state.st_size, state.st_mtime_ns):
            stamps[name] = last
        elif name in known:
            stamps[name] = _stamp(state, known[name])
        else:
            unread[name] = path, state

    def sha256(place: tuple[Path, os.stat_result]) -> str:
        try:
            return file_sha256(place[0])
        except OSError as error:
            raise changed(source, place[0].name, str(error.strerror)) from error

    with ThreadPoolExecutor(processors()) as pool:
        hashes = pool.map(sha256, unread.values())
        for (name, (_, state)), found in zip(unread.items(), hashes, strict=True):
            stamps[name] = _stamp(state, found)
    return stamps


def _stamp(state: os.stat_result, sha256: str) -> Stamp:
    return Stamp(size_bytes=state.st_size, mtime_ns=state.st_mtime_ns, sha256=sha256)


def _read(record: Path) -> Stamps | None:
    """Returns the record; None where it is missing or damaged."""
    try:
        return _STAMPS.validate_json(record.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _write(record: Path, stamps: Stamps) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    temporary = record.with_name(f".{record.name}.{os.getpid()}")
    temporary.write_bytes(_STAMPS.dump_json(stamps))
    temporary.replace(record)
