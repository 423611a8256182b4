"""Tests of an ensemble in operations that other runtimes know."""

from __future__ import annotations

import numpy as np

from hpo.converters.portable import forward, split
from models.config import ModelConfig
from models.ensemble import Member, ensemble_model
from models.network import build_network, head_weights


def test_an_ensemble_of_two_sizes_is_traced_as_one() -> None:
    """It has no single resizing that a format could leave out, and says what the model says."""
    members = []
    for size_px in (8, 16):
        config = ModelConfig(backbone="cnn", image_size_px=size_px, classes=3)
        weights = head_weights(build_network(config, seed=size_px))
        members.append(Member(config, weights, 0.5))
    model = ensemble_model(members, class_names=["a", "b", "c"]).model
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 20, 3), np.uint8)
    assert split(model) is None
    found = forward(model)(images)["probabilities"]
    np.testing.assert_allclose(found, model(images), atol=1e-4)
