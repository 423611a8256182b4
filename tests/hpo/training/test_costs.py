"""What a model costs its users."""

from __future__ import annotations

from hpo.training.costs import measure
from models.catalogue import BUILT_IN
from models.config import ModelConfig
from studies.metrics import COSTS


def test_every_cost_of_a_network() -> None:
    """A network with ten times the weights takes about as much more space on the disk."""
    small, large = (
        measure(ModelConfig(backbone=name, image_size_px=16, classes=3), BUILT_IN)
        for name in ("cifar_cnn", "cnn")
    )
    assert small.keys() == large.keys() == COSTS.keys()
    assert small["latency"] > 0.0
    weights_mb = 4 * (BUILT_IN.find("cnn").parameters or 0) / 1e6
    assert small["size"] < weights_mb < large["size"] < 1.5 * weights_mb
