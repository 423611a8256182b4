"""The estimate of the memory that training takes."""

from __future__ import annotations

from typing import Any

import pytest

from models.config import ModelConfig
from models.memory import (
    MOST_EVALUATED,
    evaluation_batch,
    evaluation_bytes,
    training_bytes,
)
from models.network import build_network

FROZEN: dict[str, Any] = {"pretrained": True, "trainable_stages": 0}


def test_it_counts_parameters_and_outputs() -> None:
    """For a network small enough to count by hand it is parameters plus batch times outputs."""
    network = build_network(
        ModelConfig(backbone="cats_dogs_cnn", image_size_px=10, classes=10),
        seed=0,
        precision="float32",
    )
    one = training_bytes(network, 1, on_features=False)
    two = training_bytes(network, 2, on_features=False)
    per_image = two - one
    # Input, rescaling; two convolutions, each with its activation, and two poolings.
    at_least = 4 * (2 * 10 * 10 * 3 + 8 * 8 * 32 + 2 * 2 * 64)
    assert at_least < per_image < 6 * at_least
    assert one - per_image == 4 * 4 * network.head.count_params()


def test_half_precision_halves_the_outputs() -> None:
    """Outputs kept in bfloat16 take half the bytes."""
    config = ModelConfig(backbone="cnn", image_size_px=8, classes=10)
    full, half = (
        training_bytes(build_network(config, seed=0, precision=policy), 1000, on_features=False)
        - training_bytes(build_network(config, seed=0, precision=policy), 1, on_features=False)
        for policy in ("float32", "mixed_bfloat16")
    )
    assert full == 2 * half


def test_a_frozen_base_keeps_little() -> None:
    """A network that is frozen but for its head needs far less than one trained whole."""
    frozen, whole = (
        build_network(
            ModelConfig(
                backbone="mobilenet_0.25",
                pretrained=True,
                image_size_px=32,
                classes=3,
                trainable_stages=stages,
            ),
            seed=0,
            weights=False,
        )
        for stages in (0, 5)
    )
    on_features = training_bytes(frozen, 64, on_features=True)
    assert on_features < training_bytes(frozen, 64, on_features=False)
    assert 3 * training_bytes(frozen, 64, on_features=False) < training_bytes(
        whole, 64, on_features=False
    )


@pytest.mark.parametrize("batch_size", [1, 8, 64, 512])
@pytest.mark.parametrize(
    ("config", "on_features"),
    [
        (ModelConfig(backbone="cnn_deep", image_size_px=96, classes=3), False),
        (ModelConfig(backbone="vgg16", image_size_px=96, classes=3, **FROZEN), False),
        (ModelConfig(backbone="mobilenet_0.25", image_size_px=32, classes=3, **FROZEN), True),
    ],
    ids=["scratch", "frozen", "on features"],
)
def test_an_evaluation_needs_no_more_than_a_step(
    config: ModelConfig, on_features: bool, batch_size: int
) -> None:
    """Its batch is as large as it may be, and not larger than is of use."""
    network = build_network(config, seed=0, weights=False)
    batch = evaluation_batch(network, batch_size, on_features=on_features)
    step_bytes = training_bytes(network, batch_size, on_features=on_features)
    assert evaluation_bytes(network, batch, on_features=on_features) <= step_bytes
    larger = evaluation_bytes(network, 2 * batch, on_features=on_features)
    assert batch == MOST_EVALUATED or larger > step_bytes


def test_an_evaluation_keeps_two_layers() -> None:
    """For a network small enough to count by hand it is parameters plus the largest outputs."""
    network = build_network(
        ModelConfig(backbone="cats_dogs_cnn", image_size_px=10, classes=10), seed=0
    )
    per_image = evaluation_bytes(network, 2, on_features=False) - evaluation_bytes(
        network, 1, on_features=False
    )
    assert per_image == 4 * 2 * 8 * 8 * 32
