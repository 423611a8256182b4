"""A trial's state after its last finished epoch, so that a kill costs an epoch or two at most.

A checkpoint is one uncompressed `.npz` that ends with a CRC-32 of all before it, as zip's own cover
the arrays but not where they are. It is written beside its predecessor and renamed over it, and the
predecessor is kept until the next.
The best epoch's weights are a file of their own, named by the epoch and written before the
checkpoint that speaks of it.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from hpo.training.policies import PolicyState

_CURRENT, _PREVIOUS = "checkpoint.npz", "checkpoint.previous.npz"
_TAG, _TAIL_BYTES = b"crc32:", 14
"""The archive's comment is this tag and eight hexadecimal digits."""
_BLOCK_BYTES = 1 << 22
_OF_THE_DISK = (errno.EIO, errno.ESTALE)
"""Errors that say nothing of a file: a disk or a network that is to be mended."""


class TornError(ValueError):
    """A file that was cut off or damaged."""


class TrialState(BaseModel):
    """All of a trial's state but its arrays.

    Attributes:
        identity: Of the trial it belongs to; another's is not continued.
        epoch: Finished epochs.
        policy: Where the schedule and stopping early stand.
        history: Metric name to one value an epoch.
        seconds: Phase to seconds spent so far, over all processes that worked on the trial.
        precision: Keras dtype policy that it began with, and goes on with on another machine too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    epoch: int = 0
    policy: PolicyState = PolicyState()
    history: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    precision: str = ""


def save(folder: Path, state: TrialState, arrays: Sequence[np.ndarray]) -> None:
    """Writes a checkpoint, atomically.

    Raises:
        OSError: The disk is full or read-only; the checkpoint before still stands.
    """
    temporary = folder / f".{_CURRENT}"
    _write(temporary, arrays, state.model_dump(mode="json"))
    current = folder / _CURRENT
    if current.exists():
        current.replace(folder / _PREVIOUS)
    temporary.replace(current)
    for stale in sorted(folder.glob("best-*.npz"))[:-2]:  # two checkpoints speak of two at most
        stale.unlink()


def load(folder: Path, identity: str) -> tuple[TrialState, list[np.ndarray]] | None:
    """Returns the newest whole checkpoint of the trial `identity`, or None.

    One that cannot be used is deleted, lest it become the next one's predecessor; without any,
    so is everything else: it would be taken for this trial's.
    """
    for name in (_CURRENT, _PREVIOUS):
        try:
            arrays, meta = _read(folder / name)
            state = TrialState.model_validate(meta)
        except FileNotFoundError:
            continue
        except (TornError, ValidationError):
            (folder / name).unlink()  # or of another version: the one before is used
            continue
        if state.identity == identity and _best_is_whole(folder, state.policy.best_epoch):
            return state, arrays
        (folder / name).unlink()
    for stale in folder.glob("*.npz"):
        stale.unlink()
    return None


def best_path(folder: Path, epoch: int) -> Path:
    """Returns where the weights of the best epoch (from 1) are kept."""
    return folder / f"best-{epoch:04d}.npz"


def save_weights(path: Path, weights: Sequence[np.ndarray], stages: int) -> None:
    """Writes the weights of a network's head, atomically.

    Args:
        path: Where to.
        weights: The head's weights in Keras's order.
        stages: `trainable_stages` of the network that the head belongs to.
    """
    temporary = path.with_name(f".{path.name}")
    _write(temporary, weights, {"trainable_stages": stages})
    temporary.replace(path)


def load_weights(path: Path) -> tuple[list[np.ndarray], int]:
    """Reads what `save_weights` wrote.

    Raises:
        OSError: The file is missing.
        TornError: It is torn.
    """
    weights, meta = _read(path)
    return weights, int(meta["trainable_stages"])


def _write(path: Path, arrays: Sequence[np.ndarray], meta: dict[str, Any]) -> None:
    named = {f"a{index:05d}": array for index, array in enumerate(arrays)}
    text = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    with path.open("w+b") as file:
        np.savez(file, meta=text, allow_pickle=False, **named)
        file.seek(-2, os.SEEK_END)
        file.write(struct.pack("<H", _TAIL_BYTES))  # length of the comment that follows
        size = file.tell()
        tail = _tail(file, size)
        file.seek(size)
        file.write(tail)
        file.flush()
        os.fsync(file.fileno())


def _best_is_whole(folder: Path, epoch: int) -> bool:
    """Whether the best epoch's weights can be read, or there is no best epoch yet."""
    try:
        return not epoch or bool(_read(best_path(folder, epoch)))
    except (FileNotFoundError, TornError):
        return False


def _read(path: Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    with path.open("rb") as stream:
        try:
            size = stream.seek(-_TAIL_BYTES, os.SEEK_END)
            expected, found = _tail(stream, size), stream.read()
            if found != expected and found.startswith(_TAG):  # earlier versions wrote none
                raise TornError(f"{path}: the checksum is another.")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                meta = json.loads(file["meta"].tobytes())
                return [file[name] for name in sorted(file.files) if name != "meta"], meta
        except Exception as error:  # zipfile and NumPy raise nearly anything on damaged files
            if isinstance(error, MemoryError) or getattr(error, "errno", 0) in _OF_THE_DISK:
                raise  # nothing is wrong with the file
            raise TornError(f"{path}: {error}") from error


def _tail(file: BinaryIO, size: int) -> bytes:
    """Returns the tag and CRC-32 of the first `size` bytes of a file, and stops behind them."""
    file.seek(0)
    crc, left = 0, size
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        crc, left = zlib.crc32(block, crc), left - len(block)
    return _TAG + b"%08x" % crc
