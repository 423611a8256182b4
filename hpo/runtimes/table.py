"""The runtimes that read exported models: one row a format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from models.errors import ModelError

if TYPE_CHECKING:
    from hpo.runtimes.model import Model


@dataclass(frozen=True)
class Runtime:
    """One format of files, and what reads it.

    Attributes:
        name: Key of the row.
        label: What people call the format.
        ending: Of its files' names; empty where it is a folder.
        module: Has `load(path, threads) -> Model`. Nothing is imported before that is needed.
        package: What must be installed to read such files.
        extra: The extra of this package that installs it; empty where it is always there.
        one_pool: Whether all that compute in a process share its threads, as TensorFlow's do.
    """

    name: str
    label: str
    ending: str
    module: str
    package: str
    extra: str = ""
    one_pool: bool = False

    @property
    def is_there(self) -> bool:
        """Whether its package is installed."""
        return find_spec(self.package) is not None

    def require(self) -> None:
        """Raises ModelError unless its package is installed."""
        if not self.is_there:
            raise ModelError(
                f"{self.label} needs the package {self.package}. Received: a Python without it. "
                f"In the project's folder: pip install '.[{self.extra}]'."
            )

    def load(self, path: Path, threads: int = 0, layers: str = "") -> Model:
        """Loads a file.

        Args:
            path: An exported file, or a folder.
            threads: Threads to compute with; 0 takes what the runtime thinks best.
            layers: What `models.companion.layers_text` returned for a Keras file, where the user
                trusts that; other formats need none.

        Raises:
            ModelError: The package is missing, or the file is not a model of ours.
        """
        self.require()
        more = {"layers": layers} if layers and self.name == "keras" else {}
        loaded: Model = import_module(self.module).load(path, threads, **more)
        return loaded


_ROWS = (
    Runtime("keras", "Keras", ".keras", "hpo.runtimes.keras_file", "keras", one_pool=True),
    Runtime("onnx", "ONNX", ".onnx", "hpo.runtimes.onnx_file", "onnxruntime", "onnx"),
    Runtime("tflite", "LiteRT", ".tflite", "hpo.runtimes.tflite_file", "ai_edge_litert", "tflite"),
    Runtime(
        "savedmodel", "SavedModel", "", "hpo.runtimes.saved_model", "tensorflow", one_pool=True
    ),
    Runtime(
        "openvino",
        "OpenVINO",
        ".xml",
        "hpo.runtimes.openvino_file",
        "openvino",
        "openvino",
        one_pool=True,
    ),
)

RUNTIMES: Mapping[str, Runtime] = MappingProxyType({row.name: row for row in _ROWS})


def runtime_of(path: Path) -> Runtime:
    """Returns what reads a file, by its ending.

    Raises:
        ModelError: It is none of the formats, or not there.
    """
    if not path.exists():
        raise ModelError(f"A model must be a file that is there. Received: {path}. Check the path.")
    ending = "" if path.is_dir() else path.suffix.lower()
    for row in RUNTIMES.values():
        if ending == row.ending and (ending or path.is_dir()):
            return row
    endings = ", ".join(row.ending for row in RUNTIMES.values() if row.ending)
    raise ModelError(
        f"A model must be a file that ends in {endings}, or a SavedModel. Received: {path}. "
        "Export one with `hpo best --export`."
    )


def load(path: Path, threads: int = 0, layers: str = "") -> Model:
    """Loads an exported model of any format; see `Runtime.load`."""
    return runtime_of(path).load(path, threads, layers)


def load_for(path: Path, callers: int, layers: str = "") -> Model:
    """Loads an exported model that so many threads call at once.

    Where each call can compute in its caller's thread alone, it does: that is more in all than if
    every call is shared out.

    Args:
        path: An exported file, or a folder.
        callers: How many threads.
        layers: See `Runtime.load`.
    """
    runtime = runtime_of(path)
    threads = 0 if callers == 1 or runtime.one_pool else 1
    return runtime.load(path, threads, layers)
