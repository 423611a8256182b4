"""Contract of every row: Keras's own constructor, files and preprocessing say the same."""

import inspect
import warnings
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from models.applications import Application
from models.backbone import Backbone
from models.bodies import build_body, require_weights
from models.catalogue import BUILT_IN
from models.errors import ModelError

# Keras 3.15 converts variables in a way NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SLOW = {
    *("densenet169", "densenet201", "efficientnet_b1", "resnet50", "resnet152_v2", "vgg19"),
    *("mobilenet_0.5", "mobilenet_1.0", "mobilenet_v3_large"),
    *("mobilenet_v2_0.5", "mobilenet_v2_0.75", "mobilenet_v2_1.0", "mobilenet_v2_1.3"),
}
"""Rows that differ from another one in depth or width alone."""
PREFIX = (keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.Normalization)
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def rows(*, has_weights: bool) -> list[Any]:
    """Rows with weights, but KerasHub's, or those without, as pytest parameters."""
    return [
        pytest.param(row, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, row in BUILT_IN.rows.items()
        if isinstance(row.weights, Application) == has_weights and not name.startswith("hub:")
    ]


def application(row: Backbone) -> Application:
    """What a row of `keras.applications` is built by."""
    assert isinstance(row.weights, Application)
    return row.weights


def images(size_px: int) -> np.ndarray:
    """Two different random images, uint8."""
    return np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)


