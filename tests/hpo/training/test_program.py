"""Traced steps that trials share: same arithmetic as Keras, nothing left over from before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from data_pipeline.config import AugmentConfig
from hpo.training.program import EpochSums, Program, _call_sizes, predicted
from models.config import ModelConfig, OptimizerConfig
from models.network import build_network
from studies.trial_config import TrainingConfig, TrialConfig
from tests.models.random_weights import write_weights

MODEL = ModelConfig(backbone="cats_dogs_cnn", image_size_px=12, classes=3, head_widths=(8,))
SGD = OptimizerConfig(name="sgd", learning_rate=0.05)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (50, 12, 12, 3)).astype(np.float32)
LABELS = (np.arange(50) % 3).astype(np.int32)


def config_of(
    model: ModelConfig = MODEL, optimizer: OptimizerConfig = SGD, mixup: bool = False, **how: Any
) -> TrialConfig:
    """A trial of a network and an optimizer."""
    augment, training = AugmentConfig(mixup_alpha=0.2 * mixup), TrainingConfig(**how)
    return TrialConfig(model=model, optimizer=optimizer, augment=augment, training=training)


def make(
    optimizer: OptimizerConfig = SGD,
    model: ModelConfig = MODEL,
    *,
    mixup: bool = False,
    average: float = 0.0,
    **settings: Any,
) -> Program:
    """A program of small images."""
    given = {"precision": "float32", "on_features": False, "jit_compile": False}
    config = config_of(model, optimizer, mixup, weight_average=average)
    return Program(config, **(given | settings))


def batches(size: int = 16, mix: float = 1.0) -> Iterator[tuple[tf.Tensor, ...]]:
    """One epoch in order; the last batch is smaller."""
    for begin in range(0, 50, size):
        part = slice(begin, begin + size)
        mix_b = np.full(len(LABELS[part]), mix, np.float32)
        yield tuple(map(tf.constant, (IMAGES[part], LABELS[part], mix_b)))


def train(
    program: Program, size: int = 16, epochs: int = 2, mix: float = 1.0, rate: float = 0.05
) -> list[EpochSums]:
    """Trains a few epochs."""
    rates = [rate] * -(-50 // size)
    return [program.train(batches(size, mix), rates, lambda done: True) for _ in range(epochs)]


def state(program: Program) -> list[np.ndarray]:
    """All that training changes, in an order that does not depend on the program."""
    return [value for _, value in sorted(program.state().items())]


def weights_after(
    program: Program, optimizer: OptimizerConfig = SGD, model: ModelConfig = MODEL, **how: Any
) -> list[np.ndarray]:
    """The weights of a new trial of the program after two epochs."""
    program.reset(config_of(model, optimizer), seed=3)
    train(program, rate=optimizer.learning_rate, **how)
    return state(program)


def differ(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Whether any array differs in any bit."""
    return any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def program() -> Program:
    """A program that the tests share, as trials do."""
    return make()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "nadam"])
def test_a_trial_leaves_nothing_behind(name: str) -> None:
    """What a trial comes to does not depend on the trials before it, bit for bit."""
    decay = 0.01 if name in ("adamw", "lion") else 0.0
    optimizer = OptimizerConfig(name=name, learning_rate=0.01, weight_decay=decay)
    model = MODEL.model_copy(update={"dropout": 0.3, "l2": 0.01})
    alone, shared = make(optimizer), make(OptimizerConfig(name=name, learning_rate=0.5))
    other = OptimizerConfig(name=name, learning_rate=0.1)
    weights_after(shared, other, MODEL.model_copy(update={"dropout": 0.6}), epochs=1)
    assert not differ(
        weights_after(alone, optimizer, model), weights_after(shared, optimizer, model)
    )


def test_settings_act(program: Program) -> None:
    """Learning rate, L2, dropout and seed each change the result; repeating it does not."""
    plain = weights_after(program)
    assert not differ(plain, weights_after(program))
    assert differ(plain, weights_after(program, SGD.model_copy(update={"learning_rate": 0.06})))
    for update in ({"l2": 0.01}, {"dropout": 0.5}):
        assert differ(plain, weights_after(program, SGD, MODEL.model_copy(update=update)))
    program.reset(config_of(), seed=4)
    train(program)
    assert differ(plain, state(program))


def test_weight_decay_acts() -> None:
    """Decoupled decay shrinks the weights, though the optimizer was built with another."""
    norms = []
    program = make(OptimizerConfig(name="adamw", weight_decay=0.1))
    for decay in (0.0, 0.5):
        optimizer = OptimizerConfig(name="adamw", learning_rate=0.01, weight_decay=decay)
        weights_after(program, optimizer, epochs=5)
        norms.append(sum(float(np.square(w).sum()) for w in program.network.head.get_weights()))
    assert norms[1] < 0.95 * norms[0]


