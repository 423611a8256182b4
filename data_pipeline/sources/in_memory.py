"""Data sets that exist in a program only: arrays, data frames, and data sets of Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from data_pipeline.errors import DataError
from data_pipeline.sources.arrays import rows_of
from data_pipeline.sources.batched import gathered, is_batched
from data_pipeline.sources.listed import (
    classes_of,
    is_frame,
    lists_files,
    of_frame,
    of_listed_files,
)
from data_pipeline.sources.written import write_arrays

Array = npt.NDArray[Any]
_PARTS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {1: ("train",), 2: ("train", "validation"), 3: ("train", "validation", "test")}
)
"""Number of data sets to the parts that they are."""
_KINDS = (
    "a path, the name of a built-in set, (images, labels), ((x_train, y_train), (x_test, y_test)), "
    "a dictionary of arrays, a data frame with files and labels, or tf.data sets"
)


def as_settings(data: object, folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that stand for a data set, which is written to a file if it is none.

    Args:
        data: A path, arrays, a data frame, or data sets of Keras and TensorFlow.
        folder: Where files are written, and nothing before all is found to be right.
        given: The other settings, of which `images` and `file_column` matter to a data frame.

    Raises:
        DataError: It is nothing of these, or cannot be trained on.
    """
    if isinstance(data, (str, os.PathLike)):
        return {"data": os.fspath(data)}
    if is_frame(data):
        return of_frame(data, folder, given)
    sets: Sequence[Any] = data if isinstance(data, (tuple, list)) and data else [data]
    if all(map(lists_files, sets)):
        return of_listed_files(sets, _parts(sets), folder)
    arrays = _named_arrays(data, sets)
    rows_of(arrays, "the data")  # refuses what cannot be trained on
    return {"data": write_arrays(arrays, folder)}


def _parts(sets: Sequence[Any]) -> tuple[str, ...]:
    if len(sets) not in _PARTS:
        raise DataError(
            "A data set has three parts at most: training, validation and test. "
            f"Received: {len(sets)}. Join some of them."
        )
    return _PARTS[len(sets)]


def _named_arrays(data: object, sets: Sequence[Any]) -> dict[str, Array]:
    """Returns arrays under the names that an `.npz` file has them by."""
    if isinstance(data, Mapping):
        return {str(name): _array(value) for name, value in data.items()}
    if all(map(is_batched, sets)):
        names = classes_of(sets[0])
        arrays = _of_pairs([gathered(each) for each in sets], _parts(sets))
        return arrays | ({"class_names": np.asarray(names)} if names else {})
    if _is_pair(data):
        return _of_pairs([data], ("train",))
    if isinstance(data, tuple) and all(map(_is_pair, data)):
        # Of two the second one is the test, as `keras.datasets` give them.
        return _of_pairs(data, ("train", "test") if len(data) == 2 else _parts(data))
    raise DataError(f"Data are {_KINDS}. Received: {_what(data)}. Pass one of these.")


def _is_pair(data: Any) -> bool:
    """Whether it is a tuple of images and labels."""
    return isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], (tuple, str))


def _of_pairs(pairs: Sequence[Any], parts: Sequence[str]) -> dict[str, Array]:
    ends = [f"_{part}" for part in parts] if len(parts) > 1 else [""]
    return {
        f"{name}{end}": _array(value)
        for end, pair in zip(ends, pairs, strict=True)
        for name, value in zip(("images", "labels"), pair, strict=True)
    }


def _array(value: Any) -> Array:
    """Returns an array of numbers or texts; of images of several sizes none can be made."""
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise DataError(
            "Images in memory must all have one size. Received: several sizes. "
            "Resize them, or save them as files and pass the folder."
        ) from error
    return found.astype(np.str_) if found.dtype.kind == "O" else found


def _what(data: Any) -> str:
    if hasattr(data, "shape"):
        return f"an array of shape {tuple(data.shape)}, without labels"
    many = f" of {len(data)}" if isinstance(data, (tuple, list)) else ""
    return f"{type(data).__name__}{many}"
