"""Every setting that can be searched: one row each, in the order in which they are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from data_pipeline.augmentations import AUGMENTATIONS
from models.catalogue import BUILT_IN
from models.optimizers import OPTIMIZERS
from studies.domains import Choices, Fixed, FloatRange, IntRange
from studies.parameter import Parameter, When

PRETRAINED_BACKBONES = (
    "mobilenet_1.0",
    "resnet50_v2",
    "mobilenet_0.75",
    "mobilenet_v2_1.0",
    "efficientnet_v2_b0",
    "mobilenet_v2_0.35",
)
"""Worth trying first, best choice first: features for their cost on small images."""
SCRATCH_BACKBONES = ("cnn_deep", "resnet_small", "cnn")
"""Of those that start from random weights, best choice first on small images; on large ones, where
a quick network learns more in the same time, it is the other way round."""
LEVELS = ("light", "shift", "none", "medium", "strong")
"""Levels of augmentation that are searched, best choice first."""

HAS_WEIGHTS = When("backbone", lambda name: BUILT_IN.find(name).has_weights, "backbone has weights")
PRETRAINED = When("pretrained", bool, "pretrained")
NOT_PRETRAINED = When("pretrained", lambda pretrained: not pretrained, "not pretrained")
FINE_TUNED = When("trainable_stages", lambda stages: stages > 0, "trainable_stages above 0")
DECOUPLED = When(
    "optimizer", lambda name: OPTIMIZERS[name].decoupled_decay, "optimizer has decoupled decay"
)
COUPLED = When(
    "optimizer",
    lambda name: not OPTIMIZERS[name].decoupled_decay,
    "optimizer has no decoupled decay",
)
LARGE_STEPS = When("optimizer", lambda name: name == "sgd", "optimizer is sgd")
SMALL_STEPS = When("optimizer", lambda name: name != "sgd", "optimizer is not sgd")
PENALISED = When("l2", lambda l2: l2 > 0, "l2 above 0")
ON_PLATEAU = When("schedule", lambda name: name == "plateau", "schedule is plateau")

_ROWS = (
    Parameter("backbone", "model.backbone", "network below the head", names=tuple(BUILT_IN)),
    Parameter(
        "pretrained",
        "model.pretrained",
        "start from ImageNet weights",
        default=Fixed(value=True),
        when=HAS_WEIGHTS,
    ),
    Parameter(
        "trainable_stages",
        "model.trainable_stages",
        "stages of the backbone that are trained, from the top; 0 trains the head alone",
        default=IntRange(low=0, high=2),
        start=0,
        when=PRETRAINED,
    ),
    Parameter("pooling", "model.pooling", "how the feature map of the backbone becomes a vector"),
    Parameter(
        "head_widths",
        "model.head_widths",
        "units of each dense layer before the output",
        default=Choices(values=("none", "64", "128", "256")),
        start="128",
    ),
    Parameter(
        "dropout",
        "model.dropout",
        "rate after each dense layer of the head",
        default=FloatRange(low=0.0, high=0.6),
        start=0.3,
    ),
    Parameter("output", "model.output", "one unit a class, or one sigmoid unit for two classes"),
    Parameter(
        "optimizer",
        "optimizer.name",
        "what turns gradients into steps",
        default=Choices(values=("adam", "adamw", "rmsprop", "sgd")),
        start="adam",
        names=tuple(OPTIMIZERS),
    ),
    Parameter(
        "learning_rate",
        "optimizer.learning_rate",
        "step size",
        default=FloatRange(low=1e-4, high=1e-2, log=True),
        start=1e-3,
        when=SMALL_STEPS,
    ),
    Parameter(
        "sgd_learning_rate",
        "optimizer.learning_rate",
        "step size of sgd, whose good ones are larger",
        default=FloatRange(low=0.001, high=0.3, log=True),
        start=0.03,
        when=LARGE_STEPS,
        follows="learning_rate",
    ),
    Parameter(
        "weight_decay",
        "optimizer.weight_decay",
        "decoupled weight decay",
        default=FloatRange(low=1e-5, high=1e-1, log=True),
        start=1e-3,
        when=DECOUPLED,
    ),
    Parameter(
        "l2",
        "model.l2",
        "weight of the squared-norm penalty",
        default=FloatRange(low=1e-6, high=1e-2, log=True, zero=True),
        start=0.0,
        when=COUPLED,
    ),
    Parameter("l2_scope", "model.l2_scope", "kernels penalised", when=PENALISED),
    Parameter(
        "augmentation",
        "augment",
        "named level of random changes to training images",
        start="light",
        names=tuple(AUGMENTATIONS),
    ),
    Parameter("rotation_deg", "augment.rotation_deg", "turned by up to this angle"),
    Parameter("width_shift", "augment.width_shift", "moved sideways by up to this fraction"),
    Parameter("height_shift", "augment.height_shift", "moved up or down by up to this"),
    Parameter("zoom", "augment.zoom", "scaled by a factor in [1 - zoom, 1 + zoom]"),
    Parameter("shear_deg", "augment.shear_deg", "sheared by up to this angle"),
    Parameter("brightness", "augment.brightness", "multiplied by a factor in this range"),
    Parameter("flip_horizontal", "augment.flip_horizontal", "mirrored half of the time"),
    Parameter("flip_vertical", "augment.flip_vertical", "turned over half of the time"),
    Parameter("fill", "augment.fill", "what stands where the image was moved away"),
    Parameter(
        "mixup_alpha",
        "augment.mixup_alpha",
        "training images mixed in pairs by Beta(alpha, alpha); 0 is none",
        default=FloatRange(low=0.1, high=0.4, zero=True),
        start=0.0,
    ),
    Parameter("batch_size", "training.batch_size", "images a step", start=32),
    Parameter("epochs", "training.epochs", "passes over the training images, at most", start=30),
    Parameter(
        "head_epochs",
        "training.head_epochs",
        "first epochs that train the head alone",
        default=Fixed(value=3),
        when=FINE_TUNED,
    ),
    Parameter(
        "fine_tune_factor",
        "training.fine_tune_factor",
        "what the learning rate is multiplied by after them",
        when=FINE_TUNED,
    ),
    Parameter(
        "schedule",
        "training.schedule",
        "constant learning rate, lowered when validation stalls, or along a cosine",
    ),
    Parameter(
        "plateau_factor",
        "training.plateau_factor",
        "what the learning rate is multiplied by then",
        when=ON_PLATEAU,
    ),
    Parameter(
        "plateau_patience",
        "training.plateau_patience",
        "epochs without improvement before that",
        when=ON_PLATEAU,
    ),
    Parameter(
        "plateau_cooldown", "training.plateau_cooldown", "epochs to wait after it", when=ON_PLATEAU
    ),
    Parameter(
        "min_learning_rate",
        "training.min_learning_rate",
        "the learning rate never falls below",
        when=ON_PLATEAU,
    ),
    Parameter(
        "early_stopping_patience",
        "training.early_stopping_patience",
        "epochs without improvement after which training ends; 0 is never",
    ),
    Parameter(
        "batch_norm",
        "training.batch_norm",
        "evaluate batch normalisation by precise statistics or Keras's moving averages",
        when=NOT_PRETRAINED,
    ),
)

PARAMETERS: Mapping[str, Parameter] = MappingProxyType({row.name: row for row in _ROWS})
