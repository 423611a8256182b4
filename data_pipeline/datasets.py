"""The built-in data sets: arrays that come with a library, or that Keras downloads."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_pipeline.errors import DataError

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
TestMask = npt.NDArray[np.bool_]

DOWNLOAD_TIMEOUT_S = 30.0
"""A server that is silent for this long counts as unreachable. Keras itself would wait forever."""


@dataclass(frozen=True)
class Dataset:
    """One built-in data set.

    Attributes:
        name: What `--data` takes.
        image_size_px: Height and width of its images.
        classes: Names of its classes, in the order of its labels.
        loader: Returns images (bhwc or bhw, uint8, 0..255), labels and the mask of the images
            that its authors set aside for testing, or None where they did not.
        mirror_safe: Whether a mirrored image is still of its class.
        cached_as: Names in Keras's folder of data sets that its download makes; the first is all
            that is needed to do without a network.
    """

    name: str
    image_size_px: int
    classes: tuple[str, ...]
    loader: Callable[[Dataset], tuple[Images, Labels, TestMask | None]]
    mirror_safe: bool = True
    cached_as: tuple[str, ...] = ()


def load_arrays(name: str) -> tuple[Images, Labels, tuple[str, ...], TestMask | None]:
    """Loads a built-in data set.

    Args:
        name: A key of `DATASETS`.

    Returns:
        Images (bhwc, RGB, uint8, 0..255), labels (b, int64), class names, and the mask (b, bool)
        of the predefined test images or None.

    Raises:
        DataError: It is not on this machine and cannot be downloaded.
    """
    dataset = DATASETS[name]
    images, labels, test_mask = dataset.loader(dataset)
    if images.ndim == 3:
        images = np.repeat(images[..., np.newaxis], 3, axis=-1)
    return images, labels, dataset.classes, test_mask


def _load_digits(dataset: Dataset) -> tuple[Images, Labels, None]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images_bhw = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return images_bhw, digits.target.astype(np.int64), None


def _load_keras(dataset: Dataset) -> tuple[Images, Labels, TestMask]:
    """Loads through `keras.datasets`, whose training and test part are laid end to end."""
    module = import_module(f"keras.datasets.{dataset.name}")
    # Keras prints the progress of downloads among the results, which may be JSON.
    with redirect_stdout(sys.stderr), _all_or_nothing(dataset):
        (train, train_labels), (test, test_labels) = module.load_data()
    labels = np.concatenate([train_labels, test_labels]).reshape(-1).astype(np.int64)
    return np.concatenate([train, test]), labels, np.arange(len(labels)) >= len(train)


@contextmanager
def _all_or_nothing(dataset: Dataset) -> Iterator[None]:
    """Turns a failed download into a DataError and removes the files that it left behind."""
    folder = _keras_folder()
    before = _cached(folder, dataset)
    waiting_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        yield
    except BaseException as error:
        for path in sorted(_cached(folder, dataset) - before, reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if not isinstance(error, Exception):
            raise
        raise DataError(
            f"The built-in data set {dataset.name!r} must be downloaded once. Received: {error}. "
            f"Connect this machine to the network, or put {dataset.cached_as[0]!r} from the "
            f"Keras folder of one that has it into {str(folder)!r}, or pass a folder of images, or "
            "`--data digits`, which needs no network."
        ) from error
    finally:
        socket.setdefaulttimeout(waiting_s)


def _keras_folder() -> Path:
    """Where `keras.utils.get_file` keeps data sets, as its documentation says."""
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    return (home if os.access(home, os.W_OK) else Path("/tmp/.keras")) / "datasets"  # noqa: S108


def _cached(folder: Path, dataset: Dataset) -> set[Path]:
    """What lies in Keras's cache folder of a data set, folders included."""
    tops = [folder / name for name in dataset.cached_as]
    return {path for top in tops if top.exists() for path in (top, *top.rglob("*"))}


_DIGITS = tuple(str(digit) for digit in range(10))

# fmt: off
_CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)

_FASHION = (
    "T-shirt or top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)

_CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake",
    "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)
# fmt: on

DATASETS = {
    row.name: row
    for row in (
        Dataset("digits", 8, _DIGITS, _load_digits, mirror_safe=False),
        Dataset(
            "cifar10",
            32,
            _CIFAR10,
            _load_keras,
            cached_as=("cifar-10-batches-py-target_archive", "cifar-10-batches-py-target"),
        ),
        Dataset(
            "cifar100",
            32,
            _CIFAR100,
            _load_keras,
            cached_as=("cifar-100-python-target_archive", "cifar-100-python-target"),
        ),
        Dataset("mnist", 28, _DIGITS, _load_keras, mirror_safe=False, cached_as=("mnist.npz",)),
        Dataset("fashion_mnist", 28, _FASHION, _load_keras, cached_as=("fashion-mnist",)),
    )
}
