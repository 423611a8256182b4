"""Writes `.tflite` files, in float32 or with 8-bit weights."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from hpo.converters.conversion import Conversion
from hpo.converters.graft import graft, set_input_size
from hpo.converters.portable import INPUT, OUTPUT, forward, split
from hpo.runtimes.archive import MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpo.converters.portable import Halves


def convert(conversion: Conversion) -> None:
    """Writes a float32 model."""
    _write(_converter(forward(conversion.model)).convert(), conversion)


def convert_dynamic(conversion: Conversion) -> None:
    """Writes a model whose weights are kept in 8 bits; it computes in 8 bits and float32."""
    _write(_optimised(forward(conversion.model)).convert(), conversion)


def convert_int8(conversion: Conversion) -> None:
    """Writes a model whose weights and activations are integers of 8 bits.

    Its resizing stays in float32: in 8 bits it took 51 of 100 images of the weather data their
    class, without it one in a hundred (MobileNetV2 at 160 px, measured once).
    """
    halves = split(conversion.model)
    if halves is None:  # no resizing that could be told from the rest
        converter = _optimised(forward(conversion.model))
        converter.representative_dataset = lambda: _batches(conversion)
        _write(converter.convert(), conversion)
        return
    converter = _optimised(halves.network)
    converter.representative_dataset = lambda: _squares(conversion, halves)
    _write(graft(_converter(halves.resizing).convert(), converter.convert()), conversion)


def _batches(conversion: Conversion) -> Iterator[list[Any]]:
    for image in conversion.samples():
        yield [image[None]]


def _squares(conversion: Conversion, halves: Halves) -> Iterator[list[Any]]:
    for (batch,) in _batches(conversion):
        yield [halves.resizing(batch)[OUTPUT].numpy()]


def _converter(traced: Any) -> Any:
    """Returns TensorFlow's converter of a function whose weights have become constants.

    With variables its calibration for int8 fails (TensorFlow 2.21), and without a module around
    the function the file has no signature.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    frozen = convert_variables_to_constants_v2(traced.get_concrete_function())
    (spec,) = traced.input_signature
    module = tf.Module()
    module.forward = tf.function(
        lambda images: {OUTPUT: frozen(images)[0]},
        input_signature=[tf.TensorSpec(spec.shape, spec.dtype, name=INPUT)],
    )
    concrete = module.forward.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)


def _optimised(traced: Any) -> Any:
    import tensorflow as tf

    converter = _converter(traced)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter


def _write(content: bytes, conversion: Conversion) -> None:
    """Writes a file that is a zip archive too, as TensorFlow Lite's own metadata make it one."""
    target, metadata = conversion.target, conversion.metadata
    target.write_bytes(set_input_size(content, metadata.image_size_px))
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(MEMBER, metadata.model_dump_json())
        archive.writestr("labels.txt", "\n".join(metadata.classes))
