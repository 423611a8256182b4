"""The formats that a model is written in: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from hpo.runtimes.table import RUNTIMES, Runtime
from models.errors import ModelError

if TYPE_CHECKING:
    from hpo.converters.conversion import Conversion


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: Key of the row, and value of `--format`.
        label: What people call it.
        reader: Key of the runtime that reads it.
        converter: Module and name of the function that takes a `Conversion`.
        file: Name that `--export-all` gives it.
        packages: What must be installed to write and to check it.
        extra: The extra of this package that installs them.
        usage: Python lines that turn `image`, a Pillow image of mode RGB, into `probabilities`;
            `{file}` stands for the file.
        by_ending: Whether it is meant where a file's ending allows for several.
    """

    name: str
    label: str
    reader: str
    converter: str
    file: str
    usage: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    by_ending: bool = True

    @property
    def runtime(self) -> Runtime:
        """What reads it."""
        return RUNTIMES[self.reader]

    @property
    def missing(self) -> str:
        """The sentence that says which package is missing; empty where none is."""
        gone = [package for package in self.packages if find_spec(package) is None]
        if not gone:
            return ""
        return (
            f"{self.label} needs {', '.join(gone)}. In the project's folder: "
            f"pip install '.[{self.extra}]'."
        )

    def require(self) -> None:
        """Raises ModelError where a package is missing."""
        if self.missing:
            raise ModelError(f"A format's packages must be installed. Received: {self.missing}")

    def convert(self, conversion: Conversion) -> None:
        """Writes a model."""
        module, function = self.converter.split(":")
        getattr(import_module(module), function)(conversion)


_KERAS = """\
import keras
model = keras.saving.load_model("{file}")
probabilities = model.predict(np.asarray(image)[np.newaxis])[0]
"""
_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession("{file}")
probabilities = session.run(None, {{"images": np.asarray(image)[np.newaxis]}})[0][0]
"""
_TFLITE = """\
from ai_edge_litert.interpreter import Interpreter
model, pixels = Interpreter("{file}"), np.asarray(image)[np.newaxis]
model.resize_tensor_input(0, pixels.shape)
probabilities = model.get_signature_runner()(images=pixels)["probabilities"][0]
"""
_SAVED_MODEL = """\
import tensorflow as tf
model = tf.saved_model.load("{file}")
shares = model.signatures["serving_default"](tf.constant(np.asarray(image)[np.newaxis]))
probabilities = shares["probabilities"].numpy()[0]
"""
_OPENVINO = """\
import openvino
exact = {{"INFERENCE_PRECISION_HINT": "f32"}}
model = openvino.Core().compile_model("{file}", "CPU", exact)
probabilities = model(np.asarray(image)[np.newaxis])[0][0]
"""
_FOR_ONNX = ("onnx", "onnxruntime", "tf2onnx")


def _tflite(name: str, label: str, function: str, file: str, by_ending: bool) -> Format:
    return Format(
        name=name,
        label=f"LiteRT, {label}",
        reader="tflite",
        converter=f"hpo.converters.tflite_file:{function}",
        file=file,
        usage=_TFLITE,
        packages=("ai_edge_litert",),
        extra="tflite",
        by_ending=by_ending,
    )


_ROWS = (
    Format(
        name="keras",
        label="Keras",
        reader="keras",
        converter="hpo.converters.keras_file:convert",
        file="model.keras",
        usage=_KERAS,
    ),
    Format(
        name="keras-old",
        label="Keras 3.4 to 3.8",
        reader="keras",
        converter="hpo.converters.keras_file:convert_old",
        file="model-keras-3.4.keras",
        usage=_KERAS,
        by_ending=False,
    ),
    Format(
        name="onnx",
        label="ONNX",
        reader="onnx",
        converter="hpo.converters.onnx_file:convert",
        file="model.onnx",
        usage=_ONNX,
        packages=_FOR_ONNX,
        extra="onnx",
    ),
    _tflite("tflite", "float32", "convert", "model.tflite", True),
    _tflite("tflite-dynamic", "dynamic range", "convert_dynamic", "model-dynamic.tflite", False),
    _tflite("tflite-int8", "int8", "convert_int8", "model-int8.tflite", False),
    Format(
        name="savedmodel",
        label="SavedModel",
        reader="savedmodel",
        converter="hpo.converters.saved_model:convert",
        file="saved_model",
        usage=_SAVED_MODEL,
    ),
    Format(
        name="openvino",
        label="OpenVINO",
        reader="openvino",
        converter="hpo.converters.openvino_file:convert",
        file="model.xml",
        usage=_OPENVINO,
        packages=(*_FOR_ONNX, "openvino"),
        extra="openvino",
    ),
)

FORMATS: Mapping[str, Format] = MappingProxyType({row.name: row for row in _ROWS})
