"""Every setting that can be searched: one row each, in the order in which they are sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from data_pipeline.augmentations import AUGMENTATIONS
from models.catalogue import BUILT_IN, Catalogue
from models.optimizers import OPTIMIZERS
from studies.domains import Choices, Fixed, FloatRange, Value
from studies.parameter import NONE, Parameter, When

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
LEVELS = ("light", "shift", "none", "medium", "strong", "varied")
"""Levels of augmentation that are searched, best choice first."""
OF_THE_HEAD = frozenset({"pooling", "head_widths", "dropout", "output"})
"""What means nothing for a network that has its own output."""

PRETRAINED = When(("pretrained",), bool, "pretrained")
FROM_SCRATCH = When(("pretrained",), lambda pretrained: not pretrained, "not pretrained")
LINEAR = When(("head_widths",), lambda widths: widths == NONE, "head_widths is none")
IN_STEPS = When(
    ("trainable_stages", "solved_head"),
    lambda stages, solved: stages > 0 or not solved,
    "trained in steps",
)
"""Everything but a solved head on a frozen backbone is trained by gradient steps."""
FINE_TUNED = When(("trainable_stages",), lambda stages: stages > 0, "trainable_stages above 0")
HEAD_IN_STEPS = When(("solved_head",), lambda solved: not solved, "not solved_head")
DECOUPLED = When(
    ("optimizer",), lambda name: OPTIMIZERS[name].decoupled_decay, "optimizer has decoupled decay"
)
COUPLED = When(
    ("optimizer",),
    lambda name: not OPTIMIZERS[name].decoupled_decay,
    "optimizer has no decoupled decay",
)
LARGE_STEPS = When(("optimizer",), lambda name: name == "sgd", "optimizer is sgd")
SMALL_STEPS = When(("optimizer",), lambda name: name != "sgd", "optimizer is not sgd")
PENALISED = When(("l2",), lambda l2: l2 > 0, "l2 above 0")
ON_PLATEAU = When(("schedule",), lambda name: name == "plateau", "schedule is plateau")
ALONG_COSINE = When(("schedule",), lambda name: name == "cosine", "schedule is cosine")

_ROWS = (
    Parameter(
        "image_size_px",
        "model.image_size_px",
        "height and width that images are resized to",
        when=(PRETRAINED,),
    ),
    Parameter(
        "scratch_image_size_px",
        "model.image_size_px",
        "the same for a network that starts from random weights",
        when=(FROM_SCRATCH,),
        follows="image_size_px",
    ),
    Parameter(
        "trainable_stages",
        "model.trainable_stages",
        "stages of the backbone that are trained, from the top; 0 trains the head alone",
        default=Choices(values=(0, 1, 2, 5)),
        start=0,
        when=(PRETRAINED,),
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
        "solved_head",
        "training.solved_head",
        "the head begins as a logistic regression on the frozen backbone's features",
        default=Choices(values=(False, True)),
        start=False,
        when=(PRETRAINED, LINEAR),
    ),
    Parameter(
        "dropout",
        "model.dropout",
        "rate after each dense layer of the head",
        default=FloatRange(low=0.0, high=0.6),
        start=0.3,
        when=(IN_STEPS,),
    ),
    Parameter("output", "model.output", "one unit a class, or one sigmoid unit for two classes"),
    Parameter(
        "optimizer",
        "optimizer.name",
        "what turns gradients into steps",
        default=Choices(values=("adam", "adamw", "rmsprop", "sgd")),
        start="adam",
        names=tuple(OPTIMIZERS),
        when=(IN_STEPS,),
    ),
    Parameter(
        "learning_rate",
        "optimizer.learning_rate",
        "step size",
        default=FloatRange(low=1e-4, high=1e-2, log=True),
        start=1e-3,
        when=(IN_STEPS, SMALL_STEPS),
    ),
    Parameter(
        "sgd_learning_rate",
        "optimizer.learning_rate",
        "step size of sgd, whose good ones are larger",
        default=FloatRange(low=0.001, high=0.3, log=True),
        start=0.03,
        when=(IN_STEPS, LARGE_STEPS),
        follows="learning_rate",
    ),
    Parameter(
        "weight_decay",
        "optimizer.weight_decay",
        "decoupled weight decay",
        default=FloatRange(low=1e-5, high=1e-1, log=True),
        start=1e-3,
        when=(IN_STEPS, DECOUPLED),
    ),
    Parameter(
        "l2",
        "model.l2",
        "weight of the squared-norm penalty",
        default=FloatRange(low=1e-6, high=1e-2, log=True, zero=True),
        start=0.0,
        when=(IN_STEPS, COUPLED),
    ),
    Parameter("l2_scope", "model.l2_scope", "kernels penalised", when=(PENALISED,)),
    Parameter(
        "augmentation",
        "augment",
        "named level of random changes to training images",
        start="light",
        names=tuple(AUGMENTATIONS),
        when=(IN_STEPS,),
    ),
    Parameter(
        "rotation_deg", "augment.rotation_deg", "turned by up to this angle", when=(IN_STEPS,)
    ),
    Parameter(
        "width_shift",
        "augment.width_shift",
        "moved sideways by up to this fraction",
        when=(IN_STEPS,),
    ),
    Parameter(
        "height_shift", "augment.height_shift", "moved up or down by up to this", when=(IN_STEPS,)
    ),
    Parameter(
        "zoom", "augment.zoom", "scaled by a factor in [1 - zoom, 1 + zoom]", when=(IN_STEPS,)
    ),
    Parameter("shear_deg", "augment.shear_deg", "sheared by up to this angle", when=(IN_STEPS,)),
    Parameter(
        "brightness", "augment.brightness", "multiplied by a factor in this range", when=(IN_STEPS,)
    ),
    Parameter(
        "contrast",
        "augment.contrast",
        "differences from the mean multiplied by a factor in this range",
        when=(IN_STEPS,),
    ),
    Parameter(
        "saturation",
        "augment.saturation",
        "differences from grey multiplied by a factor in this range",
        when=(IN_STEPS,),
    ),
    Parameter(
        "most_changes",
        "augment.most_changes",
        "if not 0, only so many of these changes are made to an image, others for each",
        when=(IN_STEPS,),
    ),
    Parameter(
        "flip_horizontal", "augment.flip_horizontal", "mirrored half of the time", when=(IN_STEPS,)
    ),
    Parameter(
        "flip_vertical", "augment.flip_vertical", "turned over half of the time", when=(IN_STEPS,)
    ),
    Parameter(
        "fill", "augment.fill", "what stands where the image was moved away", when=(IN_STEPS,)
    ),
    Parameter(
        "mixup_alpha",
        "augment.mixup_alpha",
        "training images mixed in pairs by Beta(alpha, alpha); 0 is none",
        default=FloatRange(low=0.1, high=0.4, zero=True),
        start=0.0,
        when=(IN_STEPS,),
    ),
    Parameter("batch_size", "training.batch_size", "images a step", start=32, when=(IN_STEPS,)),
    Parameter(
        "epochs",
        "training.epochs",
        "passes over the training images, at most",
        start=30,
        when=(IN_STEPS,),
    ),
    Parameter(
        "head_epochs",
        "training.head_epochs",
        "first epochs that train the head alone",
        default=Fixed(value=3),
        when=(FINE_TUNED, HEAD_IN_STEPS),
    ),
    Parameter(
        "fine_tune_factor",
        "training.fine_tune_factor",
        "what the learning rate is multiplied by after them",
        when=(FINE_TUNED, HEAD_IN_STEPS),
    ),
    Parameter(
        "schedule",
        "training.schedule",
        "constant learning rate, lowered when validation stalls, or along a cosine",
        default=Choices(values=("plateau", "cosine")),
        start="plateau",
        when=(IN_STEPS,),
    ),
    Parameter(
        "warmup",
        "training.warmup",
        "share of the steps in which the learning rate rises to its full height",
        default=Fixed(value=0.1),
        when=(IN_STEPS, ALONG_COSINE),
    ),
    Parameter(
        "label_smoothing",
        "training.label_smoothing",
        "share of each label that is spread over all classes",
        default=Choices(values=(0.0, 0.1)),
        start=0.0,
        when=(IN_STEPS,),
    ),
    Parameter(
        "weight_average",
        "training.weight_average",
        "decay a step of the moving average of the weights that is validated and kept; 0 is none",
        default=Choices(values=(0.0, 0.98)),
        start=0.0,
        when=(IN_STEPS,),
    ),
    Parameter(
        "stage_decay",
        "training.stage_decay",
        "what the learning rate is multiplied by for each stage of the backbone above a layer",
        default=Choices(values=(1.0, 0.5)),
        start=1.0,
        when=(FINE_TUNED,),
    ),
    Parameter(
        "class_weights",
        "training.class_weights",
        "whether rare classes count as much as common ones",
    ),
    Parameter(
        "plateau_factor",
        "training.plateau_factor",
        "what the learning rate is multiplied by then",
        when=(IN_STEPS, ON_PLATEAU),
    ),
    Parameter(
        "plateau_patience",
        "training.plateau_patience",
        "epochs without improvement before that",
        when=(IN_STEPS, ON_PLATEAU),
    ),
    Parameter(
        "plateau_cooldown",
        "training.plateau_cooldown",
        "epochs to wait after it",
        when=(IN_STEPS, ON_PLATEAU),
    ),
    Parameter(
        "min_learning_rate",
        "training.min_learning_rate",
        "the learning rate never falls below",
        when=(IN_STEPS, ON_PLATEAU),
    ),
    Parameter(
        "early_stopping_patience",
        "training.early_stopping_patience",
        "epochs without improvement after which training ends; 0 is never",
        when=(IN_STEPS,),
    ),
    Parameter(
        "batch_norm",
        "training.batch_norm",
        "evaluate batch normalisation by precise statistics or Keras's moving averages",
        when=(FROM_SCRATCH,),
    ),
)
"""All but the two that depend on what backbones there are."""


@dataclass(frozen=True, eq=False)
class ParameterTable(Mapping[str, Parameter]):
    """The settings of the studies that have certain backbones to choose from.

    Attributes:
        catalogue: The backbones.
        rows: Name to setting, in the order in which they are sampled.
    """

    catalogue: Catalogue
    rows: Mapping[str, Parameter]

    def __getitem__(self, name: str) -> Parameter:
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def applies(self, row: Parameter, values: Mapping[str, Value]) -> bool:
        """Returns whether a setting means anything beside the values of the rows before it.

        Args:
            row: The setting.
            values: Name to value; a row that is not in it has the default of its target.
        """
        return all(
            when.holds(*(values.get(name, self[name].default_value) for name in when.parameters))
            for when in row.when
        )

    def with_rows(self, *rows: Parameter) -> ParameterTable:
        """Returns a table with these settings after the present ones.

        Raises:
            ValueError: Two settings would have the same name.
        """
        names = [*self, *(row.name for row in rows)]
        if len({*names}) < len(names):
            raise ValueError(f"Each setting must have a name of its own. Received: {names}.")
        joined = {**self.rows, **{row.name: row for row in rows}}
        return ParameterTable(self.catalogue, MappingProxyType(joined))


def parameter_table(catalogue: Catalogue) -> ParameterTable:
    """Returns the settings of studies that choose from the backbones of a catalogue."""
    has_weights = When(
        ("backbone",), lambda name: catalogue.find(name).has_weights, "backbone has weights"
    )
    of_catalogue = (
        Parameter("backbone", "model.backbone", "network below the head", names=tuple(catalogue)),
        Parameter(
            "pretrained",
            "model.pretrained",
            "start from ImageNet weights",
            default=Fixed(value=True),
            when=(has_weights,),
        ),
    )
    rows: tuple[Parameter, ...] = _ROWS
    if any(row.output for row in catalogue.rows.values()):
        headed = When(
            ("backbone",),
            lambda name: catalogue.find(name).output is None,
            "backbone has no output of its own",
        )
        rows = tuple(
            replace(row, when=(headed, *row.when)) if row.name in OF_THE_HEAD else row
            for row in _ROWS
        )
    return ParameterTable(catalogue, MappingProxyType({})).with_rows(*of_catalogue, *rows)


PARAMETERS = parameter_table(BUILT_IN)
"""The settings of studies that have no backbones of their own."""
