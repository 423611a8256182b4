"""Where backbones are cut."""

import keras
import numpy as np
import pytest
from keras import layers

from models.bodies import build_body
from models.catalogue import BUILT_IN
from models.stages import find_cut, stages_below_top
from tests.models.random_weights import randomise


def body(name: str, size_px: int = 96) -> keras.Model:
    """A body with random weights."""
    return build_body(BUILT_IN.find(name), keras.Input((size_px, size_px, 3)))


@pytest.mark.parametrize(
    ("name", "stages", "first"),
    [
        # What the hand-tuned fine-tuning unfroze.
        ("resnet50_v2", 1, "conv5_block1_preact_bn"),
        ("mobilenet_0.25", 1, "conv_pad_12"),
        ("mobilenet_0.25", 2, "conv_pad_6"),
        ("mobilenet_v2_0.35", 1, "block_13_pad"),
        ("vgg16", 1, "block5_conv1"),
        ("vgg16", 4, "block2_conv1"),
        ("efficientnet_b0", 1, "block6a_dwconv_pad"),
        ("densenet121", 1, "conv5_block1_0_bn"),
        ("xception", 1, "block14_sepconv1"),
        ("convnext_tiny", 1, "convnext_tiny_downsampling_block_2"),
    ],
)
def test_training_begins_at(name: str, stages: int, first: str) -> None:
    """The first trained layer is the first one of the stage that one tensor can separate."""
    whole = body(name)
    cut = find_cut(whole, stages)
    trunk = keras.Model(cut, whole.output)
    assert trunk.layers[1].name == first


@pytest.mark.parametrize("name", ["mobilenet_0.25", "resnet50_v2", "mobilenet_v3_small"])
def test_parts_make_up_the_whole(name: str) -> None:
    """At every cut, base and trunk hold every weight once and compute what the body does."""
    whole = body(name, 64)
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    randomise(whole)
    expected = np.asarray(whole(images))
    assert 0.01 < expected.std() < 1e4
    cuts = [find_cut(whole, stages) for stages in range(1, 5)]
    trained = []
    for cut in cuts:
        base, trunk = keras.Model(whole.input, cut), keras.Model(cut, whole.output)
        ids = [id(variable) for variable in (*base.weights, *trunk.weights)]
        assert sorted(ids) == sorted(id(variable) for variable in whole.weights)
        np.testing.assert_allclose(
            trunk(base(images)), expected, rtol=1e-4, atol=1e-5 * expected.std()
        )
        trained.append(len(trunk.trainable_variables))
    assert trained == sorted(set(trained))


@pytest.mark.parametrize("name", ["mobilenet_0.25", "vgg16", "mobilenet_v3_small"])
def test_five_stages_are_all(name: str) -> None:
    """With five stages nothing is left to freeze."""
    assert find_cut(body(name), 5) is None


def test_strided_residual_block_is_not_torn_apart() -> None:
    """Where two paths lead into a stage, training begins where they have met."""
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="low")(images)
    y = layers.Conv2D(4, 1, name="still_low")(x)
    y = layers.Conv2D(4, 3, strides=2, padding="same", name="strided")(y)
    x = layers.Add(name="met")([layers.MaxPooling2D()(x), y])
    x = layers.Conv2D(4, 3, padding="same", name="high")(x)
    cut = find_cut(keras.Model(images, x), 1)
    assert cut is not None
    assert keras.Model(cut, x).layers[1].name == "high"


def test_smallest_tensor_is_cached() -> None:
    """Of tensors that separate the same weights, the smallest is chosen, however deep it lies."""
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same")(images)
    x = layers.MaxPooling2D(name="small")(x)
    x = layers.UpSampling2D(name="large")(x)
    x = layers.Conv2D(4, 3, strides=2, name="high")(x)
    cut = find_cut(keras.Model(images, x), 1)
    assert cut is not None
    assert cut.shape == (None, 8, 8, 8)


def test_stages_below_the_top_one() -> None:
    """Of two trained stages the lower one is one below; of all five it is no other."""
    whole = body("mobilenet_0.25", 64)
    trunk = keras.Model(find_cut(whole, 2), whole.output)
    of_two, of_all = stages_below_top(trunk), stages_below_top(whole)
    assert of_two.keys() == {variable.path for variable in trunk.trainable_variables}
    assert set(of_two.values()) == {0, 1}
    assert set(of_all.values()) == {0, 1, 2, 3, 4}
    assert of_all.items() >= of_two.items()
    assert of_all["conv1/kernel"] == 4
    assert of_all["conv_pw_13/kernel"] == 0
