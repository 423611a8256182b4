"""A network to train: a frozen base, perhaps, and a trained head."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras.src.utils.naming import reset_uids

from models import variables
from models.backbone import Backbone, Output
from models.bodies import build_body, require_weights
from models.catalogue import BUILT_IN, Catalogue
from models.config import STAGES, ModelConfig
from models.errors import ModelError
from models.heads import Head, VariableDropout, classify, pool, to_logits
from models.normalization import fuse
from models.solved_head import LinearHead
from models.stages import find_cut, stages_below_top


@dataclass(frozen=True)
class Network:
    """One network, split where training begins.

    Attributes:
        config: What it was built from; its dropout rate and L2 may be out of date, since
            those are variables.
        precision: Keras dtype policy it computes in.
        base: Frozen part, from RGB images 0..255 of the configured size to what `head` takes; its
            output is the same in every epoch. None where everything is trained.
        head: Trained part, to float32 logits, (b, units).
        dropout_rate: Scalar that holds the rate of the head's dropout.
        weights: Whether a pretrained network has its pretrained weights.
        catalogue: Where its backbone was looked up.
    """

    config: ModelConfig
    precision: str
    base: keras.Model | None
    head: keras.Model
    dropout_rate: keras.Variable
    weights: bool
    catalogue: Catalogue = BUILT_IN


def build_network(
    config: ModelConfig,
    *,
    seed: int,
    precision: str = "float32",
    weights: bool = True,
    base: keras.Model | None = None,
    catalogue: Catalogue = BUILT_IN,
) -> Network:
    """Builds a network; the same arguments give the same weights, at any time in a process.

    Its variables have the same names each time, too, so that weights can be kept by name.

    Args:
        config: What to build.
        seed: Of the random weights and of the dropout.
        precision: Keras dtype policy: `float32`, `mixed_bfloat16` or `mixed_float16`. Variables
            and logits are float32 in all of them.
        weights: False gives a pretrained network's structure random weights.
        base: A base for such a network whose backbone is frozen as a whole, in that precision; it
            need not be built then.
        catalogue: Where the backbone is looked up.

    Raises:
        ModelError: If there is no such network, or its pretrained weights are missing.
    """
    row = check(config, catalogue)
    path = require_weights(row) if config.pretrained and weights else None
    size_px = config.image_size_px
    name_afresh()
    with dtype_policy(precision):
        rate = keras.Variable(
            config.dropout, dtype="float32", trainable=False, autocast=False, name="dropout_rate"
        )
        if base is not None:
            head = _top(config, base.output, rate, seed)
        else:
            with _seeded(f"{seed} body"):
                images = keras.Input((size_px, size_px, 3), dtype="float32")
                body = build_body(row, images, path, row.arguments(config))
                fuse(body)
            base, head = _split(config, body, rate, seed, row.output)
    return Network(config, precision, base, head, rate, weights, catalogue)


def check(config: ModelConfig, catalogue: Catalogue = BUILT_IN) -> Backbone:
    """Returns the configuration's backbone.

    Raises:
        ModelError: There is no such backbone, or the configuration's parts contradict each other.
    """
    row = catalogue.find(config.backbone)
    if row.code != (config.own.code if config.own else ""):
        raise ModelError(
            "A network must be built from the text that it was trained with. "
            f"Received: another text for {row.name!r}. Use the study that it is of."
        )
    if config.image_size_px < row.min_size_px:
        raise ModelError(
            f"The images must have at least the {row.min_size_px} px that {row.name} needs. "
            f"Received: {config.image_size_px} px. Raise the image size or choose another backbone."
        )
    if config.output == "sigmoid" and config.classes != 2:
        raise ModelError(
            "A sigmoid output must have exactly two classes. "
            f"Received: {config.classes} classes. Use softmax."
        )
    if config.pretrained and not row.has_weights:
        raise ModelError(
            "Only a backbone that has weights can be pretrained. "
            f"Received: {row.name!r}. Set pretrained to false or choose another backbone."
        )
    return row


def _split(
    config: ModelConfig,
    body: keras.Model,
    rate: keras.Variable,
    seed: int,
    output: Output | None,
) -> tuple[keras.Model | None, keras.Model]:
    """Base and head of a body, which is cut where training begins."""
    images, features = body.input, body.output
    if config.pretrained and config.trainable_stages == 0:
        pooled = features if config.pooling == "flatten" else pool(features, config.pooling)
        base = keras.Model(images, pooled)
        base.trainable = False
        return base, _top(config, base.output, rate, seed)
    cut = None
    if config.pretrained and config.trainable_stages < STAGES:
        cut = find_cut(body, config.trainable_stages)
    trunk = keras.Model(images if cut is None else cut, features)
    top = _top(config, features, rate, seed, output)
    head = Head(trunk, top, inference_trunk=config.pretrained)
    if cut is None:
        return None, head
    base = keras.Model(images, cut)
    base.trainable = False
    return base, head


def _top(
    config: ModelConfig,
    features: keras.KerasTensor,
    rate: keras.Variable,
    seed: int,
    output: Output | None = None,
) -> keras.Model:
    """The layers after the backbone, as a model of their own; none where it has its own output."""
    with _seeded(f"{seed} top"):
        inputs = keras.Input(features.shape[1:], dtype=features.dtype)
        if output:
            return keras.Model(inputs, to_logits(inputs, output))
        vector = pool(inputs, config.pooling)
        return keras.Model(inputs, classify(vector, config, partial(VariableDropout, rate)))


def name_afresh() -> None:
    """Makes layers without a name of their own be called alike in every network of a process.

    Keras counts them on and on (`conv2d_188`). It has no public way to begin anew but
    `clear_session`, which throws away traced functions as well.
    """
    reset_uids()


@contextmanager
def _seeded(seed: str) -> Iterator[None]:
    """Makes layers built inside draw their seeds from this one, and from nothing else.

    Keras takes the seed of every initializer and dropout from Python's `random`.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Builds the layers inside under a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def shape_key(config: ModelConfig) -> Hashable:
    """Equal for configurations that can share one traced training step.

    Dropout rate and L2 are not part of it, since they are kept in variables.
    """
    return config.model_copy(update={"dropout": 0.0, "l2": 0.0}).model_dump_json()


