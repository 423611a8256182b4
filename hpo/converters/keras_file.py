"""Writes `.keras` files that earlier versions of Keras load as well."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
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
    target = conversion.target
    plain = target.with_name(f"plain-{target.name}")
    try:
        conversion.model.save(plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(target, "w") as archive:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename == "config.json":
                    content = json.dumps(without_later(json.loads(content))).encode()
                archive.writestr(entry, content)
            archive.writestr(MEMBER, conversion.metadata.model_dump_json())
    finally:
        plain.unlink(missing_ok=True)


def without_later(config: Any) -> Any:
    """Returns the description of a model without the arguments that change nothing."""
    if isinstance(config, dict):
        return {
            key: without_later(value)
            for key, value in config.items()
            if key not in _LATER or value != _LATER[key]
        }
    return [without_later(value) for value in config] if isinstance(config, list) else config
