"""How much memory training and evaluating a network takes, estimated before it is tried."""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras

from models.heads import Head
from models.network import Network, count_parameters

OPTIMIZER_SLOTS = 2
"""Moments an optimizer keeps for each trained parameter, at most."""
MOST_EVALUATED = 256
"""Images an evaluation takes at once, at most; more is no faster."""


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
    kept = sum(_elements(network.head))
    if network.base is not None and not on_features:
        kept += 2 * max(_elements(network.base))
    return int(parameters + batch_size * _width(network) * kept)


def evaluation_bytes(network: Network, batch_size: int, *, on_features: bool) -> int:
    """Returns about how many bytes evaluating a batch of that size needs at once."""
    parts = [network.head] if network.base is None or on_features else [network.base, network.head]
    per_image = _width(network) * max(map(forward_elements, parts))
    return 4 * count_parameters(network) + batch_size * per_image


def evaluation_batch(network: Network, batch_size: int, *, on_features: bool) -> int:
    """Returns how many images to evaluate at once, 1 to `MOST_EVALUATED`.

    It is the largest power of two for which that needs no more memory than a training step of
    `batch_size` images.
    """
    limit_bytes = training_bytes(network, batch_size, on_features=on_features)
    batch = MOST_EVALUATED
    while batch > 1 and evaluation_bytes(network, batch, on_features=on_features) > limit_bytes:
        batch //= 2
    return batch


def forward_elements(model: keras.Model) -> int:
    """Returns how many numbers a forward pass holds at once for one image: two layers' outputs."""
    return 2 * max(_elements(model))


def _width(network: Network) -> int:
    """Bytes of one number in a feature map."""
    return 4 if network.precision == "float32" else 2


def _elements(model: keras.Model) -> Iterator[int]:
    """Yields the numbers in each layer's output, for one image."""
    parts = [model.trunk, model.top] if isinstance(model, Head) else [model]
    for part in parts:
        for layer in part.layers:
            for output in keras.tree.flatten(layer.output):
                yield math.prod(size or 1 for size in output.shape[1:])
