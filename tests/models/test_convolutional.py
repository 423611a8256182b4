"""The networks of the hand-tuned systems, by the parameter counts their authors report."""

import keras
import numpy as np
import pytest

from models.bodies import build_body
from models.catalogue import BUILT_IN
from models.config import ModelConfig
from models.convolutional import conv_stack, residual
from models.network import build_network, count_parameters


def model(backbone: str, size_px: int, classes: int, **settings: object) -> ModelConfig:
    """A network of a hand-tuned system."""
    return ModelConfig(backbone=backbone, image_size_px=size_px, classes=classes, **settings)


A = model("cats_dogs_cnn", 64, 2, pooling="flatten", head_widths=(64,), output="sigmoid")
B = model("cats_dogs_small_cnn", 180, 2, pooling="flatten", output="sigmoid")
C1 = model("weather_1", 256, 4, pooling="flatten", head_widths=(64,))
C2 = model("weather_2", 250, 4, pooling="flatten", head_widths=(512, 256, 128))
C3 = model("weather_3", 250, 4, head_widths=(512, 128), dropout=0.5)
D1 = model("cifar_cnn", 32, 10, pooling="flatten", head_widths=(1024,), dropout=0.5)
D2 = model("cifar_bn_cnn", 32, 10, head_widths=(256,), dropout=0.8)
D3 = model("cifar_vgg", 32, 10, head_widths=(256, 64), dropout=0.5)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # Published totals.
        pytest.param(B, 991_041, id="B"),
        pytest.param(C1, 14_803_780, id="C1"),
        pytest.param(C2, 10_648_772, id="C2"),
        pytest.param(C3, 1_375_396, id="C3"),
        # Counted by hand: convolutions (+ normalisation) + dense layers.
        pytest.param(A, 896 + 18_496 + (14 * 14 * 64 * 64 + 64) + 65, id="A"),
        pytest.param(D1, 448 + 4_640 + 9_248 + (4 * 4 * 32 * 1024 + 1024) + 10_250, id="D1"),
        pytest.param(D2, 4_685_376 + 4 * 1920 + (512 * 256 + 256) + 2_570, id="D2"),
        pytest.param(D3, 10_769_664 + 4 * 3648 + (512 * 256 + 256) + 16_448 + 650, id="D3"),
    ],
)
def test_parameters(config: ModelConfig, parameters: int) -> None:
    """Body and head together are as large as the hand-tuned network."""
    assert count_parameters(build_network(config, seed=0)) == parameters


def test_dropout_follows_each_pooling() -> None:
    """D's first network drops .23 of the features after each of its poolings."""
    x = keras.Input((32, 32, 3))
    body = keras.Model(x, conv_stack(x, widths=((16,), (32,), (32,)), dropout=0.23))
    kinds = [type(layer).__name__ for layer in body.layers[1:]]
    assert kinds == ["Conv2D", "MaxPooling2D", "Dropout"] * 3
    assert {layer.rate for layer in body.layers if isinstance(layer, keras.layers.Dropout)} == {
        0.23
    }


def test_normalisation_after_the_relu() -> None:
    """C's third and D's deeper networks normalise what the ReLU returns."""
    x = keras.Input((4, 4, 3))
    after = keras.Model(x, conv_stack(x, widths=((8,),), batch_norm="after_relu", last_pool=False))
    assert [type(layer).__name__ for layer in after.layers[1:]] == ["Conv2D", "BatchNormalization"]
    assert after.layers[1].activation is keras.activations.relu


def test_residual_block_adds_to_its_shortcut() -> None:
    """With its convolutions silenced a block passes on the positive part of its input."""
    x = keras.Input((4, 4, 8))
    body = keras.Model(x, residual(x, widths=(8,), blocks=1))
    stem = body.layers[3]
    body.layers[-3].gamma.assign(np.zeros(8))
    features = keras.Model(x, [stem.output, body.output])
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    before, after = (np.asarray(t) for t in features(images))
    assert isinstance(stem, keras.layers.ReLU)
    assert before.max() > 0
    np.testing.assert_array_equal(after, before)


def test_residual_stages_halve_the_image() -> None:
    """Each stage but the first starts with a stride of 2 and has its own width."""
    x = keras.Input((16, 16, 3))
    assert residual(x, widths=(4, 8, 16), blocks=1).shape == (None, 4, 4, 16)


@pytest.mark.parametrize(("size_px", "features_px"), [(32, 8), (63, 16), (64, 8), (180, 12)])
def test_residual_blocks_see_small_maps(size_px: int, features_px: int) -> None:
    """Large images are pooled below 64 px before the first block."""
    x = keras.Input((size_px, size_px, 3))
    assert residual(x, widths=(4, 8, 16), blocks=1).shape == (None, features_px, features_px, 16)


@pytest.mark.parametrize(
    ("size_px", "seen_px"), [(32, 32), (63, 63), (64, 32), (96, 48), (180, 45), (224, 56)]
)
@pytest.mark.parametrize("backbone", ["cnn", "cnn_deep", "resnet_small"])
def test_large_images_are_brought_below_64_px(backbone: str, size_px: int, seen_px: int) -> None:
    """What comes after the stem sees the sizes that it was made for."""
    body = build_body(BUILT_IN.find(backbone), keras.Input((size_px, size_px, 3)))
    first = next(layer for layer in body.layers if layer.name.startswith("stage1"))
    assert first.input.shape[1:3] == (seen_px, seen_px)
