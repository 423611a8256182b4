"""Writes OpenVINO's pair of files, by way of ONNX."""

from __future__ import annotations

from dataclasses import replace

from hpo.converters import onnx_file
from hpo.converters.conversion import Conversion
from hpo.runtimes.metadata import KEY


def convert(conversion: Conversion) -> None:
    """Writes an `.xml` file and the `.bin` beside it.

    OpenVINO's own `convert_model` is not used, because it sends statistics to its makers.
    """
    import openvino

    target = conversion.target
    between = target.with_name(f"between-{target.stem}.onnx")
    try:
        onnx_file.convert(replace(conversion, target=between))
        found = openvino.Core().read_model(between)
        found.set_rt_info(conversion.metadata.model_dump_json(), KEY)
        openvino.save_model(found, target, compress_to_fp16=False)
    finally:
        between.unlink(missing_ok=True)