def set_dropout(network: Network, dropout: float) -> None:
    """Sets the dropout rate, in [0, 1), of a network that may already be traced."""
    network.dropout_rate.assign(dropout)


def reset(network: Network, *, seed: int) -> None:
    """Gives the head the weights and random state that `build_network` gives it with that seed.

    A frozen base and all traced functions stay as they are.
    """
    config = network.config
    if network.base is not None and config.trainable_stages == 0:
        with dtype_policy(network.precision):
            fresh = _top(config, network.base.output, network.dropout_rate, seed)
    else:
        fresh = build_network(
            config,
            seed=seed,
            precision=network.precision,
            weights=network.weights,
            catalogue=network.catalogue,
        ).head
    for variable, value in zip(network.head.variables, fresh.variables, strict=True):
        variable.assign(value)


def top_weights(network: Network) -> dict[str, np.ndarray]:
    """Weights of what comes after the backbone, to go on with when more of it is trained."""
    return variables.read(_top_of(network).weights)


def set_top_weights(network: Network, weights: Mapping[str, np.ndarray]) -> None:
    """Sets what `top_weights` returned for a network that differs in `trainable_stages` alone."""
    variables.assign(_top_of(network).weights, weights)


def set_linear_top(network: Network, head: LinearHead) -> None:
    """Gives the output layer, which must be all there is after the pooling, a head's weights."""
    kernel, bias = _top_of(network).trainable_variables
    kernel.assign(head.kernel)
    bias.assign(head.bias)


def rate_factors(network: Network, stage_decay: float) -> list[float]:
    """Returns what the learning rate of each trained variable is multiplied by, in their order.

    Lower layers know more general things, and are changed less (Howard & Ruder 2018): by a factor
    for each stage that lies above them. What comes after the backbone, and its top stage, have 1.

    Args:
        network: The network.
        stage_decay: The factor, in (0, 1].
    """
    head = network.head
    below = stages_below_top(head.trunk) if isinstance(head, Head) else {}
    return [stage_decay ** below.get(variable.path, 0) for variable in head.trainable_variables]


def _top_of(network: Network) -> keras.Model:
    return network.head.top if isinstance(network.head, Head) else network.head


def l2_kernels(network: Network) -> list[keras.Variable]:
    """The variables that the L2 penalty applies to, by `config.l2_scope`."""
    kernels = [v for v in network.head.trainable_variables if v.name.endswith("kernel")]
    return kernels if network.config.l2_scope == "all" else kernels[-1:]


def head_weights(network: Network) -> dict[str, np.ndarray]:
    """Weights of the trained part by their names; with the settings, all that a trial leaves."""
    return variables.read(network.head.weights)


def set_head_weights(network: Network, weights: Mapping[str, np.ndarray]) -> None:
    """Sets what `head_weights` returned.

    Raises:
        ModelError: They are another network's.
    """
    variables.assign(network.head.weights, weights)


def copy_weights(network: Network, model: keras.Model) -> None:
    """Gives a model of `models.export.whole_model` the weights of base and head."""
    parts = [network.head] if network.base is None else [network.base, network.head]
    values = {name: value for part in parts for name, value in variables.read(part.weights).items()}
    variables.assign(model.weights, values)


def count_parameters(network: Network) -> int:
    """Number of weights of base and head."""
    frozen = 0 if network.base is None else network.base.count_params()
    return int(frozen + network.head.count_params())
