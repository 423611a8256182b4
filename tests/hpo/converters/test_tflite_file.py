"""Tests of LiteRT files of 8 bits, and of what is done to all of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hpo.converters.conversion import Conversion
from hpo.converters.portable import split
from hpo.converters.table import FORMATS
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.table import load
from models.config import ModelConfig
from models.export import whole_model
from tests.models.random_weights import randomise

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning", "ignore:Statistics for quantized inputs"
)

METADATA = Metadata(classes=("a", "b", "c"), image_size_px=16)
NAMES = ("keras", "tflite", "tflite-dynamic", "tflite-int8")


def photos() -> list[np.ndarray]:
    """Pictures of several sizes, smooth as photos are."""
    random, found = np.random.default_rng(0), []
    for height, width in ((16, 16), (40, 24), (60, 80), (9, 30)) * 3:
        corners = random.integers(0, 256, (1, 2, 2, 3)).astype(np.float32)
        smooth = keras.ops.image.resize(corners, (height, width))
        found.append(np.asarray(smooth)[0].astype(np.uint8))
    return found


def network() -> keras.Model:
    """A model of random weights that tells the pictures apart."""
    config = ModelConfig(backbone="cnn", image_size_px=16, classes=3)
    model = whole_model(config, class_names=METADATA.classes, resize="crop")
    randomise(model)
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One model in Keras's format and in all of LiteRT's."""
    folder, model = tmp_path_factory.mktemp("tflite"), network()
    found = {name: folder / FORMATS[name].file for name in NAMES}
    for name, path in found.items():
        FORMATS[name].convert(Conversion(model, METADATA, path, lambda: iter(photos())))
    return found


@pytest.mark.parametrize(("name", "most"), [("tflite-dynamic", 0.02), ("tflite-int8", 0.05)])
def test_eight_bits_come_near(name: str, most: float, files: Mapping[str, Path]) -> None:
    """Pictures of any size go in, and the probabilities are about those of Keras."""
    expected = load(files["keras"]).predict(photos())
    assert np.ptp(expected, axis=0).max() > 0.15  # otherwise nearly anything would be near
    found = load(files[name]).predict(photos())
    assert np.abs(found - expected).max() < most
    assert files[name].stat().st_size < 0.5 * files["tflite"].stat().st_size


def test_the_resizing_of_int8_stays_in_float32(files: Mapping[str, Path]) -> None:
    """The network's input has a step of one grey level: the squares were not rounded before."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(str(files["tflite-int8"])).get_tensor_details()
    assert sum(tensor["dtype"] == np.int8 for tensor in details) > 5
    squares = [t for t in details if list(t["shape"])[1:] == [16, 16, 3]]
    kinds = {np.dtype(tensor["dtype"]).name for tensor in squares}
    assert {"float32", "int8"} <= kinds


@pytest.mark.parametrize("name", NAMES[1:])
def test_what_other_programs_read(name: str, files: Mapping[str, Path]) -> None:
    """A size for those that set none, names of input and output, and the classes beside."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(files[name]))
    (image,) = interpreter.get_input_details()
    assert list(image["shape"]) == [1, 16, 16, 3]
    assert list(image["shape_signature"]) == [-1, -1, -1, 3]
    assert image["dtype"] == np.uint8
    signature: dict[str, Any] = interpreter.get_signature_list()["serving_default"]
    assert signature == {"inputs": ["images"], "outputs": ["probabilities"]}
    pixels = np.zeros((1, 16, 16, 3), np.uint8)
    shares = interpreter.get_signature_runner()(images=pixels)["probabilities"]
    np.testing.assert_allclose(shares, load(files[name]).batch(pixels), atol=1e-6)
    with zipfile.ZipFile(files[name]) as archive:
        assert archive.read("labels.txt").decode().splitlines() == ["a", "b", "c"]


def test_a_model_that_begins_otherwise(tmp_path: Path) -> None:
    """Two sizes within one model: its resizing cannot be told from the rest, and int8 is made."""
    images = keras.Input((None, None, 3), name="images")
    members = [network(), network()]
    named = [keras.Model(m.input, m.output, name=f"member{i}") for i, m in enumerate(members)]
    model = keras.Model(images, keras.layers.Average()([member(images) for member in named]))
    assert split(model) is None
    for name in ("tflite", "tflite-int8"):
        path = tmp_path / f"{name}.tflite"
        FORMATS[name].convert(Conversion(model, METADATA, path, lambda: iter(photos())))
        assert load(path).predict(photos()).shape == (12, 3)
