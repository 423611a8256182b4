"""An ONNX file that is made in a moment, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

from hpo.runtimes.metadata import KEY, Metadata

COLOURS = ("red", "green", "blue")


def write_model(path: Path) -> None:
    """Writes a model that tells pictures apart by the mean of their colours."""
    import onnx
    from onnx import TensorProto, helper

    def image(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, list(shape))

    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("Softmax", ["means"], ["probabilities"]),
        ],
        "colours",
        [image("images", TensorProto.UINT8, "n", "height", "width", 3)],
        [image("probabilities", TensorProto.FLOAT, "n", 3)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    metadata = Metadata(classes=COLOURS, image_size_px=8)
    helper.set_model_props(model, {KEY: metadata.model_dump_json()})
    onnx.save(model, path)
