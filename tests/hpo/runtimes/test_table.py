"""Exported models of every format, read with their own runtimes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.reading import Reading
from hpo.converters.conversion import Conversion
from hpo.converters.table import FORMATS
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.table import RUNTIMES, Runtime, load, load_for, runtime_of
from models.config import ModelConfig
from models.errors import ModelError
from models.export import whole_model
from tests.models.random_weights import randomise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONVERT = ("keras", "onnx", "tflite", "savedmodel", "openvino")
METADATA = Metadata(
    classes=("tabby cat", "Hündin/Rüde"),
    reading=Reading(ground=(0, 0, 0), resize="pad"),
    image_size_px=8,
    figures={"accuracy": 0.9},
)
SIZES = ((8, 8), (8, 8), (40, 24), (5, 9), (8, 8))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One model in every format."""
    return write(tmp_path_factory.mktemp("formats"), CONVERT, "softmax")


def write(folder: Path, names: Sequence[str], output: str) -> dict[str, Path]:
    """Writes a model of random weights."""
    config = ModelConfig(backbone="cnn", image_size_px=8, classes=2, output=output)
    model = whole_model(config, class_names=METADATA.classes, resize="pad")
    randomise(model)
    found = {name: folder / FORMATS[name].file for name in names}
    for name, path in found.items():
        FORMATS[name].convert(Conversion(model, METADATA, path))
    return found


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Noise of several sizes."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


class TestEveryFormat:
    """What all of them promise."""

    @pytest.mark.parametrize("name", [name for name in CONVERT if name != "keras"])
    def test_they_agree_with_keras(
        self, name: str, files: Mapping[str, Path], images: list[np.ndarray]
    ) -> None:
        """Of images of any size, in their order, each has the same probabilities."""
        expected = load(files["keras"]).predict(images)
        assert np.ptp(expected, axis=0).min() > 1e-2  # otherwise the order would not show
        found = load(files[name]).predict(images)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.sum(axis=1), 1)

    @pytest.mark.parametrize("name", CONVERT)
    def test_threads_may_share_one(
        self, name: str, files: Mapping[str, Path], images: list[np.ndarray]
    ) -> None:
        """Each of eight gets the answers to its own images."""
        model = load_for(files[name], callers=8)
        expected = model.predict(images)
        turned = [images[i:] + images[:i] for i in range(len(images))] * 20
        with ThreadPoolExecutor(8) as pool:
            for i, found in enumerate(pool.map(model.predict, turned)):
                wanted = np.roll(expected, -(i % len(images)), axis=0)
                np.testing.assert_allclose(found, wanted, atol=1e-5)

    @pytest.mark.parametrize("name", CONVERT)
    def test_their_metadata_travels(self, name: str, files: Mapping[str, Path]) -> None:
        """Class names, reading and figures come back as they were."""
        model = load(files[name])
        assert model.metadata == METADATA
        assert model.classes == METADATA.classes
        assert model.predict([]).shape == (0, 2)

    @pytest.mark.parametrize("name", ["onnx", "tflite", "openvino"])
    def test_no_other_runtime_is_loaded(self, name: str, files: Mapping[str, Path]) -> None:
        """A server of ONNX files pays for no TensorFlow."""
        others = {row.package for row in RUNTIMES.values()} | {"tensorflow"}
        others -= {RUNTIMES[name].package}
        code = (
            "import sys; from pathlib import Path; from hpo.runtimes.table import load\n"
            f"load(Path({str(files[name])!r})); print(sorted({others!r} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert done.stdout.strip() == b"[]"

    @pytest.mark.parametrize("name", CONVERT)
    @pytest.mark.parametrize("damage", ["torn", "empty", "text"])
    def test_what_is_no_model_is_named(
        self, name: str, damage: str, files: Mapping[str, Path], tmp_path: Path
    ) -> None:
        """A damaged file is a message with its name."""
        path = tmp_path / files[name].name
        if files[name].is_dir():
            shutil.copytree(files[name], path)
        else:
            shutil.copy(files[name], path)
        damaged = path / "saved_model.pb" if path.is_dir() else path
        whole = damaged.read_bytes()
        contents = {"torn": whole[: len(whole) // 2], "empty": b"", "text": b"not a model"}
        damaged.write_bytes(contents[damage])
        with pytest.raises(ModelError, match=rf"Received: .*{path.name}"):
            load(path)


def test_a_sigmoid_unit_gives_both_classes(tmp_path: Path, images: list[np.ndarray]) -> None:
    """Where a Keras file has one number, other formats have two."""
    files = write(tmp_path, ("keras", "onnx"), "sigmoid")
    expected = load(files["keras"]).predict(images)
    np.testing.assert_allclose(load(files["onnx"]).predict(images), expected, atol=1e-5)


def test_another_tools_onnx_is_refused(files: Mapping[str, Path], tmp_path: Path) -> None:
    """Without class names its figures would mean nothing."""
    onnx = import_module("onnx")
    model = onnx.load(files["onnx"])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"must carry its class names.*other\.onnx"):
        load(tmp_path / "other.onnx")


def test_a_saved_model_with_code_is_refused(files: Mapping[str, Path], tmp_path: Path) -> None:
    """A graph that writes files is not loaded, whatever its metadata say."""
    import tensorflow as tf

    def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file(str(tmp_path / "x"), tf.io.encode_jpeg(images[0]))
        return {"x": images}

    module, images = tf.Module(), tf.TensorSpec((None, None, None, 3), tf.uint8)
    module.forward = tf.function(forward, input_signature=[images])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": module.forward})
    shutil.copytree(files["savedmodel"] / "assets.extra", tmp_path / "m" / "assets.extra")
    with pytest.raises(ModelError, match=r"may compute only.*with WriteFile"):
        load(tmp_path / "m")


def test_a_missing_package_is_named_with_the_command() -> None:
    """Nobody has to guess what to install."""
    row = Runtime("x", "X files", ".x", "hpo.runtimes.x", "no_such_package", "x")
    with pytest.raises(ModelError) as caught:
        row.require()
    assert str(caught.value) == (
        "X files needs the package no_such_package. Received: a Python without it. "
        "In the project's folder: pip install '.[x]'."
    )


def test_what_has_no_runtime_is_refused(tmp_path: Path) -> None:
    """The message lists the endings; a file that is not there is said not to be."""
    (tmp_path / "model.h5").touch()
    with pytest.raises(ModelError, match=r"ends in \.keras, \.onnx.*model\.h5"):
        runtime_of(tmp_path / "model.h5")
    with pytest.raises(ModelError, match=r"must be a file that is there.*none\.onnx"):
        runtime_of(tmp_path / "none.onnx")
