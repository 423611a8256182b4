"""Changes `.tflite` files in ways that their converter does not offer."""

from __future__ import annotations

from typing import Any


def set_input_size(content: bytes, size_px: int) -> bytes:
    """Gives the input a size that programs take which do not set one.

    The converter writes 1 x 1 px for a side that may have any length.
    """
    model = _parse(content)
    graph = model.subgraphs[0]
    image = graph.tensors[graph.inputs[0]]
    image.shape = [1, size_px, size_px, 3]
    return _bytes(model)


def graft(first: bytes, second: bytes) -> bytes:
    """Returns one model that gives what the first returns to the second.

    Each has one input, one output and one subgraph. The numbers by which the second's operators,
    tensors and buffers name each other are raised by the first's counts (LiteRT's `schema.fbs`).
    """
    model, other = _parse(first), _parse(second)
    graph, added = model.subgraphs[0], other.subgraphs[0]
    codes, buffers, tensors = len(model.operatorCodes), len(model.buffers), len(graph.tensors)
    joint = {int(added.inputs[0]): int(graph.outputs[0])}

    def number(tensor: int) -> int:
        return joint.get(int(tensor), -1 if tensor < 0 else int(tensor) + tensors)

    for tensor in added.tensors:
        tensor.buffer += buffers
    for operator in added.operators:
        operator.opcodeIndex += codes
        operator.inputs = [number(tensor) for tensor in _list(operator.inputs)]
        operator.outputs = [number(tensor) for tensor in _list(operator.outputs)]
        operator.intermediates = [number(tensor) for tensor in _list(operator.intermediates)]
    model.operatorCodes += other.operatorCodes
    model.buffers += other.buffers
    graph.tensors += added.tensors
    graph.operators += added.operators
    graph.outputs = [number(tensor) for tensor in added.outputs]
    signature = model.signatureDefs[0]
    signature.outputs = other.signatureDefs[0].outputs
    for output in signature.outputs:
        output.tensorIndex = number(output.tensorIndex)
    return _bytes(model)


def _list(numbers: Any) -> list[int]:
    return [] if numbers is None else list(numbers)


def _parse(content: bytes) -> Any:
    from tensorflow.lite.tools.flatbuffer_utils import convert_bytearray_to_object

    return convert_bytearray_to_object(bytearray(content))


def _bytes(model: Any) -> bytes:
    from tensorflow.lite.tools.flatbuffer_utils import convert_object_to_bytearray

    return bytes(convert_object_to_bytearray(model))