def test_what_was_read_stays_as_it_was(program: Program) -> None:
    """Weights and state are copies, since they are written while training goes on."""
    program.reset(config_of(), seed=1)
    read = [*state(program), *program.network.head.get_weights()]
    before = [array.copy() for array in read]
    train(program)
    assert not differ(before, read)
    assert differ(before, [*state(program), *program.network.head.get_weights()])


def test_state_round_trip(program: Program) -> None:
    """A trial that is restored after an epoch ends as if it had not been interrupted."""
    model = MODEL.model_copy(update={"dropout": 0.3})
    program.reset(config_of(model), seed=1)
    train(program, epochs=1)
    after_one = program.state()
    train(program, epochs=1)
    undisturbed = state(program)
    program.reset(config_of(model), seed=9)
    train(program)
    program.reset(config_of(model), seed=1)
    program.set_state(after_one)
    train(program, epochs=1)
    assert not differ(undisturbed, state(program))


@pytest.mark.parametrize(
    ("optimizer", "l2", "output", "backbone"),
    [
        (OptimizerConfig(name="adam", learning_rate=0.003), 0.01, "softmax", "cats_dogs_cnn"),
        (OptimizerConfig(name="sgd", learning_rate=0.02), 0.01, "sigmoid", "cats_dogs_cnn"),
        (
            OptimizerConfig(name="adamw", learning_rate=0.003, weight_decay=0.1),
            0.0,
            "softmax",
            "cats_dogs_cnn",
        ),
        (OptimizerConfig(name="sgd", learning_rate=0.003), 0.0, "softmax", "cnn"),
    ],
    ids=["adam", "sgd", "adamw", "moving averages"],
)
def test_equals_keras(optimizer: OptimizerConfig, l2: float, output: str, backbone: str) -> None:
    """Two epochs equal Keras's own `fit` on the same batches, network and first weights.

    So do the moving averages of batch normalisation, as `batch_norm = "moving"` evaluates by them.
    """
    classes = 2 if output == "sigmoid" else 3
    model = MODEL.model_copy(
        update={"l2": l2, "output": output, "classes": classes, "backbone": backbone}
    )
    labels = LABELS % classes
    program = make(optimizer, model)
    program.reset(config_of(model, optimizer), seed=3)

    network = build_network(model, seed=3)
    reference = network.head
    for layer in reference._flatten_layers():
        if l2 and hasattr(layer, "kernel_regularizer"):
            layer.kernel_regularizer = keras.regularizers.L2(l2)
            layer._kernel.regularizer = layer.kernel_regularizer
    rate = optimizer.learning_rate
    own = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        "adamw": lambda: keras.optimizers.AdamW(rate, weight_decay=optimizer.weight_decay),
    }[optimizer.name]()
    if optimizer.name == "adamw":
        own.exclude_from_weight_decay(var_names=["bias"])
    reference.compile(
        optimizer=own,
        loss=keras.losses.BinaryCrossentropy(from_logits=True)
        if output == "sigmoid"
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    reference.fit(IMAGES, labels, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        data = [
            (images, tf.constant(labels[i * 16 : i * 16 + 16]), mix)
            for i, (images, _, mix) in enumerate(batches())
        ]
        program.train(iter(data), [optimizer.learning_rate] * 4, lambda done: True)
    start = build_network(model, seed=3).head.get_weights()
    for ours, theirs, first in zip(
        program.network.head.get_weights(), reference.get_weights(), start, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-4, rtol=1e-3)
        assert np.abs(ours - first).max() > 1e-4, "it was trained"


def test_sums(program: Program) -> None:
    """Loss and accuracy are means over the images, not over batches of different sizes."""
    program.reset(config_of(), seed=3)
    for size in (16, 50):
        (sums,) = train(program, size=size, epochs=1, rate=1e-12)
        logits = program.network.head(IMAGES, training=False)
        loss = float(
            keras.ops.mean(keras.losses.sparse_categorical_crossentropy(LABELS, logits, True))
        )
        assert sums.loss == pytest.approx(loss, rel=1e-3)
        guesses = np.asarray(predicted(logits))
        assert sums.accuracy == pytest.approx((guesses == LABELS).mean(), abs=0.021)
        assert sums.finite
        assert sums.complete


def test_sums_do_not_depend_on_time(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps are run in a call, an epoch's figures are the same, bit for bit."""
    results = []
    for sizes in ([13], [1] * 13, [4, 8, 1]):
        monkeypatch.setattr("hpo.training.program._call_sizes", lambda steps, s=sizes: iter(s))
        program.reset(config_of(), seed=3)
        results.append(train(program, size=4, epochs=3))
    assert results[0] == results[1] == results[2]


def test_traced_once() -> None:
    """Batches of all sizes, learning rates and trials share one trace of each function."""
    program = make()
    for size in (16, 7, 50):
        weights_after(program, SGD.model_copy(update={"learning_rate": 1 / size}), size=size)
        parts = [slice(begin, begin + size) for begin in range(0, len(LABELS), size)]
        logits, labels = program.logits([(IMAGES[p].astype(np.uint8), LABELS[p]) for p in parts])
        assert logits.shape == (50, 3)
        np.testing.assert_array_equal(labels, LABELS)
    assert program._step.experimental_get_tracing_count() == 1
    assert program._logits.experimental_get_tracing_count() == 1


def test_notices_what_is_not_finite(program: Program) -> None:
    """An epoch ends with the call that met a loss that is not finite."""
    program.reset(config_of(), seed=3)
    (sums,) = train(program, epochs=1, size=2, rate=1e30)
    assert not sums.finite
    assert not sums.complete
    program.reset(config_of(), seed=3)
    assert train(program, epochs=1)[0].finite, "the next trial is not infected"


def test_stops_within_an_epoch(program: Program) -> None:
    """Who says no after a call gets an epoch that is not complete."""
    program.reset(config_of(), seed=3)
    sums = program.train(batches(2), [0.05] * 25, lambda done: done < 3)
    assert sums.finite
    assert not sums.complete


def test_mixup_mixes_inputs_and_labels() -> None:
    """With a weight of 1 nothing is mixed; with 0 each image is its neighbour before it."""
    plain, mixed = make(), make(mixup=True)
    same = weights_after(mixed, mix=1.0, size=50, epochs=1)
    assert not differ(weights_after(plain, size=50, epochs=1), same)
    swapped = weights_after(mixed, mix=0.0, size=50, epochs=1)
    for a, b in zip(same, swapped, strict=True):  # the same images in another order
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert differ(same, weights_after(mixed, mix=0.5, size=50, epochs=1))


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_mixup_above_a_frozen_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """The base's activations are mixed, whether they are kept or computed within the step."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    write_weights("mobilenet_0.25", 32)
    model = ModelConfig(backbone="mobilenet_0.25", pretrained=True, image_size_px=32, classes=3)
    images = tf.constant(RANDOM.integers(0, 255, (8, 32, 32, 3)).astype(np.float32))
    labels, mix_b = tf.constant(LABELS[:8]), tf.constant(RANDOM.random(8).astype(np.float32))
    on_images = make(model=model, mixup=True, precision=precision)
    on_features = make(model=model, mixup=True, precision="float32", on_features=True)
    base = on_images.network.base
    assert base is not None
    kept = tf.cast(base(images, training=False), tf.float32)
    for program, inputs in ((on_images, images), (on_features, kept)):
        program.reset(config_of(model), seed=3)
        program.train(iter([(inputs, labels, mix_b)]), [0.05], lambda done: True)
    tolerance = 1e-5 if precision == "float32" else 2e-2  # eight bits of a logit's gradient
    for a, b in zip(state(on_images), state(on_features), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("backbone", ["cnn", "resnet_small", "mobilenet_0.25", "resnet50_v2"])
def test_statistics_of_one_batch_are_those_of_its_training_step(backbone: str) -> None:
    """A network evaluated by a batch's own statistics says what it says in training.

    By moving averages, of which `keras.applications` takes a hundredth or a thousandth of each
    step, its logits are others.
    """
    model = ModelConfig(backbone=backbone, image_size_px=32, classes=3)
    program = make(model=model)
    program.reset(config_of(model), seed=3)
    images = RANDOM.integers(0, 255, (16, 32, 32, 3)).astype(np.float32)
    lagging, _ = program.logits([(images, LABELS[:16])])
    expected = np.asarray(program.network.head(images, training=True))
    assert program.follows_statistics
    program.refresh_statistics([(images, LABELS[:16])])
    found, _ = program.logits([(images, LABELS[:16])])
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    assert np.abs(lagging - expected).max() > 0.1 * np.abs(expected).max()


def test_pretrained_networks_keep_their_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where all of them is trained."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    write_weights("mobilenet_0.25", 32)
    for stages in (0, 2, 5):
        model = ModelConfig(
            backbone="mobilenet_0.25",
            pretrained=True,
            trainable_stages=stages,
            image_size_px=32,
            classes=3,
        )
        assert not make(model=model).follows_statistics


def test_compiled_by_xla_is_the_same() -> None:
    """Where XLA compiles the step the weights agree within rounding."""
    for a, b in zip(
        weights_after(make(), epochs=1),
        weights_after(make(jit_compile=True), epochs=1),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_learns(precision: str) -> None:
    """With less precision the loss falls as well, and variables stay float32."""
    program = make(precision=precision)
    program.reset(config_of(), seed=3)
    sums = train(program, epochs=8)
    assert sums[-1].loss < sums[0].loss
    assert {w.dtype for w in program.network.head.get_weights()} == {np.dtype(np.float32)}


def test_calls_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls double while they are quick and never add up to more than the steps."""
    assert list(_call_sizes(25)) == [1, 2, 4, 8, 10]
    assert list(_call_sizes(0)) == []


def test_the_rate_may_change_with_every_step() -> None:
    """Steps at a rate of nothing change nothing; what comes after them does."""
    program = make()
    program.reset(config_of(), seed=3)
    before = program.network.head.get_weights()
    program.train(batches(), [0.0] * 4, lambda done: True)
    assert not differ(before, program.network.head.get_weights())
    program.train(batches(), [0.0, 0.0, 0.0, 0.05], lambda done: True)
    assert differ(before, program.network.head.get_weights())


def test_labels_are_smoothed_as_keras_does() -> None:
    """The loss is Keras's own of smoothed labels, for many units and for one."""
    for output, classes in (("softmax", 3), ("sigmoid", 2)):
        model = MODEL.model_copy(update={"output": output, "classes": classes})
        program = make(model=model)
        program.reset(config_of(model, label_smoothing=0.2), seed=3)
        labels = LABELS % classes
        data = iter([tuple(map(tf.constant, (IMAGES, labels, np.ones(50, np.float32))))])
        sums = program.train(data, [1e-12], lambda done: True)
        logits = program.network.head(IMAGES, training=False)
        if output == "sigmoid":
            theirs = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)
            expected = theirs(labels[:, None].astype(np.float32), logits)
        else:
            theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
            expected = theirs(np.eye(3, dtype=np.float32)[labels], logits)
        assert sums.loss == pytest.approx(float(expected), rel=1e-4)


def test_rare_classes_can_count_as_much(program: Program) -> None:
    """A class of weight 0 teaches nothing, so that its labels might be any."""
    weights = np.array([1.0, 1.0, 0.0])
    results = []
    for third in (2, 0):
        program.reset(config_of(), seed=3, class_weights=weights)
        labels = np.where(LABELS == 2, 2, LABELS).astype(np.int32)
        images = np.where((LABELS == 2)[:, None, None, None], IMAGES * third, IMAGES)
        data = iter([tuple(map(tf.constant, (images, labels, np.ones(50, np.float32))))])
        program.train(data, [0.05], lambda done: True)
        results.append(state(program))
    for ours, other in zip(*results, strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-7)


def test_the_average_of_the_weights() -> None:
    """It is the recursion of its definition, and stands in for the weights only when asked."""
    program, decay = make(average=0.9), 0.9
    program.reset(config_of(weight_average=decay), seed=3)
    average = [w.copy() for w in program.network.head.get_weights()]
    for step in range(1, 8):
        train(program, size=50, epochs=1)
        now, factor = program.network.head.get_weights(), min(decay, (1 + step) / (10 + step))
        average = [factor * a + (1 - factor) * w for a, w in zip(average, now, strict=True)]
    before = program.network.head.get_weights()
    with program.averaged():
        for found, expected in zip(program.network.head.get_weights(), average, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not differ(before, program.network.head.get_weights())


def test_the_average_is_part_of_the_state() -> None:
    """A trial that is restored after an epoch averages on as if it had not been interrupted."""
    program = make(average=0.9)
    config = config_of(weight_average=0.9)
    program.reset(config, seed=1)
    train(program, epochs=1)
    after_one = program.state()
    train(program, epochs=1)
    undisturbed = state(program)
    program.reset(config, seed=9)
    program.set_state(after_one)
    train(program, epochs=1)
    assert not differ(undisturbed, state(program))


def test_lower_stages_take_smaller_steps() -> None:
    """A first step is half as long in the stage below the top one, and the same above."""
    model = ModelConfig(backbone="mobilenet_0.25", image_size_px=32, classes=3)
    images = RANDOM.integers(0, 255, (16, 32, 32, 3)).astype(np.float32)
    changes = []
    for decay in (1.0, 0.5):
        config = config_of(model, stage_decay=decay)
        program = Program(config, precision="float32", on_features=False, jit_compile=False)
        program.reset(config, seed=3)
        first = {v.path: np.array(v) for v in program.network.head.trainable_variables}
        data = iter([tuple(map(tf.constant, (images, LABELS[:16], np.ones(16, np.float32))))])
        program.train(data, [0.05], lambda done: True)
        moved = {v.path: np.array(v) for v in program.network.head.trainable_variables}
        changes.append({path: moved[path] - first[path] for path in first})
    whole, less = changes
    for path, factor in (("conv_pw_13/kernel", 1.0), ("conv_pw_11/kernel", 0.5)):
        assert np.abs(whole[path]).max() > 0
        np.testing.assert_allclose(less[path], factor * whole[path], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(less["logits/kernel"], whole["logits/kernel"], atol=1e-7)
