"""The cache folder: what was computed once and is shared by trials, workers and studies."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs
from pydantic import ByteSize, TypeAdapter, ValidationError

from data_pipeline.errors import DataError

META = "meta.json"
"""Lists an entry's files; written last, touched at each use."""

WAIT_S = 5.0
_BUILDING = ".building"
_IN_USE = ".use-"
"""Begins the names of files in an entry that a process locks while it uses the entry."""
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class EntryUsage:
    """One complete entry: what it is, how large, and when it was last used (seconds, Unix)."""

    kind: str
    key: str
    size_bytes: int
    last_used_s: float


@dataclass(frozen=True)
class CacheUsage:
    """What a cache folder holds, least recently used entries first."""

    root: Path
    limit_bytes: int
    entries: tuple[EntryUsage, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size_bytes for entry in self.entries)


class Cache:
    """Folders that are built once and shared by every process of this user.

    An entry `root/kind/key` appears by rename when it is complete. Each process locks a file of its
    own in the entries that it uses; the kernel gives the lock back however the process ends. (One
    lock that many share would need no such files, but Windows has none for a file that is read.)
    Locks work between processes of one machine, and across machines only where the file system's
    do.

    Attributes:
        root: The folder; `HPO_CACHE_DIR`, or this user's cache folder.
        limit_bytes: Beyond this size unused entries go, least recently used first;
            `HPO_CACHE_LIMIT`, such as `20GB`.
    """

    def __init__(self, root: Path | None = None, limit_bytes: int | None = None) -> None:
        default_root = os.environ.get("HPO_CACHE_DIR") or platformdirs.user_cache_dir("hpo")
        self.root = (root or Path(default_root)).expanduser().absolute()
        self.limit_bytes = _default_limit_bytes() if limit_bytes is None else limit_bytes
        self._in_use: dict[Path, tuple[Path, Callable[[], object]]] = {}
        """Of each entry in use: the file that says so, and what ends that."""

    def entry(
        self,
        kind: str,
        key: str,
        build: Callable[[Path], None],
        waiting: Callable[[], None] = lambda: None,
    ) -> Path:
        """Returns a complete entry, building it if it is missing or damaged.

        It stays as it is until this process ends or releases it.

        Args:
            kind: What sort of thing it is, a folder name.
            key: Hash of all that it depends on, a folder name.
            build: Writes the entry's files into the empty folder that it is given.
            waiting: Called every `WAIT_S` while another process builds the entry. What it raises
                ends the wait.

        Raises:
            DataError: The cache folder is full, read-only or was deleted meanwhile.
        """
        path = self.root / kind / key
        if path in self._in_use:
            if self._in_use[path][0].exists():
                return path
            self.release(path)  # It was deleted, or built again, meanwhile.
        with _explained(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(_lock_path(path), waiting):
                missing = not _is_sound(path)
                if missing:
                    _build(path, build)
                _is_in_use(path)  # which deletes what killed processes left
                self._in_use[path] = self._use(path)
            if missing:
                self._shrink(self.limit_bytes)
        return path

    def release(self, path: Path) -> None:
        """Lets go of an entry of this process, so that it may be evicted."""
        self._in_use.pop(path)[1]()

    def usage(self) -> CacheUsage:
        """What there is. Entries that vanish while it looks are left out."""
        rows = []
        for meta in self.root.glob(f"*/*/{META}"):
            path = meta.parent
            if path.suffix == _BUILDING:
                continue
            try:
                files = (f for f in path.rglob("*") if not f.name.startswith(_IN_USE))
                size_bytes = sum(file.stat().st_size for file in files if file.is_file())
                used_s = meta.stat().st_mtime
            except FileNotFoundError:
                continue
            rows.append(EntryUsage(path.parent.name, path.name, size_bytes, used_s))
        rows.sort(key=lambda row: row.last_used_s)
        return CacheUsage(self.root, self.limit_bytes, tuple(rows))

    def clear(self) -> CacheUsage:
        """Deletes every entry that no process uses, and returns what is left.

        Raises:
            DataError: The cache folder is read-only.
        """
        with _explained(self.root):
            self._shrink(0)
        return self.usage()

    def _use(self, path: Path) -> tuple[Path, Callable[[], object]]:
        """Marks an entry as used now, and as in use until its release or the end of this cache."""
        os.utime(path / META)
        mark = path / f"{_IN_USE}{uuid.uuid4()}"
        lock = filelock.FileLock(mark, thread_local=False)  # another thread may release it
        lock.acquire()

        def end() -> None:
            lock.release()
            with suppress(OSError):  # another process may look at it now, and deletes it then
                mark.unlink()

        return mark, weakref.finalize(self, end)

    def _shrink(self, limit_bytes: int) -> None:
        """Deletes what killed processes left, then unused entries until the rest fits."""
        for folder in self.root.glob("*/*/"):
            if not _is_complete(folder):
                _delete_unused(folder)
        usage = self.usage()
        excess_bytes = usage.size_bytes - limit_bytes
        for row in usage.entries:
            if excess_bytes > 0 and _delete_unused(self.root / row.kind / row.key):
                excess_bytes -= row.size_bytes


def _build(path: Path, build: Callable[[Path], None]) -> None:
    """Builds beside the entry's place, then renames; the caller holds the entry's lock."""
    scratch = path.with_name(path.name + _BUILDING)
    _delete(scratch)
    try:
        scratch.mkdir()
        build(scratch)
        files = {file.name: _fingerprint(file) for file in sorted(scratch.iterdir())}
        (scratch / META).write_text(json.dumps(files))
        _delete(path)
        scratch.rename(path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _default_limit_bytes() -> int:
    text = os.environ.get("HPO_CACHE_LIMIT") or "20GB"
    try:
        return TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        raise DataError(
            f"The cache's limit must be a size. Received: HPO_CACHE_LIMIT={text!r}. "
            "Write a number with a unit, such as 20GB."
        ) from None


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Says what to do where the cache's disk or folder, not the caller's data, is at fault."""
    try:
        yield
    except OSError as error:
        inside = error.filename is not None and str(error.filename).startswith(str(root))
        if not inside and error.errno not in _DISK_ERRORS:
            raise
        raise DataError(
            f"The cache folder must exist, be writable and have space. "
            f"Received: {str(root)!r} ({error.strerror}). "
            "Free space (`hpo cache --clear`), or set HPO_CACHE_DIR to another folder; "
            "then type the command again."
        ) from error


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds a lock that may have to be waited for while another process builds for minutes."""
    lock = filelock.FileLock(path)
    while True:
        try:
            lock.acquire(timeout=WAIT_S)
            break
        except filelock.Timeout:
            waiting()
    try:
        yield
    finally:
        lock.release()


def _fingerprint(file: Path) -> dict[str, int]:
    """Stamp and CRC-32 of a file; a guard against damage and accidents, not against malice."""
    crc = 0
    with file.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    return {**_stamp(file), "crc32": crc}


def _stamp(file: Path) -> dict[str, int]:
    """Size of a file and when it was last written, in nanoseconds."""
    status = file.stat()
    return {"size_bytes": status.st_size, "written_ns": status.st_mtime_ns}


def _is_complete(folder: Path) -> bool:
    return folder.suffix != _BUILDING and (folder / META).exists()


def _is_sound(path: Path) -> bool:
    """Whether an entry is there with exactly the files and contents that it was built with."""
    if not _is_complete(path):
        return False
    try:
        files = json.loads((path / META).read_text())
        names = (file.name for file in path.iterdir())
        found = {name for name in names if not name.startswith(_IN_USE)}
        sound = found == {*files, META} and all(
            _is_unchanged(path / name, expected) for name, expected in files.items()
        )
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        warnings.warn(f"Cache entry {str(path)!r} was damaged and is built again.", stacklevel=3)
    return sound


def _is_unchanged(file: Path, expected: Mapping[str, int]) -> bool:
    """Whether a file is what it was when `expected` was taken by `_fingerprint`.

    One that was not written since is not read: there may be gigabytes. One that was, as by copying
    the folder to another disk, is told by its checksum.
    """
    if _stamp(file).items() <= expected.items():
        return True
    found = _fingerprint(file)
    return all(found[name] == expected.get(name) for name in ("size_bytes", "crc32"))


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_BUILDING) + ".lock")


def _delete_unused(path: Path) -> bool:
    """Deletes an entry unless a process builds or uses it, and says whether it did."""
    try:
        with filelock.FileLock(_lock_path(path), timeout=0):
            if _is_in_use(path):
                return False
            _delete(path)
            return True
    except filelock.Timeout:
        return False


def _is_in_use(path: Path) -> bool:
    """Whether any process, this one included, uses the entry; the caller holds its lock."""
    in_use = False
    for mark in path.glob(f"{_IN_USE}*"):
        try:
            with filelock.FileLock(mark, timeout=0):
                pass
        except filelock.Timeout:
            in_use = True
        else:  # its process was killed
            mark.unlink(missing_ok=True)
    return in_use


def _delete(path: Path) -> None:
    """Removes a folder; without its list of files, what a killed process leaves is no entry."""
    (path / META).unlink(missing_ok=True)
    if path.exists():
        shutil.rmtree(path)
