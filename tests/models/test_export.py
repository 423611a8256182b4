"""Whole models: equal to the trained network, self-contained, safe to load."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue import BUILT_IN
from models.config import ModelConfig
from models.errors import ModelError
from models.export import class_names, load_model, reading_text, whole_model
from models.network import Network, build_network, copy_weights
from tests.models.random_weights import randomise

# Keras 3.15 converts variables in a way NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ["tabby cat", "Hündin/Rüde", "x-y.z"]
SLOW = ("densenet121", "inception_v3", "resnet50_v2", "xception", "vgg16", "efficientnet_b0")
CONVNEXT = pytest.param("convnext_tiny", marks=pytest.mark.slow)


def small(**settings: object) -> ModelConfig:
    """A network of 8 pixels."""
    return ModelConfig(**{"backbone": "cnn_deep", "image_size_px": 8, "classes": 3} | settings)


def trained(config: ModelConfig) -> Network:
    """A network with weights unlike initial ones."""
    network = build_network(config, seed=0, weights=False)
    for part in (network.base, network.head):
        if part is not None:
            randomise(part)
    return network


def export(config: ModelConfig, network: Network) -> keras.Model:
    """The whole model of a network."""
    model = whole_model(config, class_names=NAMES[: config.classes])
    copy_weights(network, model)
    return model


def logits(network: Network, images_bhwc: np.ndarray) -> np.ndarray:
    """What the network makes of images of its own size."""
    base = network.base
    return np.asarray(network.head(images_bhwc if base is None else base(images_bhwc)))


def probabilities(network: Network, images_bhwc: np.ndarray) -> np.ndarray:
    """Softmax of the logits."""
    return np.asarray(keras.ops.softmax(logits(network, images_bhwc)))


def images(size_px: int) -> np.ndarray:
    """Random uint8 images."""
    return np.random.default_rng(1).integers(0, 256, (3, size_px, size_px, 3), dtype=np.uint8)


def rows() -> list[object]:
    """Every body from scratch, and one row of each architecture with a cut through it."""
    names = [name for name, row in BUILT_IN.rows.items() if not row.has_weights]
    names += ["mobilenet_0.25", "mobilenet_v2_0.35", "mobilenet_v3_small", *SLOW]
    return [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in names]


@pytest.mark.parametrize("name", rows())
def test_whole_model_equals_the_network(name: str) -> None:
    """Exported with the network's weights, a model has its logits."""
    row = BUILT_IN.find(name)
    is_scratch = not row.has_weights
    config = ModelConfig(
        backbone=name,
        pretrained=not is_scratch,
        trainable_stages=0 if is_scratch else 2,
        image_size_px=row.min_size_px,
        classes=3,
        head_widths=(8,),
        dropout=0.5,
    )
    network = trained(config)
    sample = images(row.min_size_px)
    expected = logits(network, sample)
    assert np.ptp(expected, axis=0).max() > 1e-2  # otherwise nearly any weights would do
    model = export(config, network)
    before_softmax = keras.Model(model.input, model.get_layer("logits").output)
    np.testing.assert_allclose(before_softmax(sample), expected, rtol=1e-4, atol=1e-4)


