"""Data sets that a program reads batch by batch: those of `tf.data`, and Keras's `PyDataset`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from data_pipeline.errors import DataError

Array = npt.NDArray[Any]


def is_batched(data: object) -> bool:
    """Whether it is a `tf.data.Dataset`, or a `PyDataset` of Keras."""
    return hasattr(data, "element_spec") or (
        hasattr(data, "__len__") and hasattr(data, "num_batches")
    )


def gathered(data: Any) -> tuple[list[Array], list[Array]]:
    """Returns all images and labels of a data set, in an order that shuffling does not change.

    Raises:
        DataError: It has no end, or does not give pairs of images and labels.
    """
    if getattr(data, "element_spec", None) is not None and int(data.cardinality()) == -1:
        raise DataError(
            "A data set must end. Received: one that repeats for ever. Leave out .repeat()."
        )
    batches = data.as_numpy_iterator() if hasattr(data, "element_spec") else _batches(data)
    images: list[Array] = []
    labels: list[Array] = []
    for element in batches:
        if not isinstance(element, tuple) or len(element) < 2:
            raise DataError(
                "A data set must give pairs of images and labels. "
                f"Received: {type(element).__name__}. Map it to (images, labels)."
            )
        image, label = np.asarray(element[0]), np.asarray(element[1])
        batched = image.ndim == 4 or (
            image.ndim == 3 and label.ndim > 0 and len(label) == len(image)
        )
        images += list(image) if batched else [image]
        labels += list(label) if batched else [label]
    keys = [hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images]
    order = sorted(range(len(images)), key=lambda row: (keys[row], labels[row].tobytes()))
    return [images[row] for row in order], [labels[row] for row in order]


def _batches(data: Any) -> Iterable[Any]:
    return (data[place] for place in range(len(data)))
