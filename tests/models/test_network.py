"""Networks to train: their parts, seeds, precision and shared variables."""

import random
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.config import ModelConfig
from models.errors import ModelError
from models.heads import Head
from models.network import (
    Network,
    build_network,
    count_parameters,
    head_weights,
    l2_kernels,
    rate_factors,
    reset,
    set_dropout,
    set_head_weights,
    set_top_weights,
    shape_key,
    top_weights,
)

# Keras 3.15 converts variables in a way NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def scratch(**settings: object) -> ModelConfig:
    """A small network that is trained whole."""
    return ModelConfig(**{"backbone": "cnn_deep", "image_size_px": 32, "classes": 3} | settings)


def pretrained(**settings: object) -> ModelConfig:
    """The structure of a pretrained network."""
    given = {"backbone": "mobilenet_0.25", "image_size_px": 32, "classes": 3, "pretrained": True}
    return ModelConfig(**given | settings)


def build(config: ModelConfig, seed: int = 0, precision: str = "float32") -> Network:
    """A network with random weights in place of pretrained ones."""
    return build_network(config, seed=seed, precision=precision, weights=False)


def values(network: Network) -> list[np.ndarray]:
    """All that decides how training goes on, random states included."""
    return [
        np.array(v) for v in (*(network.base or network.head).variables, *network.head.variables)
    ]


CONFIGS = {
    "scratch": scratch(head_widths=(8,), dropout=0.3),
    "body dropout": scratch(backbone="cifar_cnn", pooling="flatten"),
    "frozen": pretrained(head_widths=(8,), dropout=0.3),
    "partly frozen": pretrained(trainable_stages=2, dropout=0.3),
    "whole": pretrained(trainable_stages=5),
    "random": pretrained(pretrained=False, trainable_stages=0),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request: pytest.FixtureRequest) -> ModelConfig:
    """One network of each kind."""
    kind: ModelConfig = request.param
    return kind


class TestAnyNetwork:
    """What holds for networks of every kind."""

    def test_logits(self, config: ModelConfig) -> None:
        """Base and head turn uint8 images into float32 logits."""
        network = build(config)
        inputs = IMAGES if network.base is None else network.base(IMAGES)
        logits = network.head(inputs)
        assert logits.shape == (4, 3)
        assert logits.dtype == tf.float32

    def test_seed_alone_decides(self, config: ModelConfig) -> None:
        """Equal seeds give equal weights and random states, whatever was built or drawn before."""
        first = values(build(config, seed=7))
        keras.utils.set_random_seed(123)
        build(scratch())
        again, other = values(build(config, seed=7)), values(build(config, seed=8))
        assert all(map(np.array_equal, first, again))
        assert not all(map(np.array_equal, first, other))

    def test_global_random_state_is_left_alone(self, config: ModelConfig) -> None:
        """Building draws nothing from Python's generator."""
        before = random.getstate()
        build(config)
        assert random.getstate() == before

    def test_reset_equals_building(self, config: ModelConfig) -> None:
        """After training, `reset` gives the head that a new network would have."""
        network, fresh = build(config, seed=1), build(config, seed=2)
        for variable in network.head.variables:
            variable.assign(variable + 1)
        reset(network, seed=2)
        for ours, theirs in zip(network.head.variables, fresh.head.variables, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)

    def test_names_do_not_count_on(self, config: ModelConfig) -> None:
        """Variables are named alike in every build: TensorFlow keeps memory for each new name."""
        first, second = build(config), build(config)
        names = [variable.path for variable in first.head.weights]
        assert names == [variable.path for variable in second.head.weights]
        assert len(names) == len(set(names))

    def test_parameters(self, config: ModelConfig) -> None:
        """Neither dropout rate nor random states count as weights."""
        network = build(config)
        parts = [network.head] if network.base is None else [network.base, network.head]
        assert count_parameters(network) == sum(v.size for p in parts for v in p.get_weights())

    def test_mixed_precision(self, config: ModelConfig) -> None:
        """Lower precision changes what is computed in, not weights, logits or global state."""
        network, exact = build(config, precision="mixed_bfloat16"), build(config)
        assert keras.config.dtype_policy().name == "float32"
        for name, value in head_weights(network).items():
            np.testing.assert_array_equal(value, head_weights(exact)[name], err_msg=name)
        assert {v.dtype for v in network.head.weights} == {"float32"}
        inputs = IMAGES if network.base is None else network.base(IMAGES)
        logits = network.head(inputs, training=True)
        assert logits.dtype == tf.float32
        trunk = network.head.trunk if isinstance(network.head, Head) else network.base
        assert trunk is not None
        assert trunk.output.dtype == "bfloat16"


