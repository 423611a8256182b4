"""How long a network takes for one image on this machine: measured once, then kept."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

from data_pipeline.cache import Cache
from hpo.quiet import load_tensorflow
from models.config import ModelConfig

WARM_UP, LEAST, MOST, ENOUGH_S = 3, 10, 50, 0.5
"""Runs that do not count, fewest and most runs that do, and the seconds after which they are
enough."""
FORMAT = 2
"""Raised when the same network would be measured in another way."""


def latency_ms(config: ModelConfig, cache: Cache) -> float:
    """Returns the fewest milliseconds that a whole model takes for one decoded image.

    Other work on the machine only ever adds to them, as the documentation of `timeit` says. The
    weights make no difference, so that they are random; neither does the rate of a dropout.

    Args:
        config: The network.
        cache: Where the figure is kept.

    Raises:
        ModelError: There is no such network.
    """
    shape = config.model_copy(update={"dropout": 0.0, "l2": 0.0, "trainable_stages": 0})
    identity = json.dumps([FORMAT, platform.node(), version("tensorflow"), shape.model_dump_json()])
    key = hashlib.sha256(identity.encode()).hexdigest()[:32]
    folder = cache.entry("latency", key, lambda folder: _measure(shape, folder / "ms.json"))
    milliseconds: float = json.loads((folder / "ms.json").read_text())
    cache.release(folder)
    return milliseconds


def _measure(config: ModelConfig, file: Path) -> None:
    import numpy as np

    load_tensorflow()

    from hpo.runtimes.classifier import Classifier
    from models.export import whole_model

    names = [str(number) for number in range(config.classes)]
    classifier = Classifier(whole_model(config, class_names=names))
    side = config.image_size_px
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    for _ in range(WARM_UP):
        classifier.image(image)
    taken: list[float] = []
    while len(taken) < LEAST or (len(taken) < MOST and sum(taken) < ENOUGH_S):
        begun = time.perf_counter()
        classifier.image(image)
        taken.append(time.perf_counter() - begun)
    file.write_text(json.dumps(1e3 * min(taken)))
