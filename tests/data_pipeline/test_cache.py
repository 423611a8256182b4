"""Tests of the cache folder, with real files, locks and processes."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from data_pipeline.cache import META, Cache
from data_pipeline.errors import DataError

SPAWN = multiprocessing.get_context("spawn")
NOBODY = 65534


def writes(content: bytes, log: Path | None = None) -> Callable[[Path], None]:
    """Returns a builder of one file, which notes in `log` that it was called."""

    def build(folder: Path) -> None:
        if log:
            with log.open("a") as stream:
                stream.write("built\n")
        (folder / "data").write_bytes(content)

    return build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the cache is kept."""
    return tmp_path / "cache"


def leftovers(root: Path) -> list[Path]:
    """Folders of the cache that are no complete entries."""
    return [folder for folder in root.glob("*/*/") if not (folder / META).exists()]


def test_an_entry_is_built_once(root: Path, tmp_path: Path) -> None:
    """A second use, in this or another Cache, returns the same folder unbuilt."""
    log = tmp_path / "log"
    caches = [Cache(root), Cache(root)]
    paths = [c.entry("images", "k", writes(b"pixels", log)) for c in caches for _ in range(2)]
    assert set(paths) == {root / "images" / "k"}
    assert (paths[0] / "data").read_bytes() == b"pixels"
    assert log.read_text() == "built\n"


def _slow_build(root: Path, log: Path, out: multiprocessing.Queue[bytes]) -> None:
    def build(folder: Path) -> None:
        with log.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(0.5)
        (folder / "data").write_bytes(b"x" * 1000)

    out.put((Cache(root).entry("images", "k", build) / "data").read_bytes())


def test_processes_at_once_build_once(root: Path, tmp_path: Path) -> None:
    """Three processes that want one entry at once get it from a single build."""
    log, out = tmp_path / "log", SPAWN.Queue()
    processes = [SPAWN.Process(target=_slow_build, args=(root, log, out)) for _ in range(3)]
    for process in processes:
        process.start()
    contents = [out.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert contents == [b"x" * 1000] * 3
    assert len(log.read_text().splitlines()) == 1


def _hang(root: Path, started: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "data").write_bytes(b"half")
        started.touch()
        time.sleep(600)

    Cache(root).entry("images", "k", build)


def test_a_killed_build_leaves_nothing_that_counts(root: Path, tmp_path: Path) -> None:
    """After kill -9 in a build, there is no entry; the next process builds it whole."""
    started = tmp_path / "started"
    process = SPAWN.Process(target=_hang, args=(root, started))
    process.start()
    while not started.exists():
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    cache = Cache(root)
    assert cache.usage().entries == ()
    assert len(leftovers(root)) == 1
    assert (cache.entry("images", "k", writes(b"whole")) / "data").read_bytes() == b"whole"
    assert leftovers(root) == []


def test_another_build_sweeps_up_after_a_killed_one(root: Path) -> None:
    """What killed builds and deletions left goes when anything is built."""
    for name in ("a.building", "b"):
        (root / "images" / name).mkdir(parents=True)
        (root / "images" / name / "data").write_bytes(b"half")
    Cache(root).entry("features", "k", writes(b"x"))
    assert leftovers(root) == []
    assert not list((root / "images").glob("*/"))


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: os.truncate(path / "data", 3), id="truncated"),
        pytest.param(lambda path: _flip(path / "data"), id="one bit changed"),
        pytest.param(lambda path: (path / "data").unlink(), id="file deleted"),
        pytest.param(lambda path: (path / "more").touch(), id="file added"),
        pytest.param(lambda path: (path / META).write_text("{"), id="list of files torn"),
        pytest.param(lambda path: (path / META).write_text("[1]"), id="list of files changed"),
    ],
)
def test_a_damaged_entry_is_built_again(root: Path, damage: Callable[[Path], None]) -> None:
    """Whatever differs from what was built is noticed, said and replaced."""
    first = Cache(root)
    path = first.entry("images", "k", writes(b"pixels"))
    first.release(path)
    damage(path)
    with pytest.warns(UserWarning, match="was damaged and is built again"):
        again = Cache(root).entry("images", "k", writes(b"pixels"))
    assert (again / "data").read_bytes() == b"pixels"
    assert not (again / "more").exists()


