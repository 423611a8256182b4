"""Tests of `.keras` files that other versions and backends of Keras load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hpo.converters.conversion import Conversion
from hpo.converters.keras_file import without_later
from hpo.converters.table import FORMATS
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.table import load
from models.config import ModelConfig
from models.export import whole_model
from tests.models.random_weights import randomise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

METADATA = Metadata(classes=("a", "b", "c"), image_size_px=32)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 50, 41, 3), dtype=np.uint8)
CODE = """
import sys, numpy as np, keras
model = keras.saving.load_model(sys.argv[1])
shares = keras.ops.convert_to_numpy(model(np.load(sys.argv[2]).astype("float32")))
print(keras.__version__, keras.backend.backend())
np.save(sys.argv[3], shares)
"""
BACKENDS = os.environ.get("HPO_TEST_BACKENDS", "")


def write(folder: Path, name: str, backbone: str, resize: str = "stretch") -> Path:
    """Writes a model of random weights."""
    config = ModelConfig(backbone=backbone, image_size_px=32, classes=3)
    model = whole_model(config, class_names=METADATA.classes, resize=resize)
    randomise(model)
    path = folder / FORMATS[name].file
    FORMATS[name].convert(Conversion(model, METADATA, path))
    return path


def elsewhere(python: str, path: Path, **environment: str) -> tuple[str, np.ndarray]:
    """What another process says: its version and backend, and the probabilities."""
    images, shares = path.with_suffix(".npy"), path.with_suffix(".found.npy")
    np.save(images, IMAGES)
    done = subprocess.run(
        [python, "-c", CODE, str(path), str(images), str(shares)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1], np.load(shares)


def test_later_arguments_are_left_out_where_they_change_nothing(tmp_path: Path) -> None:
    """What would change something stays, and an earlier version then refuses it as it should."""
    config = {"renorm": False, "renorm_momentum": 0.5, "layers": [{"input_axes": None, "rate": 0}]}
    assert without_later(config) == {"renorm_momentum": 0.5, "layers": [{"rate": 0}]}
    with zipfile.ZipFile(write(tmp_path, "keras", "cnn_deep")) as archive:
        text = archive.read("config.json").decode()
    assert '"antialias": true' in text
    assert not [name for name in ("input_axes", "renorm", "lora_alpha") if name in text]


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_the_file_for_old_versions_is_the_same_model(tmp_path: Path, resize: str) -> None:
    """The operation resizes as the layer does."""
    names = ("keras", "keras-old")
    new, old = (load(write(tmp_path, name, "cnn", resize)) for name in names)
    assert old.metadata == METADATA
    np.testing.assert_array_equal(old.predict(list(IMAGES)), new.predict(list(IMAGES)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("keras-old", "3.4.1"),
        ("keras-old", "3.6.0"),
        ("keras-old", "3.8.0"),
        ("keras", "3.9.0"),
        ("keras", "3.12.0"),
        ("keras", "newest"),
    ],
)
@pytest.mark.parametrize("backbone", ["cnn_deep", "mobilenet_v2_0.35", "mobilenet_v3_small"])
def test_other_versions_load_it(name: str, version: str, backbone: str, tmp_path: Path) -> None:
    """They give the same probabilities for pictures of another size than the network's."""
    path, library = write(tmp_path, name, backbone), tmp_path / "library"
    wanted = "keras" if version == "newest" else f"keras=={version}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(library), wanted], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip could not install {wanted}: {done.stderr[-200:]}")
    said, shares = elsewhere(sys.executable, path, PYTHONPATH=str(library))
    assert version == "newest" or said.startswith(f"{version} ")
    np.testing.assert_allclose(shares, load(path).predict(list(IMAGES)), atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not BACKENDS, reason="HPO_TEST_BACKENDS names no Python with jax and torch")
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_other_backends_give_the_same_answers(backend: str, resize: str, tmp_path: Path) -> None:
    """The file needs no TensorFlow, where keras, jax and torch are installed."""
    path = write(tmp_path, "keras", "mobilenet_v2_0.35", resize)
    said, shares = elsewhere(BACKENDS, path, KERAS_BACKEND=backend)
    assert said.endswith(backend)
    np.testing.assert_allclose(shares, load(path).predict(list(IMAGES)), atol=1e-4)


def test_its_metadata_is_beside_the_layers(tmp_path: Path) -> None:
    """Any program that reads zip archives finds it."""
    with zipfile.ZipFile(write(tmp_path, "keras", "cnn")) as archive:
        found = json.loads(archive.read("hpo.json"))
    assert found["classes"] == ["a", "b", "c"]
