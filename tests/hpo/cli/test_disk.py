"""The real `hpo run` on disks that fill up or become read-only in its midst."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.hpo.running import WORDS, Run, study_of, table, type_run

DISKS = {"database": "hpo_runs", "files": "files", "cache": "cache"}
"""What is on each disk, and its folder."""


def mounted(*words: str) -> None:
    """Mounts something, or skips where that is not allowed."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def folder(fresh: Path) -> Iterator[Path]:
    """A folder to type in, with three disks of 48 MB in it."""
    with ExitStack() as disks:
        for name in DISKS.values():
            (fresh / name).mkdir()
            mounted("-t", "tmpfs", "-o", "size=48m", "tmpfs", str(fresh / name))
            disks.callback(subprocess.run, ["umount", "--lazy", fresh / name], check=True)
        yield fresh


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fills a disk to its last byte for a while."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Makes a disk read-only for a while, as the kernel does with one that has errors."""
    mounted("--bind", str(disk), str(disk))
    mounted("-o", "remount,ro,bind", str(disk))
    try:
        yield
    finally:
        subprocess.run(["umount", disk], check=True)


def storage(folder: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Environment and words that put everything onto its disk."""
    url = f"sqlite:///{folder / DISKS['database'] / 'studies.db'}"
    return {"HPO_RUNS": str(folder / DISKS["files"])}, (*WORDS, "--storage", url)


Fault = Callable[[Path], "contextmanager[None]"]  # type: ignore[valid-type]
ADVICE = ("type the command again", "type the same command again", "the folder is writable")
AT_THE_START: list[tuple[str, Fault, str]] = [
    ("cache", full, "The cache folder must exist, be writable and have space."),
    ("cache", read_only, "The cache folder must exist, be writable and have space."),
    ("database", read_only, "The storage cannot be opened. Received: sqlite:///"),
]
IN_THE_MIDST: list[tuple[str, Fault, str]] = [
    ("files", full, "The disk is full or cannot be written. Received: [Errno 28] No space left"),
    ("database", full, "The storage failed. Received: database or disk is full. Check that its "),
    ("files", read_only, "The disk is full or cannot be written. Received: [Errno 30] Read-only"),
]


def check_refusal(run: Run, message: str) -> None:
    """It ended with a message that says what is wrong and what to do, and no traceback."""
    said = " ".join(run.output.split())
    assert run.process.returncode == 1, said
    assert message in said, said
    assert any(advice in said for advice in ADVICE), said
    assert "Traceback" not in said


@pytest.mark.timeout(900)
def test_the_same_study_on_failing_disks(folder: Path, undisturbed: Path) -> None:
    """Each time it says what is wrong and changes nothing; mended, the same command goes on.

    In the end the study equals the one that was never disturbed.
    """
    twin = table(undisturbed)
    environment, words = storage(folder)
    for what, fault, message in AT_THE_START:
        with fault(folder / DISKS[what]):
            check_refusal(type_run(folder, *words, environment=environment), message)
        assert not study_of(folder).trials[0].state.is_finished()
    for what, fault, message in IN_THE_MIDST:
        run = Run(folder, *words, environment=environment)
        assert run.wait_for(lambda run=run: run.count(r" epoch \d") >= 2)  # type: ignore[misc]
        with fault(folder / DISKS[what]):
            run.end()
            check_refusal(run, message)
        finished = [row for row in table(folder) if row["state"] in ("COMPLETE", "PRUNED")]
        assert finished == twin[: len(finished)]
        assert len(finished) < 8
    run = type_run(folder, *words, environment=environment)
    assert run.process.returncode == 0, run.output
    assert table(folder) == twin