def test_policy_is_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed build leaves float32 behind."""
    monkeypatch.setattr("models.network.build_body", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(scratch(), precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"


class TestParts:
    """What is frozen and what is trained."""

    def test_frozen_base_ends_after_the_pooling(self) -> None:
        """The cached features of a frozen backbone are as small as can be."""
        network = build(pretrained())
        assert network.base is not None
        assert network.base.output.shape == (None, 256)
        assert network.base.trainable_variables == []
        assert [v.path.split("/")[-2] for v in network.head.trainable_variables] == ["logits"] * 2

    def test_a_base_that_is_there_already(self) -> None:
        """The head above it is the one that a network of its own would have."""
        config = pretrained(head_widths=(8,), dropout=0.3)
        own = build(config, seed=7)
        given = build_network(config, seed=7, weights=False, base=build(config, seed=1).base)
        for ours, theirs in zip(given.head.variables, own.head.variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert count_parameters(given) == count_parameters(own)

    def test_flatten_keeps_the_feature_map(self) -> None:
        """For flattening the base returns the map."""
        network = build(pretrained(pooling="flatten", image_size_px=64))
        assert network.base is not None
        assert network.base.output.shape == (None, 2, 2, 256)

    def test_max_pooling_is_frozen_too(self) -> None:
        """The base's features are the maxima of the map."""
        mean, maximum = (
            build(pretrained(image_size_px=64)),
            build(pretrained(image_size_px=64, pooling="max")),
        )
        images = np.zeros((1, 64, 64, 3), "float32")
        assert mean.base is not None
        assert maximum.base is not None
        assert (np.asarray(maximum.base(images)) >= np.asarray(mean.base(images))).all()

    def test_partly_trained(self) -> None:
        """Of a pretrained backbone the top stages are trained, the rest is not."""
        network = build(pretrained(trainable_stages=1))
        assert network.base is not None
        assert network.base.trainable_variables == []
        trained = {v.path.split("/")[-2] for v in network.head.trainable_variables}
        assert {"conv_dw_12", "conv_pw_13_bn", "logits"} <= trained
        assert "conv_pw_11" not in trained

    @pytest.mark.parametrize(
        "config", [pretrained(trainable_stages=5), scratch(), pretrained(pretrained=False)], ids=str
    )
    def test_nothing_is_frozen(self, config: ModelConfig) -> None:
        """Wholly trained networks and those with random weights have no base."""
        assert build(config).base is None

    @pytest.mark.parametrize(
        ("config", "moves"),
        [(pretrained(trainable_stages=5), False), (scratch(), True)],
        ids=["pretrained", "random"],
    )
    def test_batch_statistics(self, config: ModelConfig, moves: bool) -> None:
        """Pretrained batch statistics stay ImageNet's, others follow the data."""
        network = build(config)
        before = [np.array(v) for v in network.head.non_trainable_variables if "moving" in v.path]
        network.head(IMAGES, training=True)
        after = [np.array(v) for v in network.head.non_trainable_variables if "moving" in v.path]
        assert before
        assert all(map(np.array_equal, before, after)) != moves

    def test_top_goes_over_to_another_cut(self) -> None:
        """A head trained on frozen features continues when more is trained."""
        frozen = build(pretrained(head_widths=(8,)), seed=1)
        tuned = build(pretrained(head_widths=(8,), trainable_stages=2), seed=2)
        set_top_weights(tuned, top_weights(frozen))
        assert isinstance(tuned.head, Head)
        assert {name: value.shape for name, value in top_weights(tuned).items()} == {
            "head_dense1/kernel": (256, 8),
            "head_dense1/bias": (8,),
            "logits/kernel": (8, 3),
            "logits/bias": (3,),
        }
        for ours, theirs in zip(tuned.head.top.weights, frozen.head.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


class TestSharedVariables:
    """What trials of one shape may differ in."""

    @given(st.floats(0, 0.99), st.floats(0, 1))
    def test_shape_ignores_dropout_and_l2(self, dropout: float, l2: float) -> None:
        """Rates that live in variables are no part of the shape."""
        assert shape_key(scratch(dropout=dropout, l2=l2)) == shape_key(scratch())
        assert hash(shape_key(scratch(dropout=dropout, l2=l2))) == hash(shape_key(scratch()))

    @pytest.mark.parametrize(
        "settings",
        [
            {"backbone": "cnn"},
            {"image_size_px": 48},
            {"classes": 4},
            {"pooling": "max"},
            {"head_widths": (8,)},
            {"l2_scope": "output"},
        ],
    )
    def test_shape_tells_others_apart(self, settings: dict[str, object]) -> None:
        """Whatever changes the graph changes the key."""
        assert shape_key(scratch(**settings)) != shape_key(scratch())

    def test_dropout_rate_is_set_after_tracing(self) -> None:
        """One traced step serves every rate."""
        network = build(pretrained(dropout=0.0))
        assert network.base is not None
        features = network.base(IMAGES)
        step = tf.function(lambda x: network.head(x, training=True))
        without = step(features).numpy()
        np.testing.assert_array_equal(step(features).numpy(), without)
        set_dropout(network, 0.9)
        features = tf.random.stateless_normal(features.shape, seed=(0, 0))
        assert not np.array_equal(step(features).numpy(), step(features).numpy())
        set_dropout(network, 0.0)
        np.testing.assert_array_equal(step(features).numpy(), step(features).numpy())
        assert step.experimental_get_tracing_count() == 1

    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            (scratch(backbone="cnn", head_widths=(8,)), ["kernel"] * 6),
            (scratch(backbone="cnn", head_widths=(8,), l2_scope="output"), ["kernel"]),
            (pretrained(head_widths=(8,)), ["kernel"] * 2),
            (pretrained(backbone="xception", image_size_px=71), ["kernel"]),
        ],
        ids=["all", "output", "frozen", "frozen xception"],
    )
    def test_l2_kernels(self, config: ModelConfig, expected: list[str]) -> None:
        """The penalty applies to trained kernels, or to that of the output layer."""
        kernels = l2_kernels(build(config))
        assert [kernel.name for kernel in kernels] == expected
        assert kernels[-1].path.endswith("logits/kernel")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda: scratch(backbone="cnnn"), "cnn"),
        (lambda: pretrained(backbone="xception", image_size_px=64), "71 px.*Received: 64 px"),
        (lambda: scratch(output="sigmoid"), "two classes.*Received: 3 classes"),
        (lambda: scratch(pretrained=True), "has weights.*Received: 'cnn_deep'"),
    ],
    ids=["name", "size", "sigmoid", "pretrained"],
)
def test_contradictions(config: Callable[[], ModelConfig], words: str) -> None:
    """What cannot be built is refused with both sides named."""
    with pytest.raises(ModelError, match=words):
        build(config())


