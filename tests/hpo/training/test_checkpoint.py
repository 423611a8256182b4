"""Checkpoints: whole or not there, and the one before as long as it is needed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.training.checkpoint import (
    OldFormatError,
    TrialState,
    best_path,
    load,
    load_weights,
    save,
    save_weights,
)
from hpo.training.policies import PolicyState

CURRENT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
DTYPES = (np.float32, np.float64, np.float16, np.int32, np.int64, np.uint32, np.bool_)


def state_at(epoch: int, best_epoch: int = 0, identity: str = "mine") -> TrialState:
    """The state of a trial after an epoch."""
    return TrialState(
        identity=identity,
        epoch=epoch,
        policy=PolicyState(best_epoch=best_epoch, best_value=0.1 + epoch),
        history={"val_loss": [1 / 3] * epoch},
        seconds={"total": 0.1 * epoch},
    )


def arrays_at(epoch: int) -> dict[str, np.ndarray]:
    """Arrays of a few dtypes and shapes, other ones in every epoch."""
    arrays = {f"layer/{np.dtype(t)}": np.full((2, 3), epoch, t) for t in DTYPES}
    return arrays | {"scalar": np.array(epoch), "transposed": np.arange(6).reshape(2, 3).T + epoch}


def assert_equal(arrays: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    """Two sets of arrays have the same names and are the same bit for bit."""
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], strict=True, err_msg=name)


def save_epoch(folder: Path, epoch: int, identity: str = "mine") -> None:
    """What a trial writes after an epoch that is the best so far."""
    save_weights(best_path(folder, epoch), arrays_at(epoch), stages=epoch)
    save(folder, state_at(epoch, epoch, identity), arrays_at(epoch))


def tear(path: Path) -> None:
    """Cuts the last bytes off a file, or all but a few."""
    path.write_bytes(path.read_bytes()[:-100])


def damage(path: Path) -> None:
    """Turns a bit of an array, which come last."""
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))


def epoch_of(folder: Path, identity: str = "mine") -> int | None:
    """The epoch from which a trial goes on; None is from its start."""
    loaded = load(folder, identity)
    if loaded is None:
        return None
    state, arrays = loaded
    assert_equal(arrays, arrays_at(state.epoch))
    return state.epoch


@given(
    st.lists(st.floats(allow_nan=False), max_size=5), st.lists(st.sampled_from(DTYPES), max_size=20)
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, curve: list[float], dtypes: list[type]
) -> None:
    """State and arrays come back bit for bit, under their names."""
    folder = tmp_path_factory.mktemp("trial")
    state = TrialState(identity="mine", epoch=len(curve), history={"loss": curve})
    arrays = {
        f"{n}/array": np.arange(6).reshape(2, 3).astype(dtype) + dtype(n)
        for n, dtype in enumerate(dtypes)
    }
    save(folder, state, arrays)
    loaded = load(folder, "mine")
    assert loaded is not None
    assert loaded[0] == state
    assert_equal(loaded[1], arrays)


def test_weights_round_trip(tmp_path: Path) -> None:
    """A network's weights come back with the stages that were trained."""
    save_weights(tmp_path / "weights", arrays_at(7), stages=3)
    weights, stages = load_weights(tmp_path / "weights")
    assert stages == 3
    assert_equal(weights, arrays_at(7))


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    """A trial without checkpoints begins at its start."""
    assert epoch_of(tmp_path) is None


@pytest.mark.parametrize("spoil", [tear, damage, lambda path: path.write_bytes(b"")])
def test_a_torn_one_is_not_used(tmp_path: Path, spoil: object) -> None:
    """A damaged checkpoint is detected and the one before is used; without it, none is."""
    save_epoch(tmp_path, 1)
    save_epoch(tmp_path, 2)
    spoil(tmp_path / CURRENT)  # type: ignore[operator]
    assert epoch_of(tmp_path) == 1
    spoil(tmp_path / PREVIOUS)  # type: ignore[operator]
    assert epoch_of(tmp_path) is None


def test_every_turned_bit_is_found(tmp_path: Path) -> None:
    """Wherever one is, in names, numbers or checksum, the file is taken for torn."""
    save(tmp_path, state_at(2), arrays_at(2))
    whole = (tmp_path / CURRENT).read_bytes()
    rng = random.Random(0)
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= 1 << rng.randrange(8)
        (tmp_path / CURRENT).write_bytes(content)
        assert epoch_of(tmp_path) is None, position


def test_every_cut_is_found(tmp_path: Path) -> None:
    """However much of a file was written before a kill, it is taken for torn."""
    save(tmp_path, state_at(2), arrays_at(2))
    whole = (tmp_path / CURRENT).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / CURRENT).write_bytes(whole[:length])
        assert epoch_of(tmp_path) is None, length


def test_weights_of_an_earlier_version_are_told_from_torn_ones(tmp_path: Path) -> None:
    """They were kept by position, which is not enough to use them."""
    np.savez(tmp_path / "w.npz", a00000=[7])
    with pytest.raises(OldFormatError):
        load_weights(tmp_path / "w.npz")


