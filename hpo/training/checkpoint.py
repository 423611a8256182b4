"""A trial's state after its last finished epoch, so that a kill costs an epoch or two at most.

Checkpoints and weights are safetensors files, whose arrays are kept by name. safetensors notices a
file that was cut off but not a bit that was turned, so a CRC-32 of the contents is kept with them.
A checkpoint is written beside its predecessor and renamed over it, and the predecessor is kept
until the next. The best epoch's weights are a file of their own, named by the epoch and written
before the checkpoint that speaks of it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from hpo.training.policies import PolicyState

WEIGHTS_SUFFIX = ".weights.safetensors"
"""How the name of every file ends that `save_weights` writes."""
_CURRENT, _PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
_NPZ = b"PK\x03\x04"
"""How the files begin in which earlier versions kept weights by their position."""


class TornError(ValueError):
    """A file that was cut off or damaged."""


class OldFormatError(ValueError):
    """A file of an earlier version of this program."""


class TrialState(BaseModel):
    """All of a trial's state but its arrays.

    Attributes:
        identity: Of the trial it belongs to; another's is not continued.
        epoch: Finished epochs.
        policy: State of the schedule and of stopping early.
        history: Metric name to one value an epoch.
        seconds: What seconds were spent on so far, over all processes that worked on the trial.
        precision: Keras dtype policy that it began with, and goes on with on another machine too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    epoch: int = 0
    policy: PolicyState = PolicyState()
    history: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    precision: str = ""


def save(folder: Path, state: TrialState, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a checkpoint, atomically.

    Raises:
        OSError: The disk is full or read-only; the checkpoint before still stands.
    """
    temporary = folder / f".{_CURRENT}"
    # pydantic's own JSON has no infinite numbers.
    _write(temporary, arrays, {"state": json.dumps(state.model_dump(mode="json"))})
    current = folder / _CURRENT
    if current.exists():
        current.replace(folder / _PREVIOUS)
    temporary.replace(current)
    spoken_of = {best_path(folder, state.policy.best_epoch)}
    # The predecessor is asked for its best epoch. Numbers do not tell which files it needs: after
    # a kill on a GPU a trial may find another best epoch, and the file of the former still lies
    # there with a higher number.
    try:
        with (folder / _PREVIOUS).open("rb") as file:
            meta = _read_meta(file)
        before = TrialState.model_validate(json.loads(meta["state"]))
        spoken_of.add(best_path(folder, before.policy.best_epoch))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # it cannot be continued from, and neither can the weights be used
    for weights in folder.glob(f"best-*{WEIGHTS_SUFFIX}"):
        if weights not in spoken_of:
            weights.unlink()


def load(folder: Path, identity: str) -> tuple[TrialState, dict[str, np.ndarray]] | None:
    """Returns the newest whole checkpoint of the trial `identity`, or None.

    One that cannot be used is deleted, or it would become the next one's predecessor. Where none
    can be used everything else is deleted too, or it would be taken for this trial's.
    """
    for name in (_CURRENT, _PREVIOUS):
        try:
            arrays, meta = _read(folder / name)
            state = TrialState.model_validate(json.loads(meta["state"]))
        except FileNotFoundError:
            continue
        except (TornError, ValidationError):
            (folder / name).unlink()  # or of another version: the one before is used
            continue
        if state.identity == identity and _best_is_whole(folder, state.policy.best_epoch):
            return state, arrays
        (folder / name).unlink()
    for pattern in ("*.safetensors", "*.npz"):
        for stale in folder.glob(pattern):
            stale.unlink()
    return None


def adopt(source: Path, identity: str, folder: Path, new_identity: str) -> None:
    """Lets a trial begin with the last checkpoint of another, whose files stay as they are.

    Args:
        source: The other's folder.
        identity: The other trial's.
        folder: The new trial's folder, without a checkpoint.
        new_identity: The new trial's.

    Raises:
        FileNotFoundError: There is no whole checkpoint of the other trial any more.
    """
    for name in (_CURRENT, _PREVIOUS):
        try:
            arrays, meta = _read(source / name)
            state = TrialState.model_validate(json.loads(meta["state"]))
        except (FileNotFoundError, TornError, ValidationError):
            continue
        best = state.policy.best_epoch
        if state.identity != identity or not _best_is_whole(source, best):
            continue
        policy = state.policy.model_copy(update={"stalled": 0, "waited": 0, "reference": None})
        if best:
            shutil.copyfile(best_path(source, best), best_path(folder, best))
        changes = {"identity": new_identity, "policy": policy}
        save(folder, state.model_copy(update=changes), arrays)
        return
    raise FileNotFoundError(f"There is no whole checkpoint in {source}.")


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint, whole or not."""
    return (folder / _CURRENT).exists() or (folder / _PREVIOUS).exists()


def best_path(folder: Path, epoch: int) -> Path:
    """Returns where the weights of the best epoch (from 1) are kept."""
    return folder / f"best-{epoch:04d}{WEIGHTS_SUFFIX}"


def save_weights(path: Path, weights: Mapping[str, np.ndarray], stages: int) -> None:
    """Writes the weights of a network's head, atomically.

    Args:
        path: Where to.
        weights: What `models.network.head_weights` returned.
        stages: `trainable_stages` of the network that the head belongs to.
    """
    temporary = path.with_name(f".{path.name}")
    _write(temporary, weights, {"trainable_stages": str(stages)})
    temporary.replace(path)


def load_weights(path: Path) -> tuple[dict[str, np.ndarray], int]:
    """Reads what `save_weights` wrote.

    Raises:
        OSError: The file is missing.
        TornError: It is torn.
        OldFormatError: An earlier version wrote it.
    """
    weights, meta = _read(path)
    return weights, int(meta["trainable_stages"])


def _best_is_whole(folder: Path, epoch: int) -> bool:
    """Whether the best epoch's weights can be read, or there is no best epoch yet."""
    try:
        return not epoch or bool(_read(best_path(folder, epoch)))
    except (FileNotFoundError, TornError):
        return False


def _write(path: Path, arrays: Mapping[str, np.ndarray], meta: dict[str, str]) -> None:
    # The library copies the memory of an array as it is, so its axes must be in order.
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content = safetensors.numpy.save(arrays, meta | {"crc32": _crc32(arrays, meta)})
    # The library would write the file too, but hides what is wrong with the disk.
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    content = path.read_bytes()  # an error of the disk says nothing of the file: it is passed on
    if content.startswith(_NPZ):
        raise OldFormatError(f"{path}: an earlier version wrote it.")
    try:
        arrays = safetensors.numpy.load(content)
        meta = _read_meta(io.BytesIO(content))
        expected = meta.pop("crc32")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TornError(f"{path}: {error}") from error
    if _crc32(arrays, meta) != expected:
        raise TornError(f"{path}: the checksum is another.")
    return arrays, meta


def _read_meta(file: BinaryIO) -> dict[str, str]:
    """Reads the metadata alone, which the library does of named files only.

    A file begins with the length of a JSON text, in 8 bytes, and that text.
    """
    length = int.from_bytes(file.read(8), "little")
    meta: dict[str, str] = json.loads(file.read(length))["__metadata__"]
    return meta


def _crc32(arrays: Mapping[str, np.ndarray], meta: Mapping[str, str]) -> str:
    """Checksum of all that a file holds; a guard against damage, not against malice."""
    crc = zlib.crc32(json.dumps(sorted(meta.items())).encode())
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.tobytes(), crc)
    return f"{crc:08x}"
