"""KerasHub's backbones: tiny presets with random weights, as KerasHub itself writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models import hub
from models.catalogue import BUILT_IN
from models.config import ModelConfig
from models.errors import ModelError
from models.export import load_model, whole_model
from models.hub import HubPreset
from models.network import build_network, copy_weights, count_parameters

pytestmark = pytest.mark.slow  # importing KerasHub takes as long as all of them
keras_hub = pytest.importorskip("keras_hub", reason="needs the extra hub")

SCALE, OFFSET = [1 / 100, 1 / 120, 1 / 140], [-1.0, -0.5, 0.0]
BLOCKS: Mapping[str, Any] = {
    "num_layers": 5,
    "num_heads": 2,
    "hidden_dim": 8,
    "image_shape": (32, 32, 3),
    "patch_size": 8,
}
NAMES = {
    "dinov2": "hub:dinov2_small",
    "vit": "hub:vit_base_patch16_224_imagenet21k",
    "siglip": "hub:siglip_base_patch16_224",
    "efficientnet": "hub:efficientnet_lite0_ra_imagenet",
}


def dinov2() -> Any:
    """A transformer that interpolates its positions."""
    return keras_hub.models.DINOV2Backbone(
        **BLOCKS, intermediate_dim=16, position_embedding_shape=(32, 32, 3)
    )


def vit() -> Any:
    """A transformer for one image size."""
    return keras_hub.models.ViTBackbone(**BLOCKS, mlp_dim=16)


def siglip() -> Any:
    """A transformer for images beside one for texts."""
    from keras_hub.src.models.siglip.siglip_text_encoder import SigLIPTextEncoder
    from keras_hub.src.models.siglip.siglip_vision_encoder import SigLIPVisionEncoder

    text = SigLIPTextEncoder(
        vocabulary_size=11,
        embedding_dim=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        intermediate_dim=16,
        max_sequence_length=4,
        name="text_encoder",
    )
    vision = SigLIPVisionEncoder(**BLOCKS, intermediate_dim=16, name="vision_encoder")
    return keras_hub.models.SigLIPBackbone(vision, text)


def efficientnet() -> Any:
    """Convolutions, whose feature map is pooled by the head."""
    return keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0, 1.0],
        stackwise_depth_coefficients=[1.0, 1.0],
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 1],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 4],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "v1"],
        image_shape=(None, None, 3),
    )


@pytest.fixture(scope="module", autouse=True)
def _presets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tiny presets in the places of the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLEHUB_CACHE", str(tmp_path_factory.mktemp("kagglehub")))
        for make in (dinov2, vit, siglip, efficientnet):
            folder = str(_preset(make.__name__).folder / _preset(make.__name__).place)
            model = make()
            for variable in model.weights:  # else some are zeros, and tell nothing
                shape = variable.shape
                variable.assign(np.random.default_rng(0).uniform(0.1, 0.5, shape))
            model.save_to_preset(folder)
            keras_hub.layers.ImageConverter(scale=SCALE, offset=OFFSET).save_to_preset(folder)
        yield


def _preset(family: str) -> HubPreset:
    weights = BUILT_IN.find(NAMES[family]).weights
    assert isinstance(weights, HubPreset)
    return weights


def config(family: str, stages: int, size_px: int = 32) -> ModelConfig:
    """A network on a preset, partly trained."""
    return ModelConfig(
        backbone=NAMES[family],
        pretrained=True,
        image_size_px=size_px,
        classes=3,
        trainable_stages=stages,
    )


def features_by_hand(family: str, images: np.ndarray) -> np.ndarray:
    """What KerasHub gives for images, by its own preset and converter."""
    preset = _preset(family)
    folder = str(preset.folder / preset.place)
    model = keras_hub.models.Backbone.from_preset(folder)
    pixels = keras_hub.layers.ImageConverter.from_preset(folder)(images)
    model = getattr(model, preset.part) if preset.part else model
    given = {"images": pixels} if isinstance(model.input, dict) else pixels
    found = np.asarray(model(given, training=False))
    if preset.features == "class":
        return found[:, 0]
    if preset.features == "class and mean":
        return np.concatenate([found[:, 0], found[:, 1:].mean(axis=1)], axis=1)
    return found.mean(axis=(1, 2)) if found.ndim == 4 else found


@pytest.mark.parametrize("family", NAMES)
def test_a_frozen_one_gives_what_kerashub_gives(family: str) -> None:
    """Settings, pixels and weights are those of the preset."""
    images = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    network = build_network(config(family, 0), seed=0)
    assert network.base is not None
    found = np.asarray(network.base(images, training=False))
    np.testing.assert_allclose(found, features_by_hand(family, images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", NAMES)
def test_it_is_trained_in_part_or_whole(family: str) -> None:
    """More stages are more trained weights, and two of five are neither none nor all."""
    trained = []
    for stages in (0, 2, 5):
        network = build_network(config(family, stages), seed=0)
        trained.append(sum(int(np.prod(v.shape)) for v in network.head.trainable_variables))
    everything = count_parameters(network)
    assert trained[0] < trained[1] <= trained[2] <= everything
    if family != "efficientnet":  # the tiny one has two stages only
        assert trained[1] < 0.7 * trained[2]


@pytest.mark.parametrize("family", NAMES)
def test_it_is_exported_with_kerashubs_layers(family: str, tmp_path: Path) -> None:
    """Keras loads the file where KerasHub is installed, and so does `hpo predict`."""
    given = config(family, 2, size_px=40)
    network = build_network(given, seed=0)
    model = whole_model(given, class_names=["a", "b", "c"])
    copy_weights(network, model)
    images = np.random.default_rng(1).uniform(0, 255, (1, 50, 60, 3)).astype(np.float32)
    before = np.asarray(model(images, training=False))
    model.save(tmp_path / "model.keras")
    for load in (load_model, keras.saving.load_model):
        loaded = load(tmp_path / "model.keras")
        np.testing.assert_allclose(np.asarray(loaded(images, training=False)), before, atol=1e-6)


def test_a_preset_that_is_not_here_says_how_to_get_it() -> None:
    """Nothing is downloaded in the midst of a trial."""
    row = BUILT_IN.find("hub:mobilenetv5_300m_enc_gemma3n")
    assert row.weights is not None
    assert row.weights.here() is None
    with pytest.raises(ModelError, match=r"(?s)mobilenetv5.*from_preset"):
        build_network(
            ModelConfig(backbone=row.name, pretrained=True, image_size_px=64, classes=3), seed=0
        )


def test_a_download_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the server's, in one line."""

    def refuse(name: str) -> None:
        raise ConnectionError(f"the whole address of {name}")

    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", refuse)
    row = BUILT_IN.find("hub:dinov2_base")
    assert row.weights is not None
    with pytest.raises(ModelError, match=r"dinov2_base .*no connection to Kaggle \(Conn"):
        row.weights.fetch()


def test_without_kerashub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are listed all the same."""
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    assert _preset("vit").here() is None
    with pytest.raises(ModelError, match=r"pip install 'hpo\[hub\]'"):
        _preset("vit").fetch()


def test_a_damaged_preset_is_refused(tmp_path: Path) -> None:
    """The weights of another network do not fit."""
    images, file = keras.Input((32, 32, 3)), tmp_path / "model.weights.h5"
    body = keras.Model(images, _preset("vit").build(images))
    file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"complete preset"):
        _preset("vit").load(body, file)