def test_checkpoints_of_an_earlier_version_are_cleared(tmp_path: Path) -> None:
    """A trial that has one begins anew."""
    np.savez(tmp_path / "checkpoint.npz", a00000=[7])
    assert epoch_of(tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spoil", [tear, damage])
def test_torn_weights_of_the_best_epoch(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """They are found when the trial goes on, not when it has been trained to its end."""
    save_epoch(tmp_path, 1)
    save_epoch(tmp_path, 2)
    spoil(best_path(tmp_path, 2))
    assert epoch_of(tmp_path) == 1


def test_a_torn_one_never_becomes_the_predecessor(tmp_path: Path) -> None:
    """After a torn one the next is written, and a kill in the midst of it costs one epoch."""
    save_epoch(tmp_path, 1)
    save_epoch(tmp_path, 2)
    tear(tmp_path / CURRENT)
    assert epoch_of(tmp_path) == 1
    save_epoch(tmp_path, 2)
    assert epoch_of(tmp_path) == 2
    (tmp_path / CURRENT).unlink()
    assert epoch_of(tmp_path) == 1


def test_one_of_another_version_is_not_used(tmp_path: Path) -> None:
    """A checkpoint with settings that this version does not know is left aside."""
    save_epoch(tmp_path, 1)

    class Later(TrialState):
        """What another version might keep."""

        mood: str = "good"

    save(tmp_path, Later(identity="mine", epoch=1), arrays_at(1))
    (tmp_path / PREVIOUS).unlink()
    assert epoch_of(tmp_path) is None


def test_another_trials_files_are_cleared(tmp_path: Path) -> None:
    """What a trial of an earlier study left in the folder is neither continued nor mixed in.

    Its best epochs have higher numbers, and the highest two are kept.
    """
    for epoch in (1, 2, 40, 50):
        save_epoch(tmp_path, epoch, identity="other")
    assert epoch_of(tmp_path) is None
    assert not list(tmp_path.iterdir())
    for epoch in (1, 2, 3):
        save_epoch(tmp_path, epoch)
    assert best_path(tmp_path, 3).exists()
    assert epoch_of(tmp_path) == 3


def test_needs_the_weights_it_speaks_of(tmp_path: Path) -> None:
    """A checkpoint whose best epoch's weights are missing is as good as torn."""
    save_epoch(tmp_path, 1)
    save_epoch(tmp_path, 2)
    best_path(tmp_path, 2).unlink()
    assert epoch_of(tmp_path) == 1


def test_keeps_two_best_epochs(tmp_path: Path) -> None:
    """The weights of the best epoch by either checkpoint are there, and no others."""
    for epoch in range(1, 6):
        save_epoch(tmp_path, epoch)
    assert sorted(path.name for path in tmp_path.glob("best-*")) == [
        "best-0004.weights.safetensors",
        "best-0005.weights.safetensors",
    ]
    for epoch in (6, 7):  # no better
        save(tmp_path, state_at(epoch, best_epoch=5), arrays_at(epoch))
    assert epoch_of(tmp_path) == 7


def test_another_best_epoch_the_second_time(tmp_path: Path) -> None:
    """What a kill left of a later best epoch does not push out the one that is spoken of.

    On a GPU the epochs that are trained again may come to another best one.
    """
    save_epoch(tmp_path, 1)
    save(tmp_path, state_at(2, best_epoch=1), arrays_at(2))
    for left in (3, 4):  # written, and then killed before the checkpoints that speak of them
        save_weights(best_path(tmp_path, left), arrays_at(left), stages=left)
    assert epoch_of(tmp_path) == 2
    save(tmp_path, state_at(3, best_epoch=1), arrays_at(3))
    tear(tmp_path / CURRENT)
    assert epoch_of(tmp_path) == 2
    assert [path.name for path in tmp_path.glob("best-*")] == ["best-0001.weights.safetensors"]


def test_a_full_disk_leaves_the_former(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while writing is passed on; the checkpoint before still stands."""
    save_epoch(tmp_path, 1)
    save_epoch(tmp_path, 2)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (
        lambda: save(tmp_path, state_at(3, 2), arrays_at(3)),
        lambda: save_weights(best_path(tmp_path, 3), arrays_at(3), 0),
    ):
        with pytest.raises(OSError, match="No space left on device"):
            write()
    assert epoch_of(tmp_path) == 2
    (tmp_path / CURRENT).unlink()
    assert epoch_of(tmp_path) == 1


def test_a_disk_that_cannot_be_read_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the file, which is left as it is."""
    save_epoch(tmp_path, 1)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(OSError, match="Input/output error"):
            load(tmp_path, "mine")
    assert epoch_of(tmp_path) == 1


_DIE_AT = """
import os, signal, sys
from pathlib import Path
from tests.hpo.training.test_checkpoint import save_epoch
left = int(sys.argv[2])
def mortal(function):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
os.fsync, os.replace, os.rename = mortal(os.fsync), mortal(os.replace), mortal(os.rename)
Path.replace, Path.unlink = mortal(Path.replace), mortal(Path.unlink)
save_epoch(Path(sys.argv[1]), 3)
"""


def test_killed_between_any_two_steps(tmp_path: Path) -> None:
    """Wherever a kill comes while epoch 3 is saved, epoch 2 or 3 is whole; later epochs too."""
    root, found = Path(__file__).parents[3], []
    for step in range(12):
        folder = tmp_path / str(step)
        folder.mkdir()
        save_epoch(folder, 1)
        save_epoch(folder, 2)
        command = [sys.executable, "-c", _DIE_AT, str(folder), str(step)]
        status = subprocess.run(command, cwd=root, check=False).returncode
        assert status in (0, -signal.SIGKILL)
        again = shutil.copytree(folder, tmp_path / f"{step} again")
        found.append(epoch_of(folder))
        for epoch in (3, 4):  # whatever was left lying about does no harm
            save_epoch(again, epoch)
            assert epoch_of(again) == epoch
        if status == 0:
            break
    assert status == 0
    assert found == sorted(found)
    assert set(found) == {2, 3}