def test_reopening_reads_no_content(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry may hold gigabytes; what was not written since is known to be what it was."""
    path = Cache(root).entry("images", "k", writes(b"pixels"))
    monkeypatch.setattr("data_pipeline.cache.zlib.crc32", lambda *_: 1 / 0)
    assert Cache(root).entry("images", "k", lambda _: None) == path


def test_a_copied_folder_is_told_by_its_content(root: Path, tmp_path: Path) -> None:
    """Files with other times are read: whole ones are used, damaged ones built again."""
    Cache(root).entry("images", "k", writes(b"pixels"))
    log, copy = tmp_path / "log", tmp_path / "copy"
    for _ in range(2):
        shutil.copytree(root, copy, copy_function=shutil.copyfile, dirs_exist_ok=True)
        Cache(copy).entry("images", "k", writes(b"others", log))
    assert not log.exists()
    (copy / "images" / "k" / "data").write_bytes(b"pixelz")
    with pytest.warns(UserWarning, match="damaged"):
        path = Cache(copy).entry("images", "k", writes(b"others", log))
    assert (path / "data").read_bytes() == b"others"


def test_waiting_for_another_builder_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is called now and then, and can give up; the builder is not disturbed."""
    monkeypatch.setattr("data_pipeline.cache.WAIT_S", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(folder: Path) -> None:
        begun.set()
        assert go_on.wait(60)
        writes(b"pixels")(folder)

    class GivenUpError(Exception):
        """What a worker raises that is told to stop."""

    calls = []

    def waiting() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise GivenUpError

    def done() -> None:
        go_on.set()

    with ThreadPoolExecutor(1) as pool:
        built = pool.submit(Cache(root).entry, "images", "k", slowly)
        assert begun.wait(60)
        with pytest.raises(GivenUpError):
            Cache(root).entry("images", "k", writes(b"others"), waiting)
        path = Cache(root).entry("images", "k", writes(b"others"), done)
        assert built.result() == path
    assert (path / "data").read_bytes() == b"pixels"


def test_a_folder_deleted_during_a_run_is_built_again(root: Path) -> None:
    """A process that used an entry before it was deleted gets a new one, not a missing path."""
    cache = Cache(root)
    cache.entry("images", "k", writes(b"old"))
    shutil.rmtree(root)
    assert (cache.entry("images", "k", writes(b"new")) / "data").read_bytes() == b"new"


def test_a_failing_build_leaves_nothing(root: Path) -> None:
    """The builder's own error comes through, and nothing half-written is left."""

    def build(folder: Path) -> None:
        (folder / "data").write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Cache(root).entry("images", "k", build)
    assert not list(root.glob("*/*/"))


def test_a_full_disk_is_explained(root: Path) -> None:
    """A device without space gives an error that says what to do, and leaves nothing."""

    def build(folder: Path) -> None:
        (folder / "data").write_bytes(b"half")
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"more")

    with pytest.raises(DataError, match="HPO_CACHE_DIR") as caught:
        Cache(root).entry("images", "k", build)
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert str(root) in str(caught.value)
    assert not list(root.glob("*/*/"))


@contextmanager
def _unprivileged() -> Iterator[None]:
    """File permissions do not bind root, so tests that run as root become nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that everyone may read and nobody write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder_is_explained(read_only: Path) -> None:
    """A cache that cannot be written gives an error that says what to do."""
    with _unprivileged(), pytest.raises(DataError, match="HPO_CACHE_DIR") as caught:
        Cache(read_only).entry("images", "k", writes(b"x"))
    assert f"Received: {str(read_only)!r} (Permission denied)" in str(caught.value)
    assert list(read_only.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_explained(root: Path) -> None:
    """A path that is no folder gives the same error."""
    root.touch()
    with pytest.raises(DataError, match="Not a directory"):
        Cache(root).entry("images", "k", writes(b"x"))


def test_an_error_of_the_data_is_not_blamed_on_the_cache(root: Path, tmp_path: Path) -> None:
    """A builder that cannot read its own input raises as it is."""
    with pytest.raises(FileNotFoundError):
        Cache(root).entry("images", "k", lambda _: (tmp_path / "absent").read_bytes())  # type: ignore[arg-type,return-value]


def _fill(root: Path, limit_bytes: int, keys: str) -> Cache:
    """Builds entries of 1,000 bytes each, and lets go of them."""
    cache = Cache(root, limit_bytes)
    for key in keys:
        cache.release(cache.entry("images", key, writes(bytes(1000))))
    return cache


def keys(cache: Cache) -> str:
    """Keys of the entries, least recently used first."""
    return "".join(entry.key for entry in cache.usage().entries)


def test_least_recently_used_entries_go_first(root: Path) -> None:
    """Beyond the limit the entry that was used longest ago goes; using one keeps it."""
    cache = _fill(root, 4000, "abc")
    cache.release(cache.entry("images", "a", writes(b"never")))
    assert keys(cache) == "bca"
    _fill(root, 4000, "d")
    assert keys(cache) == "cad"


def test_an_entry_in_use_is_not_evicted(root: Path) -> None:
    """What a living process holds stays, even beyond the limit, until it is released."""
    _fill(root, 10**6, "ab")
    holder = Cache(root)
    path = holder.entry("images", "a", writes(b"never"))
    _fill(root, 2500, "cd")
    assert keys(holder) == "ad"
    holder.release(path)
    _fill(root, 2500, "ef")
    assert keys(holder) == "ef"


def test_a_dead_process_holds_nothing(root: Path) -> None:
    """An entry stays while another process uses it, and may go once that process was killed."""
    cache = _fill(root, 10**6, "a")
    held = SPAWN.Queue()
    process = SPAWN.Process(target=_hold, args=(root, held))
    process.start()
    held.get(timeout=60)
    assert [entry.key for entry in cache.clear().entries] == ["a"]
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    path = cache.entry("images", "a", writes(b"never"))
    cache.release(path)
    assert {file.name for file in path.iterdir()} == {"data", META}, "nothing is left of it"
    assert cache.clear().entries == ()


def _hold(root: Path, held: multiprocessing.Queue[str]) -> None:
    cache = Cache(root)
    held.put(str(cache.entry("images", "a", writes(b"never"))))
    time.sleep(600)


def test_the_environment_sets_folder_and_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HPO_CACHE_DIR and HPO_CACHE_LIMIT are read; without a limit it is 20 GB."""
    monkeypatch.setenv("HPO_CACHE_DIR", str(root))
    monkeypatch.delenv("HPO_CACHE_LIMIT", raising=False)
    assert (Cache().root, Cache().limit_bytes) == (root, 20 * 10**9)
    monkeypatch.setenv("HPO_CACHE_LIMIT", "1.5 MB")
    assert Cache().limit_bytes == 1_500_000
