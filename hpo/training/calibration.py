"""Which arithmetic a network runs fastest in on this machine: measured once, then kept.

bfloat16 doubles the speed of plain convolutions on a CPU that multiplies it in hardware, and slows
down depthwise ones, which have no such kernel. Which of the two a backbone is made of is found out
by running it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from data_pipeline.cache import Cache
from hpo.training.device import SMALL_IMAGE_PX, Device
from models.catalogue import BUILT_IN, Catalogue
from models.config import ModelConfig
from models.network import build_network

BATCH = 16
MOST_ROUNDS, ENOUGH_S = 6, 2.0


def fast_precision(
    model: ModelConfig, device: Device, cache: Cache, catalogue: Catalogue = BUILT_IN
) -> str:
    """Returns the Keras dtype policy in which a backbone at an image size runs fastest.

    On a GPU it follows from the hardware; on a CPU without bfloat16, and for images so small that
    a step is all overhead, it is `float32`.
    """
    if model.image_size_px < SMALL_IMAGE_PX:
        return "float32"
    if catalogue.find(model.backbone).output in ("softmax", "sigmoid"):
        return "float32"  # the logarithm of a probability needs its digits
    if device.is_gpu or device.fast_precision == "float32":
        return device.fast_precision
    body = ModelConfig(
        backbone=model.backbone,
        image_size_px=model.image_size_px,
        classes=model.classes if model.own else 2,
        pretrained=model.pretrained,
        own=model.own,
    )
    policies = ("float32", device.fast_precision)
    machine = [platform.node(), device.name, tf.__version__]
    # Networks of one text are taken to be made of the same kinds of layers.
    described = body.model_dump_json(exclude_none=True, exclude={"own": {"settings"}})
    key = hashlib.sha256(json.dumps([machine, policies, described]).encode())
    folder = cache.entry(
        "calibration",
        key.hexdigest()[:32],
        lambda folder: _measure(body, policies, folder / "seconds.json", catalogue),
    )
    seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text())
    cache.release(folder)
    return min(policies, key=lambda policy: seconds[policy])


def _measure(
    body: ModelConfig, policies: tuple[str, ...], file: Path, catalogue: Catalogue
) -> None:
    """Writes the shortest seconds of a pass in each policy, taken in turns."""
    passes = {policy: _one_pass(body, policy, catalogue) for policy in policies}
    for run in passes.values():
        run()  # is traced
    seconds: dict[str, list[float]] = {policy: [] for policy in policies}
    began = time.perf_counter()
    for _ in range(MOST_ROUNDS):
        for policy, run in passes.items():
            start = time.perf_counter()
            run()
            seconds[policy].append(time.perf_counter() - start)
        if time.perf_counter() - began > ENOUGH_S:
            break
    file.write_text(json.dumps({policy: min(taken) for policy, taken in seconds.items()}))


def _one_pass(body: ModelConfig, policy: str, catalogue: Catalogue) -> Callable[[], object]:
    """What costs the time: the forward pass of a frozen base, or that and the gradients."""
    network = build_network(body, seed=0, precision=policy, weights=False, catalogue=catalogue)
    images = tf.random.Generator.from_seed(0).uniform(
        (BATCH, body.image_size_px, body.image_size_px, 3), maxval=255.0
    )
    variables = network.head.trainable_variables

    def run() -> object:
        if network.base is not None:
            return tf.reduce_sum(tf.cast(network.base(images, training=False), tf.float32))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network.head(images, training=True))
        return [tf.reduce_sum(gradient) for gradient in tape.gradient(loss, variables)]

    traced = tf.function(run)
    return lambda: [value.numpy() for value in tf.nest.flatten(traced())]
