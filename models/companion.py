"""What Keras needs besides the exported file where a user's network has layers of its own."""

from __future__ import annotations

import ast
import sys
from collections.abc import Container, Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from types import FunctionType

from models.source import Source


@lru_cache  # Keras would say of the second time that they were registered by the text
def register_classes(source: Source) -> tuple[str, ...]:
    """Registers what Keras must know to load a network of the text again, and returns the names.

    That are its classes with a `get_config`, and its functions; those that the text has registered
    itself are left as they are.
    """
    import keras

    module, names = source.run(), []
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__
        kept = isinstance(value, FunctionType) or (
            isinstance(value, type) and hasattr(value, "get_config")
        )
        if is_own and kept and keras.saving.get_registered_name(value) == value.__name__:
            keras.saving.register_keras_serializable(source.stem, name)(value)
            names.append(name)
    return tuple(names)


def layers_text(source: Source, networks: Container[str], names: Sequence[str]) -> str:
    """Returns the text that Keras needs to load a network of the file, without this program.

    It is the file's own, less its networks and what it imports from `hpo`, and registers its
    classes.

    Args:
        source: The file.
        networks: Names of its networks.
        names: What `register_classes` returned for it.
    """
    lines = source.text.splitlines()
    for node in ast.parse(source.text).body:
        is_network = isinstance(node, ast.FunctionDef) and node.name in networks
        if is_network or _imports_hpo(node):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(each.lineno for each in decorators)])
            for number in range(first - 1, node.end_lineno or first):
                lines[number] = ""
    registered = [
        f"_keras.saving.register_keras_serializable({source.stem!r}, {name!r})({name})"
        for name in names
    ]
    note = f"# What Keras needs to load a network of {source.name}: import this file first."
    last = ["", "import keras as _keras", "", *registered] if registered else []
    return "\n".join([note, *lines, *last, ""])


def _imports_hpo(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] == "hpo"
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(name.partition(".")[0] == "hpo" for name in names)


def run_layers(text: str) -> None:
    """Runs what `layers_text` returned, and so registers the layers with Keras."""
    with redirect_stdout(sys.stderr):  # what it prints must not stand in our CSV and JSON
        exec(compile(text, "layers.py", "exec"), {"__name__": "layers"})  # noqa: S102 - trusted
