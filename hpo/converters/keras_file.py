"""Writes `.keras` files that earlier versions of Keras load as well."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hpo.converters.conversion import Conversion
from hpo.runtimes.archive import MEMBER

_LATER: Mapping[str, Any] = MappingProxyType(
    {
        "input_axes": None,
        "output_axes": None,
        "renorm": False,
        "renorm_clipping": None,
        "renorm_momentum": 0.99,
        "output_padding": None,
        "lora_alpha": None,
        "quantization_config": None,
    }
)
"""Arguments of layers and initializers that Keras got after 3.9, with the value that changes
nothing. An earlier version refuses an argument that it does not know, so these are left out; a
later one fills in its default. Found by comparing the signatures of 3.9 with those of 3.15."""


def convert(conversion: Conversion) -> None:
    """Writes a model that needs nothing but Keras.

    Raises:
        OSError: There is no space.
    """
    conversion.model.save(conversion.target)
    _rewrite(conversion.target, without_later)
    with zipfile.ZipFile(conversion.target, "a") as archive:
        archive.writestr(MEMBER, conversion.metadata.model_dump_json())


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Changes the description of the layers within a file."""
    beside = path.with_name(f"new-{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(beside, "w") as archive:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            archive.writestr(entry, content)
    beside.replace(path)


def without_later(config: Any) -> Any:
    """Returns the description of a model without the arguments that change nothing."""
    if isinstance(config, dict):
        return {
            key: without_later(value)
            for key, value in config.items()
            if key not in _LATER or value != _LATER[key]
        }
    return [without_later(value) for value in config] if isinstance(config, list) else config


def convert_old(conversion: Conversion) -> None:
    """Writes a model that Keras 3.4 to 3.8 load too.

    Their `Resizing` layer knows no antialiasing, but the operation below it does. Its place within
    Keras is not a public one, so this is not the format for new versions.
    """
    convert(conversion)
    _rewrite(conversion.target, _with_operation)


def _with_operation(config: Any) -> Any:
    """Returns the description of a model with the operation in place of each `Resizing` layer."""
    if isinstance(config, list):
        return [_with_operation(value) for value in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") != "Resizing":
        return {key: _with_operation(value) for key, value in config.items()}
    layer = config["config"]
    same = ("interpolation", "antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio")
    return {
        "module": "keras.src.ops.image",
        "class_name": "Resize",
        "registered_name": "Resize",
        "config": {
            "size": [layer["height"], layer["width"]],
            **{name: layer[name] for name in same},
        },
        "name": config["name"],
        "inbound_nodes": [{**node, "kwargs": {}} for node in config["inbound_nodes"]],
    }
