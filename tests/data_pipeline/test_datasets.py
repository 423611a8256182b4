"""The built-in data sets, without a network."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data_pipeline import datasets
from data_pipeline.datasets import DATASETS, load_arrays
from data_pipeline.errors import DataError

DOWNLOADED = [name for name in DATASETS if name != "digits"]


@pytest.fixture
def keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the modules of `keras.datasets`, and a Keras folder of the test's own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    module = SimpleNamespace(folder=tmp_path / "datasets")
    monkeypatch.setattr(datasets, "import_module", lambda name: module)
    return module


@pytest.mark.parametrize("name", DATASETS)
def test_rows_are_consistent(name: str) -> None:
    """Each row has its own name, distinct classes, and says what its download leaves behind."""
    row = DATASETS[name]
    assert row.name == name
    assert len(row.classes) == len(set(row.classes)) == (100 if name == "cifar100" else 10)
    assert bool(row.cached_as) == (name in DOWNLOADED)


def test_cifar100_classes_are_in_the_order_of_the_labels() -> None:
    """The archive numbers the fine classes alphabetically."""
    assert list(DATASETS["cifar100"].classes) == sorted(DATASETS["cifar100"].classes)


def test_digits() -> None:
    """The digits are 8 by 8 RGB images that use the whole range, with the published counts."""
    images, labels, classes, test_mask = load_arrays("digits")
    assert images.shape == (1797, 8, 8, 3)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert (images[..., 0] == images[..., 2]).all()
    assert np.bincount(labels)[[0, 8]].tolist() == [178, 174]
    assert classes == tuple("0123456789")
    assert test_mask is None


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3)])
def test_keras_parts_are_laid_end_to_end(keras: SimpleNamespace, shape: tuple[int, ...]) -> None:
    """Training images come first; greyscale becomes RGB; the mask marks Keras's test part."""
    train, test = np.full((5, *shape), 7, np.uint8), np.full((2, *shape), 9, np.uint8)
    keras.load_data = lambda: ((train, np.arange(5)[:, None]), (test, np.array([8, 9])[:, None]))
    images, labels, classes, test_mask = load_arrays("cifar10")
    assert images.shape == (7, *shape[:2], 3)
    assert images[:, 0, 0, 0].tolist() == [7] * 5 + [9] * 2
    assert labels.tolist() == [0, 1, 2, 3, 4, 8, 9]
    assert classes == DATASETS["cifar10"].classes
    assert test_mask is not None
    assert test_mask.tolist() == [False] * 5 + [True] * 2


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_failed_download_leaves_nothing(keras: SimpleNamespace, name: str) -> None:
    """The error names the data set, the reason and the ways out; only its own files go."""
    others = keras.folder / "flowers.npz"

    def fail() -> None:
        top = keras.folder / DATASETS[name].cached_as[-1]
        (top / "inner").mkdir(parents=True)
        (top / "inner" / "half").write_bytes(b"half")
        others.write_bytes(b"of another program")
        raise OSError("no route to host")

    keras.load_data = fail
    with pytest.raises(
        DataError, match=rf"'{name}'.*no route to host.*put '.*--data digits"
    ) as caught:
        load_arrays(name)
    assert DATASETS[name].cached_as[0] in str(caught.value)
    assert list(keras.folder.iterdir()) == [others]


def test_a_failed_download_keeps_what_was_there(keras: SimpleNamespace) -> None:
    """Files from before, such as an archive that someone put there, stay."""
    archive = keras.folder / "fashion-mnist" / "train-labels-idx1-ubyte.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"good")

    def fail() -> None:
        (archive.parent / "train-images-idx3-ubyte.gz").write_bytes(b"half")
        raise OSError("timed out")

    keras.load_data = fail
    with pytest.raises(DataError, match="timed out"):
        load_arrays("fashion_mnist")
    assert list(archive.parent.iterdir()) == [archive]


def test_an_interrupted_download_leaves_nothing(keras: SimpleNamespace) -> None:
    """Ctrl-C stays Ctrl-C, and cleans up too."""

    def interrupt() -> None:
        keras.folder.mkdir()
        (keras.folder / "mnist.npz").write_bytes(b"half")
        raise KeyboardInterrupt

    keras.load_data = interrupt
    with pytest.raises(KeyboardInterrupt):
        load_arrays("mnist")
    assert list(keras.folder.iterdir()) == []


def test_a_silent_server_is_given_up(
    keras: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sockets have a time limit meanwhile, and what Keras prints is no result."""
    seen: list[Any] = []

    def load() -> None:
        print("Downloading")
        seen.append(socket.getdefaulttimeout())
        raise TimeoutError

    keras.load_data = load
    before = socket.getdefaulttimeout()
    with pytest.raises(DataError):
        load_arrays("mnist")
    assert seen == [datasets.DOWNLOAD_TIMEOUT_S]
    assert socket.getdefaulttimeout() == before
    assert capsys.readouterr() == ("", "Downloading\n")
