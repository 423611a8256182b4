"""The Python file beside an exported model that has layers of the user's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.trust import is_trusted, trust
from models.companion import layers_text
from models.config import ModelConfig
from models.source import Source
from studies.errors import StudyError

if TYPE_CHECKING:
    from hpo.search.open_study import OpenStudy


def layers_path(model: Path) -> Path:
    """Returns where the file is that loads a model's layers: `model_layers.py`."""
    return model.with_name(f"{model.stem}_layers.py")


def layers_needed(opened: OpenStudy, config: ModelConfig) -> str:
    """Returns what that file says for a network of a study; empty where it needs none."""
    for file in opened.record.networks:
        code = config.own and config.own.code
        if file.source.digest == code and config.backbone in file.needs_layers:
            return layers_text(file.source, {each.name for each in file.networks}, file.layers)
    return ""


def write_layers(model: Path, text: str) -> Path | None:
    """Writes the file beside a model, and returns it; None where there is nothing to write.

    What is written here is trusted here.

    Raises:
        StudyError: Another file has its name.
    """
    if not text:
        return None
    path, source = layers_path(model), Source(layers_path(model).name, text)
    if path.exists() and path.read_text(encoding="utf-8") != text and not _is_ours(path):
        raise StudyError(
            f"The layers of {model.name} need a file of their own. Received: {path}, which exists "
            "and says something else. Move it away, or choose another --export."
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    trust([source])
    return path


def read_layers(model: Path, *, trusts: bool) -> str | None:
    """Returns what the file beside a model says; None where there is none that is trusted.

    Args:
        model: The model.
        trusts: Whether the user says that it is, from now on.
    """
    path = layers_path(model)
    if not path.is_file():
        return None
    source = Source(path.name, path.read_text(encoding="utf-8"))
    if trusts:
        trust([source])
    return source.text if is_trusted(source) else None


def _is_ours(path: Path) -> bool:
    return is_trusted(Source(path.name, path.read_text(encoding="utf-8")))
