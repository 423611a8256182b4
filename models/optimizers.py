"""The table of optimizers. Reading it needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from models.config import OptimizerConfig
from models.errors import ModelError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Optimizer:
    """One optimizer of Keras.

    Attributes:
        name: Key of the row.
        constructor: Name of the class in `keras.optimizers`.
        decoupled_decay: Whether it is meant to be used with decoupled weight decay (Loshchilov &
            Hutter 2019). The others are regularised by an L2 penalty.
        source: Where it was described.
        kwargs: What the constructor is given besides rate and decay.
    """

    name: str
    constructor: str
    decoupled_decay: bool
    source: str
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)


_ROWS = (
    Optimizer("adam", "Adam", False, "Kingma & Ba 2015"),
    Optimizer("adamw", "AdamW", True, "Loshchilov & Hutter 2019"),
    Optimizer("lion", "Lion", True, "Chen et al. 2023"),
    Optimizer("nadam", "Nadam", False, "Dozat 2016"),
    Optimizer("rmsprop", "RMSprop", False, "Tieleman & Hinton 2012"),
    Optimizer("sgd", "SGD", False, "Sutskever et al. 2013", {"momentum": 0.9, "nesterov": True}),
)

_NO_KERNEL = r"^(?!.*kernel(:\d+)?$)"
"""Matches gamma, beta, bias and all else that is no kernel. Keras compares it with TensorFlow's
name of a variable, such as `stage1_1_conv/kernel:0`."""

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType({row.name: row for row in _ROWS})


def build_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """An optimizer whose rate and decay are variables, so that a traced step can be reused.

    Assign to `optimizer.learning_rate` and, where the row has decoupled decay,
    `optimizer.weight_decay`. Both are among `optimizer.variables`, and so in every checkpoint.

    Raises:
        ModelError: If there is no such optimizer, or it is given a decay it is not made for.
    """
    import keras

    row = OPTIMIZERS.get(config.name)
    if row is None:
        raise ModelError(
            f"An optimizer must be one of {', '.join(OPTIMIZERS)}. Received: {config.name!r}."
        )
    if config.weight_decay and not row.decoupled_decay:
        decoupled = ", ".join(r.name for r in _ROWS if r.decoupled_decay)
        raise ModelError(
            f"Weight decay must be 0 for an optimizer other than {decoupled}. "
            f"Received: {config.weight_decay} for {row.name}. Use the model's l2 instead."
        )
    from models import fused_optimizers

    constructor = getattr(fused_optimizers, row.constructor, None) or getattr(
        keras.optimizers, row.constructor
    )
    # Its variables' names, by which checkpoints keep them, begin with this one.
    optimizer = constructor(config.learning_rate, name=row.name, **row.kwargs)
    if row.decoupled_decay:
        # Kernels alone, as for the L2 penalty: a scale that decays to 0 is no regularisation.
        optimizer.exclude_from_weight_decay(var_names=[_NO_KERNEL])
        optimizer.weight_decay = keras.Variable(
            config.weight_decay, dtype="float32", trainable=False, name="weight_decay"
        )
    return optimizer
