"""Writes SavedModel folders."""

from __future__ import annotations

from hpo.converters.conversion import Conversion
from hpo.converters.portable import forward
from hpo.runtimes.saved_model import EXTRA, SIGNATURE


def convert(conversion: Conversion) -> None:
    """Writes a folder that TensorFlow loads without Keras, and that others convert further."""
    import tensorflow as tf

    module = tf.Module()
    module.model, module.forward = conversion.model, forward(conversion.model)
    tf.saved_model.save(module, str(conversion.target), signatures={SIGNATURE: module.forward})
    extra = conversion.target / EXTRA
    extra.parent.mkdir()
    extra.write_text(conversion.metadata.model_dump_json())