class TestWholeModel:
    """What an exported model takes and gives."""

    def test_other_sizes_are_resized(self) -> None:
        """Images of any size are resized with antialiasing before anything else."""
        network = trained(small())
        sample = images(24)
        resized = keras.ops.image.resize(
            sample.astype("float32"), (8, 8), interpolation="bilinear", antialias=True
        )
        np.testing.assert_allclose(
            export(small(), network)(sample),
            probabilities(network, np.asarray(resized)),
            rtol=1e-5,
        )

    def test_a_plain_call_is_inference(self) -> None:
        """Without `training=False` neither dropout nor batch statistics are active."""
        network = trained(small(dropout=0.5))
        model = export(small(dropout=0.5), network)
        once = np.asarray(model(images(8)))
        np.testing.assert_array_equal(model(images(8)), once)
        np.testing.assert_allclose(model.predict(images(8), verbose=0), once, rtol=1e-5)

    def test_can_be_trained_on(self) -> None:
        """Asked to train, the model does: dropout is active."""
        model = export(small(dropout=0.5), trained(small(dropout=0.5)))
        first = np.asarray(model(images(8), training=True))
        assert not np.array_equal(model(images(8), training=True), first)

    def test_sigmoid_gives_the_second_class(self) -> None:
        """Two classes and one unit: the probability of the second."""
        config = small(classes=2, output="sigmoid")
        network = trained(config)
        got = np.asarray(export(config, network)(images(8)))
        assert got.shape == (3, 1)
        np.testing.assert_allclose(got, 1 / (1 + np.exp(-logits(network, images(8)))), rtol=1e-5)

    @pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
    def test_how_files_are_read_travels_with_it(self, tmp_path: Path, resize: str) -> None:
        """The text comes back, and images become squares as they did in training."""
        text = json.dumps({"integers": [0, 4095], "resize": resize})
        model = whole_model(small(), class_names=NAMES, reading=text, resize=resize)
        model.save(tmp_path / "m.keras")
        loaded = load_model(tmp_path / "m.keras")
        assert reading_text(loaded) == text
        assert class_names(loaded) == NAMES
        assert reading_text(whole_model(small(), class_names=NAMES)) == ""
        wide = np.zeros((1, 8, 24, 3), np.float32)
        wide[:, :, 8:16] = images(8)[:1, :8, :8]
        square = {"pad": np.pad(wide, ((0, 0), (8, 8), (0, 0), (0, 0))), "crop": wide[:, :, 8:16]}
        expected = loaded(square.get(resize, wide))
        np.testing.assert_allclose(loaded(wide), expected, rtol=1e-4)

    def test_names_must_fit_the_classes(self) -> None:
        """One name for each class."""
        with pytest.raises(ModelError, match=r"3 class names\. Received: 2"):
            whole_model(small(), class_names=NAMES[:2])

    @pytest.mark.parametrize("name", ["cnn", "vgg16", "mobilenet_v3_small", CONVNEXT])
    def test_file_round_trip(self, name: str, tmp_path: Path) -> None:
        """Saved and loaded, the model gives the same numbers and knows its classes."""
        config = ModelConfig(backbone=name, image_size_px=32, classes=3)
        model = whole_model(config, class_names=NAMES)
        randomise(model)
        model.save(tmp_path / "m.keras")
        loaded = load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(loaded(images(32)), model(images(32)))
        assert class_names(loaded) == NAMES

    def test_keras_alone_loads_it(self, tmp_path: Path) -> None:
        """A process that has never seen this package gets the same numbers from a plain call."""
        model = export(small(dropout=0.5), trained(small(dropout=0.5)))
        model.save(tmp_path / "m.keras")
        np.save(tmp_path / "x.npy", images(8))
        code = (
            "import keras, numpy as np, sys; m = keras.models.load_model('m.keras');"
            "np.save('y.npy', np.asarray(m(np.load('x.npy')))); assert 'models' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(images(8)), rtol=1e-6)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=4))
def test_any_class_name_travels(names: list[str]) -> None:
    """Every folder name survives the way into a layer's name and back."""
    from models.export import _decode, _encode

    encoded = [_encode(name) for name in names]
    assert "-".join(encoded).isascii()
    assert [_decode(text) for text in "-".join(encoded).split("-")] == names


def test_foreign_models_have_no_class_names() -> None:
    """A model from elsewhere is refused, not misread."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="out")])
    with pytest.raises(ModelError, match="Received: one whose last layer is 'out'"):
        class_names(model)


@keras.saving.register_keras_serializable("elsewhere")
class Custom(keras.layers.Layer):
    """A layer that is not Keras's own."""

    def call(self, inputs: object) -> object:
        """Passes on."""
        return inputs


class TestLoading:
    """Files that are refused."""

    @pytest.mark.parametrize(
        ("layer", "named"),
        [
            (keras.layers.Lambda(lambda x: x, output_shape=(2,)), "Lambda"),
            (Custom(), "Custom"),
        ],
    )
    def test_code_inside(self, layer: keras.layers.Layer, named: str, tmp_path: Path) -> None:
        """A model that brings code is refused by the name of the layer."""
        path = tmp_path / "m.keras"
        keras.Sequential([keras.Input((2,)), layer]).save(path)
        with pytest.raises(ModelError, match=rf"Keras's own layers.*{named}"):
            load_model(path)

    def test_code_in_a_nested_model(self, tmp_path: Path) -> None:
        """Nor does it help to hide the code one level deeper."""
        inner = keras.Sequential([keras.Input((2,)), Custom()])
        keras.Sequential([keras.Input((2,)), inner]).save(tmp_path / "m.keras")
        with pytest.raises(ModelError, match="Custom"):
            load_model(tmp_path / "m.keras")

    @pytest.mark.parametrize("module", ["os", "kerasx", "subprocess"])
    def test_modules_of_others(self, module: str, tmp_path: Path) -> None:
        """A configuration that names another module is refused before anything is imported."""
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("config.json", json.dumps({"module": module, "class_name": "system"}))
        with pytest.raises(ModelError, match=rf"{module}\.system"):
            load_model(tmp_path / "m.keras")

    @pytest.mark.parametrize("content", [b"", b"not a model", b"\x89HDF\r\n\x1a\n"])
    def test_not_a_model(self, content: bytes, tmp_path: Path) -> None:
        """Any other file is named in the error."""
        (tmp_path / "m.keras").write_bytes(content)
        with pytest.raises(ModelError, match=r"Received: .*m\.keras"):
            load_model(tmp_path / "m.keras")

    def test_missing(self, tmp_path: Path) -> None:
        """So is a file that is not there."""
        with pytest.raises(ModelError, match=r"Received: .*m\.keras"):
            load_model(tmp_path / "m.keras")

    def test_torn(self, tmp_path: Path) -> None:
        """A file cut short is not loaded."""
        path = tmp_path / "m.keras"
        whole_model(small(), class_names=NAMES).save(path)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(ModelError, match=r"m\.keras"):
            load_model(path)

    def test_without_weights(self, tmp_path: Path) -> None:
        """A file whose weights are missing is not loaded with random ones."""
        path, bare = tmp_path / "m.keras", tmp_path / "bare.keras"
        whole_model(small(), class_names=NAMES).save(path)
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(bare, "w") as target:
            for name in ("config.json", "metadata.json"):
                target.writestr(name, source.read(name))
        with pytest.raises(ModelError, match=r"bare\.keras"):
            load_model(bare)
