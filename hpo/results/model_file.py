"""An exported model that is put to use, with the layers of its maker where the user trusts them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpo.runtimes.table import load_for, runtime_of

if TYPE_CHECKING:
    from hpo.runtimes.model import Model


def open_model(path: Path, callers: int, *, trusts: bool) -> Model:
    """Loads an exported model of any format.

    Args:
        path: The file, or a folder.
        callers: Threads that use it at once.
        trusts: Whether the user trusts the Python file beside it, from now on.

    Raises:
        ModelError: It is none of ours, its package is missing, or it needs code that nobody trusts.
    """
    layers = None
    if runtime_of(path).name == "keras":
        from hpo.results.layers_file import read_layers

        layers = read_layers(path, trusts=trusts)
    return load_for(path, callers, layers or "")
