"""Whether a folder is still what it was, without reading the files that nobody has touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from data_pipeline.errors import DataError
from data_pipeline.folder import list_folder
from data_pipeline.inspect_image import file_sha256
from data_pipeline.manifest import Manifest


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
    if manifest.kind == "folder":
        _write(record, _look(manifest, {item.path: item.sha256 for item in manifest.items}))


def require_unchanged(manifest: Manifest, record: Path) -> None:
    """Refuses a folder in which an image file was changed, added or removed.

    Files whose size and time are those in the record are not read; a new time alone is no change.

    Args:
        manifest: The data set.
        record: What `write_stamps` wrote; where it is missing every file is read.

    Raises:
        DataError: Something was; says what to do.
    """
    if manifest.kind != "folder":
        return
    before = _read(record)
    now = _look(manifest, {}, before)
    expected = {path: stamp.sha256 for path, stamp in (before or now).items()}
    expected |= {item.path: item.sha256 for item in manifest.items}
    changes = [
        *((path, "it is gone") for path in expected.keys() - now.keys()),
        *((path, "it was added") for path in now.keys() - expected.keys()),
        *(
            (path, "its contents are others")
            for path, stamp in now.items()
            if stamp.sha256 != expected.get(path, stamp.sha256)
        ),
    ]
    if changes:
        path, how = min(changes)
        raise changed(str(Path(manifest.source, path)), how, len(changes) - 1)
    if now != before:
        _write(record, now)


def changed(name: str, how: str, more: int = 0) -> DataError:
    """Returns the error that says that a data set is not what it was.

    Args:
        name: Of the image that is not.
        how: In what way.
        more: How many others are not either.
    """
    others = f", and {more:,} more changes" if more else ""
    return DataError(
        f"A data set must stay as it was when its study was created. Received: {name!r}: {how}"
        f"{others}. Put it back as it was, or start a new study on the data as it is now: "
        "add --study NAME."
    )


def _look(manifest: Manifest, known: Mapping[str, str], before: Stamps | None = None) -> Stamps:
    """Returns all image files as they are, reading those of unknown contents."""
    root = Path(manifest.source)
    if not root.is_dir():
        raise changed(str(root), "it is gone")
    stamps: dict[str, Stamp] = {}
    unread: dict[str, os.stat_result] = {}
    for path in list_folder(root).candidates:
        state = (root / path).stat()
        last = (before or {}).get(path)
        if last and (last.size_bytes, last.mtime_ns) == (state.st_size, state.st_mtime_ns):
            stamps[path] = last
        elif path in known:
            stamps[path] = _stamp(state, known[path])
        else:
            unread[path] = state
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(lambda path: _hash(root / path), unread)
        for (path, state), sha256 in zip(unread.items(), hashes, strict=True):
            stamps[path] = _stamp(state, sha256)
    return stamps


def _hash(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise changed(str(path), str(error.strerror)) from error


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
