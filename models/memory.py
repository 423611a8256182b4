"""How much memory training a network takes, estimated before it is tried."""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras

from models.heads import Head
from models.network import Network, count_parameters

OPTIMIZER_SLOTS = 2
"""Moments an optimizer keeps for each trained parameter, at most."""


def training_bytes(network: Network, batch_size: int, *, on_features: bool) -> int:
    """Returns about how many bytes one training step needs at once.

    Counted are the parameters with their gradients and moments, and the output of every trained
    layer, which the backward pass needs. A frozen base keeps two layers at a time. What the
    framework holds besides comes on top, so a configuration for which this alone is too much is
    hopeless.

    Args:
        network: The network.
        batch_size: Images a step.
        on_features: Whether the frozen base is left out of the step.
    """
    trained = sum(math.prod(v.shape) for v in network.head.trainable_variables)
    parameters = 4 * (count_parameters(network) + trained * (1 + OPTIMIZER_SLOTS))
    width = 4 if network.precision == "float32" else 2
    kept = sum(_elements(network.head))
    if network.base is not None and not on_features:
        kept += 2 * max(_elements(network.base))
    return int(parameters + batch_size * width * kept)


def _elements(model: keras.Model) -> Iterator[int]:
    """Yields the numbers in each layer's output, for one image."""
    parts = [model.trunk, model.top] if isinstance(model, Head) else [model]
    for part in parts:
        for layer in part.layers:
            for output in keras.tree.flatten(layer.output):
                yield math.prod(size or 1 for size in output.shape[1:])
