"""Image backbones of KerasHub, which the extra `hub` brings: https://keras.io/keras_hub/.

A preset is a folder that KerasHub downloads from Kaggle: the network's settings, what its pixels
become, and its weights. All three are read from there, so a row is little more than a name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models.backbone import Backbone
from models.errors import ModelError

if TYPE_CHECKING:
    import keras

SETTINGS, PIXELS, WEIGHTS = "config.json", "image_converter.json", "model.weights.h5"
_FIRST = "hub_pixels"
_BLOCKS = ("encoder_layers", "layers")
"""Where KerasHub's encoders keep their blocks."""


@dataclass(frozen=True)
class HubPreset:
    """A preset of KerasHub; see `models.backbone.Weights`.

    Attributes:
        name: KerasHub's name of it.
        place: Its folder below that of Keras's models on Kaggle.
        features: What is taken of the network's output: all of it, the class token, or that beside
            the mean of the patches, as Oquab et al. (2024) classify with DINOv2.
        part: Attribute of the preset's model that sees the images; empty for the model itself.
    """

    name: str
    place: str
    features: Literal["output", "class", "class and mean"] = "output"
    part: str = ""

    @property
    def file_name(self) -> str:
        """Name of the file with the weights."""
        return f"{self.place}/{WEIGHTS}"

    @property
    def folder(self) -> Path:
        """Where `kagglehub` keeps Keras's models; `KAGGLEHUB_CACHE` moves it."""
        root = os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")
        return Path(root).expanduser() / "models" / "keras"

    @property
    def download_command(self) -> str:
        """Shell command by which KerasHub downloads the preset."""
        return (
            f'python -c "import keras_hub as k; k.models.Backbone.from_preset({self.name!r}); '
            f'k.layers.ImageConverter.from_preset({self.name!r})"'
        )

    def here(self) -> Path | None:
        """Returns the file with the weights, or None where something of the preset is missing."""
        folder = self.folder / self.place
        complete = all((folder / name).is_file() for name in (SETTINGS, PIXELS, WEIGHTS))
        return folder / WEIGHTS if complete and find_spec("keras_hub") else None

    def fetch(self) -> Path:
        """Returns the file with the weights, which KerasHub downloads where it is missing.

        Raises:
            ModelError: KerasHub is not installed, or the download failed.
        """
        if path := self.here():
            return path
        hub = _keras_hub()
        try:
            hub.models.Backbone.from_preset(self.name)
            hub.layers.ImageConverter.from_preset(self.name)
        except Exception as error:  # of requests, of Kaggle or of KerasHub
            raise ModelError(
                f"The preset {self.name} of KerasHub must be downloaded. "
                f"Received: {_reason(error)}. Check the network, or leave this backbone out."
            ) from error
        if path := self.here():
            return path
        raise ModelError(
            f"A preset of KerasHub must hold {SETTINGS}, {PIXELS} and {WEIGHTS}. "
            f"Received: {self.folder / self.place} without one of them. Choose another backbone."
        )

    def build(self, images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the symbolic features of symbolic images, 0..255.

        Raises:
            ModelError: KerasHub or the preset is not here.
        """
        return self._build(images_bhwc, _as_operations)

    def build_for_file(self, images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the same of a nested model, which KerasHub can load again.

        Not all layers within it can be loaded alone.
        """
        return self._build(images_bhwc, lambda model, images: model(_given(model, images)))

    def _build(self, images_bhwc: keras.KerasTensor, connect: Callable[..., Any]) -> Any:
        import keras

        _keras_hub()
        pixels = self._read(PIXELS)["config"]
        scale, offset = pixels.get("scale"), pixels.get("offset")
        rescale = keras.layers.Rescaling(
            1.0 if scale is None else scale,
            0.0 if offset is None else offset,
            dtype="float32",
            name=_FIRST,
        )
        x = rescale(images_bhwc)
        model, size_px = self._model(int(images_bhwc.shape[1]))
        rescale.read_model = lambda: model  # for `load`; as an attribute it would be part of it
        if size_px != images_bhwc.shape[1]:
            # Without `training` all layers after this one would run as in training.
            x = keras.layers.Resizing(size_px, size_px, name="hub_size")(x, training=False)
        return self._features_of(connect(model, x))

    def load(self, body: keras.Model, file: Path) -> None:
        """Gives a body the preset's weights.

        Raises:
            ModelError: They are another network's.
        """
        model = body.get_layer(_FIRST).read_model()
        try:
            if not self.part:
                model.load_weights(file)
                return
            whole = _keras_hub().models.Backbone.from_preset(str(file.parent))
            theirs = getattr(whole, self.part).weights
            for variable, value in zip(model.weights, theirs, strict=True):
                variable.assign(value)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                "Pretrained weights must be the complete preset that KerasHub downloads. "
                f"Received: {file.parent} ({error}). Delete it and let KerasHub download it again."
            ) from error

    def _model(self, size_px: int) -> tuple[Any, int]:
        """Returns the network with random weights, and the image size that it takes."""
        import keras

        described = self._read(SETTINGS)
        if self.part:
            described = described["config"][self.part]
        settings = described["config"]
        settings.pop("dtype", None)  # that of the policy now
        if "position_embedding_shape" in settings:  # it interpolates them
            patch_px = settings["patch_size"]
            size_px = max(1, round(size_px / patch_px)) * patch_px
            settings["image_shape"] = [size_px, size_px, 3]
        elif fixed_px := settings.get("image_shape", [None])[0]:
            size_px = fixed_px
        model = keras.saving.deserialize_keras_object(described)
        for variable in model.weights:
            # DINOv2 keeps its positions for one size only in a file: were those of another size
            # trained, they would be others once the file is loaded.
            variable.trainable &= not variable.path.endswith("interpolated_position_embeddings")
        return model, size_px

    def _features_of(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        from keras import ops

        if self.features == "output":
            return tokens
        if self.features == "class":
            return tokens[:, 0]
        return ops.concatenate([tokens[:, 0], ops.mean(tokens[:, 1:], axis=1)], axis=-1)

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / self.place / name).read_bytes())
        except FileNotFoundError as error:
            raise ModelError(
                f"hub:{self.name} needs its preset even with random weights. "
                f"Received: none in {self.folder / self.place}. Run `{self.download_command}`."
            ) from error