def reference(row: Backbone, size_px: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """Keras's model as it would be with downloaded weights, and the file it asks for."""
    asked = []
    monkeypatch.setattr(file_utils, "get_file", lambda fname, *args, **kwargs: asked.append(fname))
    monkeypatch.setattr(keras.Model, "load_weights", pretend_to_load)
    kwargs = {k: v for k, v in application(row).kwargs.items() if k != "include_preprocessing"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(keras.applications, application(row).constructor)(
            include_top=False, weights="imagenet", input_shape=(size_px, size_px, 3), **kwargs
        )
    return model, asked[0]


def pretend_to_load(model: keras.Model, path: str | None) -> None:
    """Sets what only EfficientNet's file holds: ImageNet's mean, and the deviation as variance."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([MEAN, DEVIATION, np.array(1)])
            layer.finalize_state()


def first_input(model: keras.Model, images_bhwc: np.ndarray) -> np.ndarray:
    """What the first layer after all preprocessing is given."""
    first = next(
        op for op in model.operations if not isinstance(op, PREFIX) and op.__class__ is not Flip
    )
    return np.asarray(keras.Model(model.inputs[0], first.input)(images_bhwc.astype("float32")))


Flip = type(keras.ops.flip(keras.KerasTensor((1,)), 0)._keras_history.operation)


class Built(NamedTuple):
    """One row, built by Keras and by us at its smallest size."""

    row: Backbone
    body: keras.Model
    keras_model: keras.Model
    file: str


@pytest.fixture(scope="module", params=rows(has_weights=True))
def built(request: pytest.FixtureRequest) -> Built:
    """Each row once, for all tests of the contract."""
    row = request.param
    with pytest.MonkeyPatch.context() as monkeypatch:
        keras_model, file = reference(row, row.min_size_px, monkeypatch)
    body = build_body(row, keras.Input((row.min_size_px, row.min_size_px, 3)))
    return Built(row, body, keras_model, file)


class TestImagenetRow:
    """What holds for every row of `keras.applications`."""

    def test_parameters(self, built: Built) -> None:
        """The table says how many weights the backbone has, and none is lost to Keras's."""
        assert built.row.parameters == built.body.count_params()
        assert built.row.parameters == built.keras_model.count_params()

    def test_weights_file(self, built: Built) -> None:
        """The table's file is the one Keras downloads."""
        assert application(built.row).file_name == built.file

    def test_preprocessing(self, built: Built) -> None:
        """The first layer gets what the pretrained one got: no input scaled for another network."""
        sample = images(built.row.min_size_px)
        module = inspect.getmodule(getattr(keras.applications, application(built.row).constructor))
        prepared = module.preprocess_input(sample.astype("float32"))
        expected = first_input(built.keras_model, prepared)
        np.testing.assert_allclose(
            first_input(built.body, sample), expected, rtol=1e-5, atol=2e-5 * np.ptp(expected)
        )

    def test_smaller_images_are_impossible(self, built: Built) -> None:
        """The minimum size is Keras's own."""
        size_px = built.row.min_size_px - 1
        with pytest.raises(ValueError, match="must be at least"):
            build_body(built.row, keras.Input((size_px, size_px, 3)))


@pytest.mark.parametrize("row", rows(has_weights=False))
class TestScratchRow:
    """What holds for every row that is trained from random weights."""

    def test_parameters(self, row: Backbone) -> None:
        """The table says how many weights the backbone has, at its smallest size."""
        body = build_body(row, keras.Input((row.min_size_px, row.min_size_px, 3)))
        assert row.parameters == body.count_params()
        assert body.output.shape[1] >= 1

    def test_pixels_become_0_to_1(self, row: Backbone) -> None:
        """Pixels are divided by 255, as the hand-tuned systems did."""
        body = build_body(row, keras.Input((row.min_size_px, row.min_size_px, 3)))
        sample = images(row.min_size_px)
        np.testing.assert_allclose(first_input(body, sample), sample / 255, atol=1e-6)


@pytest.mark.parametrize(
    "row",
    [row for row in BUILT_IN.rows.values() if not row.has_weights and row.name != "resnet_small"],
    ids=lambda row: row.name,
)
def test_smaller_images_leave_no_pixel(row: Backbone) -> None:
    """The minimum size of a stack of convolutions and poolings is the smallest possible."""
    size_px = row.min_size_px - 1
    with pytest.raises(ValueError, match="size"):
        build_body(row, keras.Input((size_px, size_px, 3)))


def test_missing_weights_say_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file, the folder and a command that downloads it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ModelError) as error:
        require_weights(BUILT_IN.find("mobilenet_0.75"))
    assert "mobilenet_7_5_224_tf_no_top.h5" in str(error.value)
    assert str(tmp_path / "models") in str(error.value)
    assert "keras.applications.MobileNet(include_top=False" in str(error.value)
    assert "alpha=0.75" in str(error.value)


def test_failed_download_is_one_line_without_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras's bare exception becomes a sentence that says why and names no address."""

    def fail(*args: object, **kwargs: object) -> None:
        try:
            raise URLError("Name or service not known")
        except URLError as error:
            raise Exception(f"URL fetch failure on https://there.example/w: {error}") from None

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(file_utils, "get_file", fail)
    with pytest.raises(ModelError) as error:
        application(BUILT_IN.find("mobilenet_0.25")).fetch()
    assert str(error.value) == (
        "mobilenet_2_5_224_tf_no_top.h5 must be downloaded. Received: Name or service not known. "
        "Check the network, or leave this backbone out."
    )


def test_an_unknown_failure_of_a_download_names_no_host_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address within another error's text is left out, and so is all but its first line."""

    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("https://there.example/w gave another file.\nIt was 0 bytes.")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(file_utils, "get_file", fail)
    with pytest.raises(ModelError, match=r"Received: the server gave another file\. Check"):
        application(BUILT_IN.find("mobilenet_0.25")).fetch()


def test_downloaded_weights_are_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is here is returned as it is."""
    file = tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    file.parent.mkdir()
    file.touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.applications, "MobileNet", None)
    assert application(BUILT_IN.find("mobilenet_0.25")).fetch() == file


def test_weights_are_loaded_from_the_file(tmp_path: Path) -> None:
    """The values in the file become those of the body, whatever stands before it."""
    row = BUILT_IN.find("mobilenet_0.25")
    source = keras.applications.MobileNet(
        include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3)
    )
    file = tmp_path / "w.weights.h5"
    source.save_weights(file)
    body = build_body(row, keras.Input((32, 32, 3)), file)
    kernel = body.get_layer("conv_pw_13").kernel
    np.testing.assert_array_equal(kernel, source.get_layer("conv_pw_13").kernel)


def test_efficientnet_normalises_once(tmp_path: Path) -> None:
    """The statistics in EfficientNet's file are not applied on top of the preprocessing."""
    row = BUILT_IN.find("efficientnet_b0")
    source = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    pretend_to_load(source, None)
    file = tmp_path / "w.weights.h5"
    source.save_weights(file)
    body = build_body(row, keras.Input((32, 32, 3)), file)
    sample = images(32)
    expected = (sample / 255 - MEAN) / DEVIATION
    np.testing.assert_allclose(first_input(body, sample), expected, atol=1e-4)


def test_torn_weights_are_an_error_of_the_users(tmp_path: Path) -> None:
    """A file that is not a complete download is named."""
    file = tmp_path / "torn.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n torn")
    with pytest.raises(ModelError, match=r"torn\.h5"):
        build_body(BUILT_IN.find("mobilenet_0.25"), keras.Input((32, 32, 3)), file)
