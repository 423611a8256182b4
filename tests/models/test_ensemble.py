"""Several networks as one model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from models.config import ModelConfig
from models.ensemble import Member, Whole, ensemble_model
from models.export import class_names, load_model, reading_text
from models.network import build_network, head_weights, set_head_weights
from tests.models.random_weights import randomise, write_weights

# Keras 3.15 converts variables in a way NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ["a", "b", "c"]
LINEAR = ModelConfig(backbone="mobilenet_0.25", pretrained=True, image_size_px=32, classes=3)
HIDDEN = LINEAR.model_copy(update={"head_widths": (4,), "dropout": 0.5})
TUNED = LINEAR.model_copy(update={"trainable_stages": 2})
OTHER_SIZE = ModelConfig(backbone="cnn", image_size_px=8, classes=3)


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights of the pretrained network, which are random."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        write_weights("mobilenet_0.25", 32)
        yield


def member(config: ModelConfig, factor: float, seed: int) -> Member:
    """A network whose trained part is random."""
    network = build_network(config, seed=0)
    randomise(network.head, seed)
    return Member(config, head_weights(network), factor)


def images(size_px: int) -> np.ndarray:
    """Random images of the network's own size."""
    return np.random.default_rng(1).integers(0, 256, (5, size_px, size_px, 3)).astype(np.float32)


def logits(each: Member) -> np.ndarray:
    """What one network makes of its images, times its factor."""
    network = build_network(each.config, seed=0)
    set_head_weights(network, each.weights)
    inputs = images(each.config.image_size_px)
    features = inputs if network.base is None else network.base(inputs)
    return each.factor * np.asarray(network.head(features))


def outputs(whole: Whole) -> np.ndarray:
    """The ensemble's probabilities for the same images."""
    return np.asarray(whole.core([images(size_px) for size_px in whole.sizes_px]))


@pytest.fixture(scope="module")
def members() -> list[Member]:
    """Two linear heads and one with a hidden layer on one backbone, and two other networks."""
    configs = (LINEAR, LINEAR, HIDDEN, TUNED, OTHER_SIZE)
    return [member(config, 0.1 * (seed + 1), seed) for seed, config in enumerate(configs)]


@pytest.fixture(scope="module")
def whole(members: list[Member]) -> Whole:
    """The ensemble of them."""
    return ensemble_model(members, class_names=NAMES, reading="grey-8")


def test_logits_are_added_up(members: list[Member], whole: Whole) -> None:
    """Each member sees the images at its own size, and counts by its factor."""
    expected = keras.ops.softmax(np.sum([logits(each) for each in members], axis=0))
    assert whole.sizes_px == (8, 32)
    np.testing.assert_allclose(outputs(whole), expected, atol=2e-5)


def test_what_is_shared_is_there_once(members: list[Member], whole: Whole) -> None:
    """The frozen backbone, and the linear heads on it as one."""
    backbone, head = (build_network(LINEAR, seed=0).base, build_network(LINEAR, seed=0).head)
    assert backbone is not None
    shared = ensemble_model(members[:3], class_names=NAMES)
    hidden = build_network(HIDDEN, seed=0).head.count_params()
    expected = backbone.count_params() + head.count_params() + hidden
    assert shared.model.count_params() == expected
    assert whole.model.count_params() > 2 * backbone.count_params()  # a fine-tuned one is another


def test_a_saved_ensemble_is_a_model_like_any_other(whole: Whole, tmp_path: Path) -> None:
    """Plain Keras loads it, it takes images of any size and knows its classes."""
    whole.model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    pictures = np.random.default_rng(2).integers(0, 256, (2, 50, 40, 3), np.uint8)
    np.testing.assert_allclose(loaded(pictures), whole.model(pictures), atol=1e-6)
    assert class_names(loaded) == NAMES
    assert reading_text(loaded) == "grey-8"


def test_it_classifies_unless_it_is_told_to_train(whole: Whole) -> None:
    """Keras's image layers would turn dropout and batch statistics on."""
    pictures = images(32)
    np.testing.assert_allclose(
        whole.model(pictures), whole.model(pictures, training=False), atol=1e-6
    )


def test_one_unit_for_two_classes() -> None:
    """Sigmoid networks add up their log-odds."""
    config = OTHER_SIZE.model_copy(update={"classes": 2, "output": "sigmoid"})
    members = [member(config, 0.5, seed) for seed in range(2)]
    found = outputs(ensemble_model(members, class_names=["a", "b"]))
    expected = keras.ops.sigmoid(np.sum([logits(each) for each in members], axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-5)
