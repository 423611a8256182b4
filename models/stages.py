"""Where a backbone is cut into a frozen and a trained part.

A stage is everything at one cumulative stride, that is at one resolution of the feature map,
for images of any size. Stages without anything to train do not count. Where all of a network is at
one resolution, a stage is a fifth of its layers.
"""

from __future__ import annotations

import math

import keras

from models.config import STAGES


def find_cut(body: keras.Model, trainable_stages: int) -> keras.KerasTensor | None:
    """The tensor below which a body is frozen.

    Every path from the images to the features passes through it, and above it are only weights of
    the top stages, as many of them as one tensor can separate. Where several tensors separate the
    same weights, it is the smallest, since its values are what gets cached.

    Args:
        body: A model built by `models.bodies.build_body`, all of it trainable.
        trainable_stages: How many stages to train, at least 1.

    Returns:
        The tensor, or None where there is nothing to train below it.
    """
    operations = body.operations
    strides = _cumulative_strides(operations)
    trained = [bool(getattr(op, "trainable_variables", ())) for op in operations]
    if len({s for s, t in zip(strides, trained, strict=True) if t}) == 1:
        strides = _fifths(trained)
    stages = sorted({s for s, t in zip(strides, trained, strict=True) if t}, reverse=True)
    lowest_stride = stages[min(trainable_stages, len(stages)) - 1]
    below = [i for i, t in enumerate(trained) if t and strides[i] < lowest_stride]
    candidates = [i for i in _bottlenecks(body) if i >= max(below, default=-1)]
    first = candidates[0]
    trained_above = sum(trained[first + 1 :])
    same = [i for i in candidates if sum(trained[i + 1 :]) == trained_above]
    cut = min(same, key=lambda i: (math.prod(operations[i].output.shape[1:]), -i))
    return operations[cut].output if any(trained[: cut + 1]) else None


def stages_below_top(trunk: keras.Model) -> dict[str, int]:
    """Returns by how many stages each trained variable of a backbone lies below its top one.

    Args:
        trunk: What is trained of a backbone, down to any cut.

    Returns:
        Path of a variable to the number of stages above that of its layer; 0 for all of a network
        that is at one resolution.
    """
    operations = trunk.operations
    strides = _cumulative_strides(operations)
    trained = [list(getattr(op, "trainable_variables", ())) for op in operations]
    stages = sorted({s for s, held in zip(strides, trained, strict=True) if held}, reverse=True)
    return {
        variable.path: stages.index(stride)
        for stride, held in zip(strides, trained, strict=True)
        for variable in held
    }


def _fifths(trained: list[bool]) -> list[int]:
    """Returns a stage for each operation, from 1, of a network that has one resolution throughout.

    A vision transformer has; its stages are as many blocks each.
    """
    count, number, stages = sum(trained), 0, []
    for each in trained:
        number += each
        stages.append(1 + STAGES * max(0, number - 1) // count)
    return stages


def _inputs(operation: keras.Operation) -> list[keras.KerasTensor]:
    """Symbolic inputs of an operation that was called once."""
    if isinstance(operation, keras.layers.InputLayer):
        return []
    inputs: list[keras.KerasTensor] = keras.tree.flatten(operation.input)
    return inputs


def _cumulative_strides(operations: list[keras.Operation]) -> list[int]:
    """By how much each operation's output is smaller than the images, in topological order."""
    stride_of: dict[int, int] = {}
    strides = []
    for operation in operations:
        # What comes from below a cut counts as the images do.
        below = max((stride_of.get(id(t), 1) for t in _inputs(operation)), default=1)
        strides.append(below * _stride(operation))
        stride_of[id(operation.output)] = strides[-1]
    return strides


def _stride(operation: keras.Operation) -> int:
    """Stride of one operation; of a nested model, such as ConvNeXt's stem, that of its layers."""
    if isinstance(operation, keras.Model):
        return math.prod(_stride(layer) for layer in operation.layers)
    stride = getattr(operation, "strides", 1)
    return stride if isinstance(stride, int) else max(stride)


def _bottlenecks(body: keras.Model) -> list[int]:
    """Indices of the operations whose output everything after them depends on alone."""
    operations = body.operations
    last_use = {id(t): i for i, op in enumerate(operations) for t in _inputs(op)}
    live: set[int] = set()
    found = []
    for index, operation in enumerate(operations[:-1]):
        live = {t for t in live if last_use[t] > index} | {id(operation.output)}
        if len(live) == 1:
            found.append(index)
    return found