def test_missing_weights(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrained weights that are not here are an error before anything is built."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="mobilenet_2_5_224_tf_no_top"):
        build_network(pretrained(), seed=0)


class TestWeightsByName:
    """Weights are kept and set by the names of their variables."""

    def test_order_does_not_matter(self) -> None:
        """Each value finds its variable, in whatever order they come."""
        network, other = build(scratch(), seed=1), build(scratch(), seed=2)
        shuffled = dict(sorted(head_weights(network).items(), key=lambda item: item[0][::-1]))
        set_head_weights(other, shuffled)
        for name, value in head_weights(network).items():
            np.testing.assert_array_equal(head_weights(other)[name], value, err_msg=name)

    def test_another_networks_are_refused(self) -> None:
        """The error names what does not fit, and nothing is set."""
        network = build(scratch(head_widths=(8,)), seed=1)
        before = head_weights(network)
        with pytest.raises(ModelError, match=r"Received: others for .*head_dense1/bias"):
            set_head_weights(network, head_weights(build(scratch(), seed=2)))
        with pytest.raises(ModelError, match="Received: others for logits/bias, logits/kernel"):
            set_head_weights(network, head_weights(build(scratch(head_widths=(8,), classes=4))))
        for name, value in head_weights(network).items():
            np.testing.assert_array_equal(before[name], value, err_msg=name)

    @pytest.mark.parametrize("backbone", ["inception_v3", "xception"])
    def test_layers_without_a_name_are_called_alike(self, backbone: str) -> None:
        """Keras counts such layers through the whole process; a network's names must not."""
        config = pretrained(backbone=backbone, image_size_px=75, trainable_stages=1)
        assert head_weights(build(config)).keys() == head_weights(build(config)).keys()


def test_rates_below_a_cut() -> None:
    """A network that is cut has the rates of the stages above the cut, and the head's are whole."""
    config = ModelConfig(
        backbone="mobilenet_0.25",
        pretrained=True,
        image_size_px=64,
        classes=3,
        trainable_stages=2,
    )
    network = build_network(config, seed=0, weights=False)
    factors = rate_factors(network, 0.5)
    assert len(factors) == len(network.head.trainable_variables)
    assert set(factors) == {0.5, 1.0}
    assert factors[-2:] == [1.0, 1.0]
