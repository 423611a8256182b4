"""Writes `.onnx` files."""

from __future__ import annotations

from typing import Any

from hpo.converters.conversion import Conversion
from hpo.converters.portable import INPUT, OUTPUT, forward
from hpo.runtimes.metadata import KEY

OPSET = 17
"""Read by ONNX Runtime from 1.12 (2022) on."""


def convert(conversion: Conversion) -> None:
    """Writes a model that takes uint8 images (b, h, w, 3).

    Raises:
        OSError: There is no space.
    """
    import onnx

    traced, metadata = forward(conversion.model), conversion.metadata
    found = _converter().convert.from_function(
        traced, input_signature=traced.input_signature, opset=OPSET
    )[0]
    _name(found.graph)
    onnx.helper.set_model_props(
        found, {KEY: metadata.model_dump_json(), "classes": ", ".join(metadata.classes)}
    )
    found.doc_string = metadata.usage
    found.producer_name, found.producer_version = "hpo", metadata.made_by
    onnx.checker.check_model(found)
    onnx.save_model(found, conversion.target)


def _converter() -> Any:
    """Returns tf2onnx, which needs the same patch for NumPy 2 as in `keras.Model.export`."""
    import numpy as np
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    if "object" not in vars(np):  # else the patch asks for it, and NumPy warns
        np.object = object  # type: ignore[attr-defined]
    patch_tf2onnx()

    import tf2onnx

    return tf2onnx


def _name(graph: Any) -> None:
    """Gives the dimensions and the output names that people can read."""
    for dimension, name in zip(
        graph.input[0].type.tensor_type.shape.dim, (INPUT, "height", "width"), strict=False
    ):
        if dimension.dim_param:
            dimension.dim_param = name
    output = graph.output[0]
    output.type.tensor_type.shape.dim[0].dim_param = INPUT
    for node in graph.node:
        node.output[:] = [OUTPUT if name == output.name else name for name in node.output]
    output.name = OUTPUT