def _keras_hub() -> Any:
    """Returns KerasHub.

    Raises:
        ModelError: It is not installed.
    """
    if find_spec("keras_hub") is None:
        raise ModelError(
            "Backbones whose names begin with hub: need KerasHub. Received: an installation "
            "without it. Run `pip install 'hpo[hub]'`."
        )
    import keras_hub

    return keras_hub


def _reason(error: Exception) -> str:
    """Returns why a download failed, in one line that names no host."""
    if isinstance(error, OSError):  # those of `requests` are among them, and name all they tried
        return f"no connection to Kaggle ({type(error).__name__})"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]


def _as_operations(model: Any, images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
    """Returns a network's output for other images, its layers being operations of the new graph.

    As one nested model it could not be cut where training begins. Encoders are taken apart into
    their blocks for the same reason. That the layers were connected before is forgotten, as a
    layer's input and output are those of its first connection.
    """
    for layer in model.layers:
        layer._inbound_nodes.clear()
        layer._outbound_nodes.clear()

    def connect(operation: Any) -> Callable[..., Any]:
        several = any(isinstance(getattr(operation, name, None), list) for name in _BLOCKS)
        is_encoder = several and not hasattr(operation, "operations")
        return operation.call if is_encoder else operation  # type: ignore[no-any-return]

    return model._run_through_graph(_given(model, images_bhwc), operation_fn=connect)


def _given(model: Any, images_bhwc: keras.KerasTensor) -> Any:
    """Returns images in the form that a network of KerasHub takes them in."""
    return {"images": images_bhwc} if isinstance(model.input, dict) else images_bhwc


def _row(
    name: str,
    parameters: int,
    multiply_adds_224: float | None,
    family: str,
    source: str,
    features: Literal["output", "class", "class and mean"] = "output",
    part: str = "",
    version: int = 1,
) -> Backbone:
    preset = HubPreset(name, f"{family}/keras/{name}/{version}", features, part)
    return Backbone(
        f"hub:{name}",
        preset.build,
        parameters,
        min_size_px=32,
        preprocessing="preset",
        source=source,
        weights=preset,
        multiply_adds_224=multiply_adds_224,
        construct_for_file=preset.build_for_file,
    )


# Multiply-adds of the transformers: the weights of their blocks times the tokens, and the attention
# between these. No publication has MobileNetV5's.
ROWS = (
    _row("dinov2_small", 22_582_656, 6.1e9, "dinov2", "Oquab et al. 2024", "class and mean"),
    _row("dinov2_base", 87_632_640, 2.31e10, "dinov2", "Oquab et al. 2024", "class and mean"),
    _row(
        "vit_base_patch16_224_imagenet21k",
        85_798_656,
        1.75e10,
        "vit",
        "Dosovitskiy et al. 2021",
        "class",
        version=3,
    ),
    _row(
        "siglip_base_patch16_224",
        92_884_420,
        1.75e10,
        "siglip",
        "Zhai et al. 2023",
        part="vision_encoder",
    ),
    _row(
        "efficientnet_lite0_ra_imagenet",
        4_652_008,
        4.07e8,
        "efficientnet",
        "Tan & Le 2019",
        version=2,
    ),
    _row("mobilenetv5_300m_enc_gemma3n", 294_284_096, None, "mobilenetv5", "Gemma Team 2025"),
)
