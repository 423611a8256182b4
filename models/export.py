"""The whole model that people take away: plain Keras layers, from raw pixels to probabilities."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers

from models.bodies import build_body
from models.catalogue import BUILT_IN, Catalogue
from models.companion import run_layers
from models.config import ModelConfig
from models.errors import ModelError
from models.heads import classify, pool, to_probabilities
from models.network import check, dtype_policy, name_afresh

_CLASSES = "classes"
_RESIZING = "resizing"
_GEOMETRY: dict[str, dict[str, bool]] = {
    "stretch": {},
    "pad": {"pad_to_aspect_ratio": True},
    "crop": {"crop_to_aspect_ratio": True},
}


def whole_model(
    config: ModelConfig,
    *,
    class_names: Sequence[str],
    reading: str = "",
    resize: Literal["stretch", "pad", "crop"] = "stretch",
    catalogue: Catalogue = BUILT_IN,
) -> keras.Model:
    """A model anyone can load with Keras alone; its weights are still random.

    It takes RGB images of any size and dtype, (b, h, w, 3) in 0..255, resizes them and returns
    float32 probabilities: (b, classes) for softmax; for sigmoid (b, 1), that of the second class.

    Args:
        config: The network; `models.network.copy_weights` gives the model the weights of one.
        class_names: Names of the classes in the order of the labels. The last layer is named after
            them, and so they travel within the file: see `class_names`.
        reading: How a file's pixels become RGB, for `reading_text`; the resizing layer is named
            after it.
        resize: How images become squares.
        catalogue: Where the backbone is looked up.

    Raises:
        ModelError: If there is no such network, or the names are not one for each class.
    """
    row = check(config, catalogue)
    if len(class_names) != config.classes:
        raise ModelError(
            f"A model of {config.classes} classes needs {config.classes} class names. "
            f"Received: {len(class_names)} names."
        )
    size_px = config.image_size_px
    name_afresh()
    with dtype_policy("float32"):
        images = keras.Input((None, None, 3), dtype="float32", name="images")
        to_square = square(size_px, reading, resize)
        # Keras's image layers train by default, and every layer after them then does so too:
        # without this argument `model(images)` would run dropout and batch statistics.
        squares = to_square(images, training=False)
        arguments = row.arguments(config)
        features = build_body(row, squares, arguments=arguments, for_file=True).output
        classes = classes_layer(config.output, class_names)
        if row.output:
            probabilities = to_probabilities(features, row.output, classes.name)
        else:
            logits = classify(
                pool(features, config.pooling),
                config,
                lambda name: layers.Dropout(config.dropout, name=name),
            )
            probabilities = classes(logits)
        return keras.Model(images, probabilities, name="image_classifier")


def square(
    size_px: int, reading: str, resize: Literal["stretch", "pad", "crop"], suffix: str = ""
) -> layers.Layer:
    """The layer that makes squares of images; it is named after `reading`, and so carries it.

    Args:
        size_px: Height and width of the squares.
        reading: See `whole_model`; only the first such layer of a model needs it.
        resize: How images become squares.
        suffix: What tells it from another such layer.
    """
    name = f"{_RESIZING}{suffix}"
    return layers.Resizing(
        size_px,
        size_px,
        interpolation="bilinear",
        antialias=True,
        name=f"{name}-{_encode(reading)}" if reading else name,
        **_GEOMETRY[resize],
    )


def classes_layer(
    output: Literal["softmax", "sigmoid"], class_names: Sequence[str]
) -> layers.Layer:
    """The layer that makes probabilities of logits; its name carries those of the classes."""
    return layers.Activation(output, name="-".join([_CLASSES, *map(_encode, class_names)]))


def scale_logits(model: keras.Model, factor: float) -> None:
    """Multiplies the logits of a model of `whole_model`: the inverse of a temperature.

    Above 0 it changes no answer, only how sure the model says it is of it (Guo et al. 2017).

    Raises:
        ModelError: The network has an output of its own.
    """
    if not any(layer.name == "logits" for layer in model.layers):
        raise ModelError(
            "A temperature divides the logits of a network that gets its head here. "
            "Received: one that has its own output. Leave out --temperature."
        )
    for variable in model.get_layer("logits").weights:
        variable.assign(variable * factor)


def class_names(model: keras.Model) -> list[str]:
    """The class names that `whole_model` was given, in the order of its outputs.

    Raises:
        ModelError: If the model is not one of ours.
    """
    prefix, *names = model.layers[-1].name.split("-")
    if prefix != _CLASSES:
        raise ModelError(
            "A model must carry its class names, as those exported by `hpo best --export` do. "
            f"Received: one whose last layer is {model.layers[-1].name!r}."
        )
    return [_decode(name) for name in names]


def reading_text(model: keras.Model) -> str:
    """The `reading` that `whole_model` was given; empty where it was given none."""
    for layer in model.layers:
        name, _, text = layer.name.partition("-")
        if name == _RESIZING:
            return _decode(text)
    return ""


def input_size_px(model: keras.Model) -> int:
    """Height and width that a whole model resizes its images to."""
    sizes = [layer.height for layer in model.layers if isinstance(layer, layers.Resizing)]
    return int(sizes[0])


def _encode(name: str) -> str:
    """A name in the few characters a layer's name may have; the others as hexadecimal numbers."""
    return re.sub(r"[^A-Za-z0-9_]", lambda match: f".{ord(match[0]):x}.", name)


def _decode(text: str) -> str:
    """What `_encode` was given."""
    return re.sub(r"\.([0-9a-f]+)\.", lambda match: chr(int(match[1], 16)), text)


def foreign_in(path: Path) -> list[str]:
    """Names of everything in an exported file that is not Keras's own, or runs code.

    Raises:
        ModelError: The file is not a Keras model.
    """
    return sorted(set(_foreign(_read_config(path))))


def load_model(path: Path, layers: str | None = None) -> keras.Model:
    """Loads an exported model, refusing one that could run code of its own.

    Args:
        path: The file.
        layers: What `models.companion.layers_text` returned for it, where the user trusts that.

    Raises:
        ModelError: If the file is not a Keras model, or holds more than Keras's own layers.
    """
    foreign = foreign_in(path)
    if foreign and layers is not None:
        run_layers(layers)
    elif foreign:
        raise ModelError(
            "A model may consist of Keras's own layers only, because others run code that came "
            f"with the file. Received: {path} with {', '.join(foreign)}. If you trust its maker, "
            "load it with Keras itself, or add --trust where its layers lie in a file beside it."
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"A model must be a complete .keras file. Received: {path} ({_why(error)}). "
            "Export it again."
        ) from error


def _read_config(path: Path) -> Any:
    """The description of the layers within a .keras file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelError(
            "A model must be a .keras file, as `hpo best --export` or Keras's `model.save` writes "
            f"them. Received: {path} ({_why(error)}). Check the path."
        ) from error


def _why(error: Exception) -> str:
    """Returns an error's own words, without the path where they name it again."""
    return getattr(error, "strerror", None) or str(error)


def _foreign(config: Any) -> Iterator[str]:
    """Names of everything in a configuration that is not Keras's own, or runs code."""
    if isinstance(config, dict):
        module, name = config.get("module"), config.get("class_name")
        own = module is None or str(module).split(".")[0] in ("keras", "keras_hub", "builtins")
        if name is not None and (not own or name in ("Lambda", "__lambda__", "function")):
            yield f"{module}.{name}"
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _foreign(value)
