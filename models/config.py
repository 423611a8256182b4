"""The settings of a network and its optimizer, as frozen values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

STRENGTHS = (1.0, 3e-1, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
"""Weights of the penalty beside the mean cross-entropy, strongest first, a path that covers what
validation chose on features of 200 to 10,000 images."""
STAGES = 5
"""Every ImageNet backbone halves its image this many times; each size is one stage."""


class OwnNetwork(BaseModel):
    """What a network has that is no row of this program, but of a user's file.

    Attributes:
        code: Digest of the text it is built from; see `models.source.Source`.
        settings: Its own settings by their names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)


class ModelConfig(BaseModel):
    """One network, from raw pixels to logits.

    Attributes:
        backbone: Name of a row of the catalogue, see `models.catalogue`.
        pretrained: Start from ImageNet weights; otherwise from random ones.
        image_size_px: Height and width of the square images the network sees.
        classes: Number of classes, at least 2.
        output: `softmax` gives one unit a class; `sigmoid` one unit, for two classes only.
        pooling: How the backbone's feature map becomes a vector.
        head_widths: Units of each dense ReLU layer between pooling and output.
        dropout: Rate of the dropout after each dense layer of the head, or after the pooling
            where the head has no dense layer, in [0, 1).
        trainable_stages: Stages of a pretrained backbone that are trained, counted from the top:
            0 trains the head alone, 5 everything. Networks that start from random weights are
            always trained whole. Below 5, mixup mixes what the frozen part returns.
        l2: Weight of the squared-norm penalty, `l2 * sum(square(kernel))` as in Keras; 0 is none.
        l2_scope: Which kernels are penalised: all trainable ones, or the output layer's.
        own: What a network of the user's own has besides; None for all others. One that has its
            own output ignores `output`, `pooling`, `head_widths` and `dropout`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str
    pretrained: bool = False
    image_size_px: int = Field(ge=4, le=4096)
    classes: int = Field(ge=2)
    output: Literal["softmax", "sigmoid"] = "softmax"
    pooling: Literal["avg", "max", "flatten"] = "avg"
    head_widths: tuple[int, ...] = ()
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    trainable_stages: int = Field(default=0, ge=0, le=STAGES)
    l2: float = Field(default=0.0, ge=0.0)
    l2_scope: Literal["all", "output"] = "all"
    own: OwnNetwork | None = None


class OptimizerConfig(BaseModel):
    """One optimizer.

    Attributes:
        name: Name of a row of `models.optimizers.OPTIMIZERS`.
        learning_rate: Step size before any schedule, above 0.
        weight_decay: Decoupled weight decay (Loshchilov & Hutter 2019); 0 for optimizers without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "adam"
    learning_rate: float = Field(default=1e-3, gt=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
