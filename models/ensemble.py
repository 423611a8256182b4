"""Several networks as one that people take away: plain Keras layers, one file.

Members that share a frozen backbone share it here, too, so that it is computed once. The mean of
their logits is taken by scaling each member's last dense layer, which needs no layer but an
addition; several linear heads on one backbone even become one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import layers

from models import variables
from models.bodies import build_body
from models.catalogue import BUILT_IN, Catalogue
from models.config import ModelConfig
from models.export import classes_layer, square
from models.heads import classify, pool
from models.network import build_network, dtype_policy, name_afresh

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes:
        config: The network.
        weights: What `models.network.head_weights` returned for it.
        factor: What its logits are multiplied by before they are added up.
    """

    config: ModelConfig
    weights: Weights
    factor: float

    @property
    def frozen(self) -> bool:
        """Whether its backbone is ImageNet's, as it is."""
        return self.config.pretrained and self.config.trainable_stages == 0

    @property
    def backbone(self) -> tuple[str, int, str]:
        """Equal for frozen members that share their backbone."""
        return self.config.backbone, self.config.image_size_px, self.config.pooling


@dataclass(frozen=True)
class Whole:
    """An ensemble, twice over the same layers.

    Attributes:
        model: From RGB images of any size to probabilities, as `models.export.whole_model` returns.
        core: The same from images that are squares already, one input for each of `sizes_px`.
        sizes_px: The image sizes of its members, small ones first.
    """

    model: keras.Model
    core: keras.Model
    sizes_px: tuple[int, ...]


def ensemble_model(
    members: Sequence[Member],
    *,
    class_names: Sequence[str],
    reading: str = "",
    resize: Literal["stretch", "pad", "crop"] = "stretch",
    catalogue: Catalogue = BUILT_IN,
) -> Whole:
    """Returns the ensemble of members whose outputs are of one kind.

    Args:
        members: At least one.
        class_names: Names of the classes in the order of the labels.
        reading: See `models.export.whole_model`.
        resize: How images become squares.
        catalogue: Where backbones are looked up.

    Raises:
        ModelError: Pretrained weights are missing, or weights are another network's.
    """
    sizes_px = tuple(sorted({member.config.image_size_px for member in members}))
    parts = [
        _Part.build(group, number, catalogue)
        for number, group in enumerate(_sharing_a_backbone(members), start=1)
    ]
    name_afresh()
    with dtype_policy("float32"):
        images = keras.Input((None, None, 3), dtype="float32", name="images")
        squares = {
            size_px: square(
                size_px, reading if size_px == sizes_px[0] else "", resize, f"{n or ''}"
            )(images, training=False)
            for n, size_px in enumerate(sizes_px)
        }
        logits = [part(squares[part.image_size_px]) for part in parts]
        flat = [tensor for tensors in logits for tensor in tensors]
        total = layers.Add(name="sum_of_logits")(flat) if len(flat) > 1 else flat[0]
        probabilities = classes_layer(members[0].config.output, class_names)(total)
        model = keras.Model(images, probabilities, name="image_classifier")
        core = keras.Model([squares[size_px] for size_px in sizes_px], probabilities)
    return Whole(model, core, sizes_px)


def _sharing_a_backbone(members: Sequence[Member]) -> list[list[Member]]:
    groups: dict[object, list[Member]] = {}
    for number, member in enumerate(members):
        groups.setdefault(member.backbone if member.frozen else number, []).append(member)
    return list(groups.values())


@dataclass(frozen=True)
class _Part:
    """A backbone and the heads on it."""

    trunk: keras.Model
    heads: Sequence[keras.Model]
    image_size_px: int

    @classmethod
    def build(cls, members: Sequence[Member], number: int, catalogue: Catalogue) -> _Part:
        """Builds it with its weights.

        Args:
            members: Members with the same backbone.
            number: Of the part, from 1.
            catalogue: Where the backbone is looked up.
        """
        config = members[0].config
        below = build_network(config, seed=0, catalogue=catalogue).base
        weights = dict(variables.read(below.weights)) if below else {}
        size_px = config.image_size_px
        name_afresh()
        with dtype_policy("float32"):
            images = keras.Input((size_px, size_px, 3), dtype="float32")
            body = build_body(catalogue.find(config.backbone), images, for_file=True)
            vector = pool(body.output, config.pooling)
            trunk = keras.Model(body.input, vector, name=f"backbone{number}")
            heads = [
                _head(vector, head, f"backbone{number}_head{n}")
                for n, head in enumerate(_merged(members), start=1)
            ]
        of_trunk = {variable.path for variable in trunk.weights}
        weights |= {k: v for k, v in members[0].weights.items() if k in of_trunk}
        variables.assign(trunk.weights, weights)
        return cls(trunk, heads, size_px)

    def __call__(self, images: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Returns the logits of each head."""
        vector = self.trunk(images, training=False)
        return [head(vector, training=False) for head in self.heads]


def _head(vector: keras.KerasTensor, member: Member, name: str) -> keras.Model:
    inputs = keras.Input(vector.shape[1:], dtype=vector.dtype)
    config = member.config
    logits = classify(inputs, config, lambda name: layers.Dropout(config.dropout, name=name))
    head = keras.Model(inputs, logits, name=name)
    of_head = {variable.path for variable in head.weights}
    variables.assign(head.weights, {k: v for k, v in _scaled(member).items() if k in of_head})
    return head


def _scaled(member: Member) -> dict[str, np.ndarray]:
    """Returns a member's weights, those of its last layer multiplied by its factor."""
    return {
        name: value * np.float32(member.factor) if name.startswith("logits/") else value
        for name, value in member.weights.items()
    }


def _merged(members: Sequence[Member]) -> Iterator[Member]:
    """Yields members with the linear ones among them as one."""
    linear = [member for member in members if not member.config.head_widths]
    if linear:
        scaled = [_scaled(member) for member in linear]
        total = {
            name: np.sum([weights[name] for weights in scaled], axis=0)
            for name in ("logits/kernel", "logits/bias")
        }
        yield Member(linear[0].config, {**linear[0].weights, **total}, 1.0)
    yield from (member for member in members if member.config.head_widths)
