"""One trial, from its first epoch to each of its ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline.config import AugmentConfig
from data_pipeline.store import ImageStore
from hpo.training import checkpoint, policies, trial
from hpo.training.checkpoint import best_path, load, load_weights
from hpo.training.device import Device
from hpo.training.features import FeatureInputs
from hpo.training.inputs import ImageInputs, TrialData
from hpo.training.metrics import evaluate
from hpo.training.program import Program
from hpo.training.programs import Programs
from hpo.training.protocol import Finished, Train
from hpo.training.solving import SolvedHeads
from hpo.training.trial import make_ready, run_trial
from models.config import STRENGTHS, ModelConfig, OptimizerConfig
from models.memory import training_bytes
from models.network import build_network, set_head_weights
from studies.record import Outcome
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.training.data import FakeLink, make_data, make_job
from tests.models.random_weights import write_weights

CPU = Device("CPU", False, "float32", False)
PLAIN = TrialConfig(
    model=ModelConfig(backbone="cnn", image_size_px=8, classes=3, dropout=0.2),
    optimizer=OptimizerConfig(name="adam", learning_rate=0.01),
    augment=AugmentConfig(rotation_deg=10, width_shift=0.1, mixup_alpha=0.2),
    training=TrainingConfig(batch_size=16, epochs=4, early_stopping_patience=0),
)

STILL = PLAIN.model_copy(update={"model": PLAIN.model.model_copy(update={"backbone": "cifar_cnn"})})
"""A network without normalisation, whose moving statistics would follow the images anyway."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """Images that a few epochs tell apart."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def programs() -> Programs:
    """What a worker keeps from one trial to the next."""
    return Programs(CPU)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The trial's own folder."""
    return tmp_path / "00000"


def with_training(config: TrialConfig, **changes: Any) -> TrialConfig:
    """The same trial, trained otherwise."""
    training = config.training.model_copy(update=changes)
    return config.model_copy(update={"training": training})


@dataclass(frozen=True)
class Trained:
    """A job, and what came of it."""

    job: Train
    finished: Finished

    @property
    def weights(self) -> tuple[dict[str, np.ndarray], int]:
        """The best epoch's weights, and how many stages were trained."""
        best_epoch = ended(self).best_epoch
        assert best_epoch is not None
        return load_weights(best_path(Path(self.job.folder), best_epoch))


def train(job: Train, data: TrialData, programs: Programs, link: FakeLink) -> Trained:
    """Trains a trial."""
    return Trained(job, run_trial(job, data, programs, link))


def ended(trained: Trained) -> Outcome:
    """How a trial ended, or stands."""
    assert trained.finished.outcome is not None
    return trained.finished.outcome


def result(outcome: Outcome) -> tuple[Any, ...]:
    """What must be the same whatever happened in between."""
    return outcome.reason, outcome.value, outcome.best_epoch, outcome.history


def assert_same(first: Trained, second: Trained) -> None:
    """Two trials ended alike, bit for bit."""
    assert result(ended(first)) == result(ended(second))
    assert first.weights[0].keys() == second.weights[0].keys()
    for name, value in first.weights[0].items():
        np.testing.assert_array_equal(value, second.weights[0][name], strict=True, err_msg=name)


def test_complete(data: TrialData, programs: Programs, folder: Path) -> None:
    """All epochs are told one by one; the value is that of the best epoch's weights."""
    link = FakeLink()
    trained = train(make_job(PLAIN, folder), data, programs, link)
    outcome = ended(trained)
    assert outcome.reason == "complete"
    assert link.epochs() == [1, 2, 3, 4]
    kinds = [event.kind for event in link.events]
    ends = [number for number, kind in enumerate(kinds) if kind == "epoch"]
    assert [kinds[number - 1] for number in ends] == ["alive"] * 4, "evaluation is told, too"
    assert kinds[-1] == "alive", "and so is that of the best epoch"
    assert {len(curve) for curve in outcome.history.values()} == {4}
    curve = outcome.history["val_accuracy"]
    assert outcome.value == max(curve) > 0.5
    assert outcome.best_epoch == 1 + int(np.argmax(curve))
    assert outcome.facts["image_size_px"] == 8
    assert outcome.facts["device"] == "CPU"
    assert outcome.facts["precision"] == "float32"
    assert {"training", "evaluation", "checkpoint", "total"} <= outcome.seconds.keys()
    network = build_network(PLAIN.model, seed=99)
    set_head_weights(network, trained.weights[0])
    split = data.split("validation", 8)
    logits = network.head(split.images_bhwc[split.rows].astype(np.float32), training=False)
    assert evaluate(np.asarray(logits), split.labels)["accuracy"] == outcome.value


def test_training_accuracy_is_that_of_clean_images(
    data: TrialData, programs: Programs, folder: Path
) -> None:
    """Beside the running figures of mixed images, the best epoch's are those of images as they are.

    With much mixup they differ, as the running ones count the label of only one of two images.
    """
    augment = PLAIN.augment.model_copy(update={"mixup_alpha": 5.0})
    trained = train(
        make_job(PLAIN.model_copy(update={"augment": augment}), folder), data, programs, FakeLink()
    )
    network = build_network(PLAIN.model, seed=99)
    set_head_weights(network, trained.weights[0])
    split = data.split("train", 8)
    logits = network.head(split.images_bhwc[split.rows].astype(np.float32), training=False)
    figures = evaluate(np.asarray(logits), split.labels)
    outcome = ended(trained)
    assert outcome.facts["train_accuracy_clean"] == figures["accuracy"]
    assert outcome.facts["train_loss_clean"] == pytest.approx(figures["loss"], rel=1e-4)
    assert outcome.best_epoch is not None
    running = outcome.history["accuracy"][outcome.best_epoch - 1]
    assert figures["accuracy"] > running + 0.2


LAGGING = PLAIN.model_copy(
    update={
        "augment": AugmentConfig(),
        "training": TrainingConfig(batch_size=75, epochs=4, early_stopping_patience=0),
    }
)
"""Four steps of a network with batch normalisation, whose moving averages take tens."""


def first_statistics(weights: dict[str, np.ndarray], data: TrialData) -> tuple[Any, Any]:
    """Mean and variance of what the first normalisation of `cnn` gets from the training images."""
    split = data.split("train", 8)
    images = split.images_bhwc[split.rows].astype(np.float32) / 255
    convolved = tf.nn.conv2d(images, weights["stage1_1_conv/kernel"], 1, "SAME").numpy()
    return convolved.mean(axis=(0, 1, 2)), convolved.var(axis=(0, 1, 2))


def test_batch_norm_is_evaluated_by_the_statistics_of_the_weights(
    data: TrialData, programs: Programs, folder: Path
) -> None:
    """From the first epoch on, and the best epoch's weights are kept with them."""
    trained = train(make_job(LAGGING, folder), data, programs, FakeLink())
    weights, outcome = trained.weights[0], ended(trained)
    mean, variance = first_statistics(weights, data)
    np.testing.assert_allclose(weights["stage1_1_bn/moving_mean"], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weights["stage1_1_bn/moving_variance"], variance, rtol=1e-4)
    assert outcome.value == max(outcome.history["val_accuracy"])
    assert min(outcome.history["val_accuracy"]) > 0.6


def test_batch_norm_can_keep_keras_moving_averages(
    data: TrialData, programs: Programs, folder: Path
) -> None:
    """They lag so far behind after four steps that the network is not better than chance.

    Training is the same as with precise statistics, bit for bit: it does not use them.
    """
    config = with_training(LAGGING, batch_norm="moving")
    trained = train(make_job(config, folder), data, programs, FakeLink())
    precise = ended(train(make_job(LAGGING, folder / "precise"), data, programs, FakeLink()))
    weights, outcome = trained.weights[0], ended(trained)
    variance = first_statistics(weights, data)[1]
    assert (np.abs(weights["stage1_1_bn/moving_variance"] / variance - 1) > 0.5).all()
    assert max(outcome.history["val_accuracy"]) < 0.6
    assert outcome.history["loss"] == precise.history["loss"]


def test_does_not_depend_on_other_trials(
    data: TrialData, programs: Programs, folder: Path, tmp_path: Path
) -> None:
    """A worker that trained other trials before gives the same as one that did not."""
    other = PLAIN.model_copy(update={"optimizer": OptimizerConfig(name="adam", learning_rate=0.1)})
    train(make_job(other, tmp_path / "00001", number=1), data, programs, FakeLink())
    worn = train(make_job(PLAIN, folder), data, programs, FakeLink())
    new = train(make_job(PLAIN, tmp_path / "new"), data, Programs(CPU), FakeLink())
    assert_same(worn, new)


@pytest.mark.parametrize("pretrained", [False, True])
def test_made_ready_before_the_images_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretrained: bool
) -> None:
    """Networks are built and traced without any image; the trial comes to the same."""
    config, size_px = PLAIN, 8
    if pretrained:
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        write_weights("mobilenet_0.25", 32)
        model = ModelConfig(backbone="mobilenet_0.25", image_size_px=32, classes=3, pretrained=True)
        config, size_px = PLAIN.model_copy(update={"model": model}), 32
    data = make_data(tmp_path, size_px)
    late, there = data.open_images, False

    def open_images(image_size_px: int) -> ImageStore:
        assert there, "the images were opened"
        return late(image_size_px)

    data, ready = TrialData(data.manifest, open_images, data.cache), Programs(CPU)
    make_ready(make_job(config, tmp_path / "ready"), data, ready)
    there = True
    (program,) = ready._programs.values()
    traced = program._step.experimental_get_tracing_count()
    assert traced == 1
    first = train(make_job(config, tmp_path / "ready"), data, ready, FakeLink())
    assert program._step.experimental_get_tracing_count() == traced
    other = train(make_job(config, tmp_path / "not"), data, Programs(CPU), FakeLink())
    assert_same(first, other)


def test_what_cannot_be_made_ready_is_left_to_the_trial(tmp_path: Path, data: TrialData) -> None:
    """A missing file of weights is found again, and said, when the trial is trained."""
    model = PLAIN.model.model_copy(update={"backbone": "vgg16", "pretrained": True})
    make_ready(
        make_job(PLAIN.model_copy(update={"model": model}), tmp_path),
        data,
        programs := Programs(CPU),
    )
    assert not programs._programs


def test_number_and_seed_matter(data: TrialData, programs: Programs, tmp_path: Path) -> None:
    """Two trials with the same settings see other orders, weights and augmentation."""
    losses = set()
    for number in range(2):
        job = make_job(PLAIN, tmp_path / str(number), number=number)
        losses.add(ended(train(job, data, programs, FakeLink())).history["loss"][0])
    job = make_job(PLAIN, tmp_path / "seed").model_copy(update={"seed": 6})
    losses.add(ended(train(job, data, programs, FakeLink())).history["loss"][0])
    assert len(losses) == 3


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_paused_and_continued(
    data: TrialData, programs: Programs, folder: Path, tmp_path: Path, after: int
) -> None:
    """Paused after any epoch and continued by another worker, it ends the same."""
    undisturbed = train(make_job(PLAIN, tmp_path / "whole"), data, programs, FakeLink())
    job = make_job(PLAIN, folder)
    pausing = FakeLink(answer=lambda done: "pause" if done == after else "continue")
    assert ended(train(job, data, programs, pausing)).reason == "interrupted"
    link = FakeLink()
    assert_same(train(job, data, Programs(CPU), link), undisturbed)
    assert link.epochs() == [after, *range(after + 1, 5)]
    assert link.events[0].epoch == after  # type: ignore[union-attr]


def test_continued_where_other_arithmetic_is_fast(
    data: TrialData, programs: Programs, folder: Path, tmp_path: Path
) -> None:
    """It keeps the one that it began with, whose optimizer has a state of its own."""
    half = {"precision": "mixed_float16"}
    whole = make_job(PLAIN, tmp_path / "whole").model_copy(update=half)
    undisturbed = train(whole, data, programs, FakeLink())
    pausing = FakeLink(answer=lambda done: "pause" if done == 2 else "continue")
    train(make_job(PLAIN, folder).model_copy(update=half), data, programs, pausing)
    trained = train(make_job(PLAIN, folder), data, programs, FakeLink())
    assert ended(trained).facts["precision"] == "mixed_float16"
    assert_same(trained, undisturbed)


def test_stopped_within_an_epoch(
    data: TrialData, programs: Programs, folder: Path, tmp_path: Path
) -> None:
    """The epoch under way is lost, and nothing else."""
    undisturbed = train(make_job(PLAIN, tmp_path / "whole"), data, programs, FakeLink())
    job, link = make_job(PLAIN, folder), FakeLink()
    link.stop = lambda: len(link.epochs()) == 2
    paused = ended(train(job, data, programs, link))
    assert paused.reason == "interrupted"
    assert paused.epochs == 2
    assert paused.value == max(paused.history["val_accuracy"])
    assert paused.hits is not None
    assert paused.hits.unpack().mean() == paused.value
    loaded = load(folder, trial.TrialRun(job, data, programs, link)._identity(job))
    assert loaded is not None
    assert loaded[0].epoch == 2
    assert_same(train(job, data, programs, FakeLink()), undisturbed)


def test_stopped_in_the_first_epoch(data: TrialData, programs: Programs, folder: Path) -> None:
    """There is nothing to say of it."""
    link = FakeLink()
    link.stop = lambda: True
    assert train(make_job(PLAIN, folder), data, programs, link).finished.outcome is None


def test_what_a_paused_trial_comes_to_is_unknown(
    data: TrialData, programs: Programs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial is paused even if its best weights cannot be read."""
    monkeypatch.setattr(checkpoint, "load_weights", lambda _: 1 / 0)
    pausing = FakeLink(answer=lambda _: "pause")
    finished = train(make_job(PLAIN, folder), data, programs, pausing).finished
    assert finished.outcome is None
    assert finished.fatal is None


@pytest.mark.parametrize("change", [{"seed": 6}, {"metric": "loss"}, {"number": 7}])
def test_does_not_continue_another_study(
    data: TrialData, programs: Programs, folder: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """Files of a trial with the same settings in another study are not gone on with."""
    job = make_job(PLAIN, folder)
    pausing = FakeLink(answer=lambda done: "pause" if done == 3 else "continue")
    train(job, data, programs, pausing)
    other = job.model_copy(update=change)
    clean = other.model_copy(update={"folder": str(tmp_path / "clean")})
    assert_same(train(other, data, programs, FakeLink()), train(clean, data, programs, FakeLink()))


def test_pruned(data: TrialData, programs: Programs, folder: Path) -> None:
    """A pruned trial has its epochs and no value."""
    link = FakeLink(answer=lambda done: "prune" if done == 2 else "continue")
    outcome = ended(train(make_job(PLAIN, folder), data, programs, link))
    assert outcome.reason == "pruned"
    assert outcome.value is None
    assert outcome.epochs == 2


def test_stopped_early(data: TrialData, programs: Programs, folder: Path) -> None:
    """Without improvement a trial ends before its last epoch, and its value counts."""
    still = STILL.model_copy(update={"optimizer": OptimizerConfig(learning_rate=1e-9)})
    config = with_training(still, early_stopping_patience=2, epochs=9)
    outcome = ended(train(make_job(config, folder), data, programs, FakeLink()))
    assert outcome.reason == "stopped early"
    assert outcome.epochs == 3
    assert outcome.value == outcome.history["val_accuracy"][0]


def test_schedule_lowers_the_learning_rate(
    data: TrialData, programs: Programs, folder: Path
) -> None:
    """The rate of each epoch is recorded, falls on a plateau and stays above its floor."""
    still = STILL.model_copy(update={"optimizer": OptimizerConfig(learning_rate=1e-6)})
    config = with_training(
        still, plateau_patience=1, plateau_cooldown=0, plateau_factor=0.1, min_learning_rate=5e-8
    )
    outcome = ended(train(make_job(config, folder), data, programs, FakeLink()))
    assert outcome.history["learning_rate"] == pytest.approx([1e-6, 1e-6, 1e-7, 5e-8])


def test_minimises_the_loss(data: TrialData, programs: Programs, folder: Path) -> None:
    """With cross-entropy as the objective the least is best."""
    outcome = ended(train(make_job(PLAIN, folder, metric="loss"), data, programs, FakeLink()))
    curve = outcome.history["val_loss"]
    assert outcome.best_epoch == 1 + int(np.argmin(curve))
    assert outcome.value == pytest.approx(min(curve), rel=1e-5)


def test_diverged(data: TrialData, programs: Programs, folder: Path) -> None:
    """A loss that is not finite ends the trial at once."""
    wild = PLAIN.model_copy(update={"optimizer": OptimizerConfig(name="sgd", learning_rate=1e30)})
    link = FakeLink()
    outcome = ended(train(make_job(wild, folder), data, programs, link))
    assert outcome.reason == "diverged"
    assert outcome.value is None
    assert outcome.message == "The loss was not finite."
    assert link.epochs() == []


def raising(error: Exception) -> Callable[..., Any]:
    """What raises an error whatever it is asked."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_failed(
    data: TrialData, programs: Programs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other exception is recorded with its traceback, and the next trial works."""
    with monkeypatch.context() as patch:
        patch.setattr(Program, "train", raising(KeyError("no such layer")))
        outcome = ended(train(make_job(PLAIN, folder), data, programs, FakeLink()))
    assert outcome.reason == "failed"
    assert outcome.message is not None
    assert outcome.message.startswith("Traceback (most recent call last):")
    assert outcome.message.endswith("KeyError: 'no such layer'\n")
    again = ended(train(make_job(PLAIN, folder), data, programs, FakeLink()))
    assert again.reason == "complete"


ONEDNN = "Operation received an exception:Status: 1, message: could not create a primitive"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM\nmore"), "OOM"),
        (MemoryError("std::bad_alloc"), "std::bad_alloc"),
        (MemoryError(), "No more memory."),
        (tf.errors.AbortedError(None, None, ONEDNN), "oneDNN got no more memory."),
    ],
)
def test_out_of_memory(
    data: TrialData,
    programs: Programs,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    """Memory that does not suffice is a reason of its own, on one line."""
    monkeypatch.setattr(Program, "train", raising(error))
    outcome = ended(train(make_job(PLAIN, folder), data, programs, FakeLink()))
    assert (outcome.reason, outcome.value, outcome.message) == ("out of memory", None, message)


def test_full_disk(
    data: TrialData,
    programs: Programs,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk is no fault of the trial: it is paused, and continued once there is space."""
    undisturbed = train(make_job(PLAIN, tmp_path / "whole"), data, programs, FakeLink())
    job, save = make_job(PLAIN, folder), checkpoint.save

    def fill_up(folder: Path, state: checkpoint.TrialState, arrays: Any) -> None:
        if state.epoch == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(folder, state, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", fill_up)
        finished = train(job, data, programs, FakeLink()).finished
    assert finished.outcome is None
    assert finished.fatal == (
        "The disk is full or cannot be written. Received: [Errno 28] No space left on device. "
        "Mend that and type the same command again; nothing is lost."
    )
    assert_same(train(job, data, programs, FakeLink()), undisturbed)


def test_warp_on_device_is_the_same(data: TrialData) -> None:
    """Images warped where the network is trained equal those warped beforehand."""
    job = make_job(PLAIN, Path("unused"))
    both = []
    for on_device in (False, True):
        inputs = ImageInputs(data, PLAIN, warp_on_device=on_device)
        batches, steps = inputs.train(job, range(1, 3))
        both.append([[np.asarray(part) for part in batch] for batch in batches])
        assert len(both[-1]) == 2 * steps
    for before, after in zip(*both, strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)


PRETRAINED = ModelConfig(backbone="mobilenet_0.25", pretrained=True, image_size_px=32, classes=3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """The same at a size that a pretrained backbone accepts."""
    return make_data(tmp_path_factory.mktemp("photos"), size_px=32)


@pytest.fixture(autouse=True, scope="module")
def _weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A file where Keras would put MobileNet's weights, with random ones of a fixed seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        write_weights("mobilenet_0.25", 32)
        yield


FINE_TUNED = TrialConfig(
    model=PRETRAINED.model_copy(update={"trainable_stages": 1, "dropout": 0.2}),
    optimizer=OptimizerConfig(name="adam", learning_rate=0.01),
    augment=AugmentConfig(flip_horizontal=True),
    training=TrainingConfig(
        batch_size=16,
        epochs=4,
        head_epochs=2,
        fine_tune_factor=0.1,
        schedule="constant",
        early_stopping_patience=0,
    ),
)
"""Two epochs of the head, then two of the top of the backbone too."""


@pytest.fixture(scope="module")
def tuned(photos: TrialData, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """How that ends without any disturbance."""
    job = make_job(FINE_TUNED, tmp_path_factory.mktemp("tuned"))
    return train(job, photos, Programs(CPU), FakeLink())


def test_two_phases(tuned: Trained) -> None:
    """First the head is trained, then more, from the same head and at a lower rate."""
    outcome = ended(tuned)
    assert outcome.reason == "complete"
    assert outcome.history["learning_rate"] == pytest.approx([0.01] * 2 + [0.001] * 2)
    assert outcome.value is not None
    _, stages = tuned.weights
    assert outcome.best_epoch is not None
    assert stages == (0 if outcome.best_epoch <= 2 else 1)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_two_phases_continued(photos: TrialData, folder: Path, tuned: Trained, after: int) -> None:
    """Paused in either phase, or at the change, and continued elsewhere it ends the same."""
    job = make_job(FINE_TUNED, folder)
    pausing = FakeLink(answer=lambda done: "pause" if done == after else "continue")
    assert ended(train(job, photos, Programs(CPU), pausing)).reason == "interrupted"
    assert_same(train(job, photos, Programs(CPU), FakeLink()), tuned)


def test_features_cached_or_not(tmp_path: Path) -> None:
    """Whether the frozen backbone's activations were there already changes nothing."""
    config = TrialConfig(
        model=PRETRAINED,
        optimizer=OptimizerConfig(learning_rate=0.01),
        augment=AugmentConfig(rotation_deg=20, flip_horizontal=True, mixup_alpha=0.2),
        training=TrainingConfig(batch_size=16, epochs=6, early_stopping_patience=0),
    )
    trained = []
    for name in ("cold", "warm", "other"):
        photos = make_data(tmp_path / ("other" if name == "other" else "one"), size_px=32)
        programs = Programs(CPU)
        job = make_job(config, tmp_path / name)
        trained.append(train(job, photos, programs, FakeLink()))
        assert isinstance(programs.inputs(config, photos, "float32"), FeatureInputs)
    views = list((tmp_path / "one" / "cache" / "features").glob("*/features"))
    assert len(views) == 1 + 3, "validation, and three views for six epochs"
    assert_same(trained[0], trained[1])
    assert_same(trained[0], trained[2])


def test_features_are_those_of_the_images(photos: TrialData, folder: Path) -> None:
    """A head on stored activations gives the logits of the whole network on the images."""
    config = TrialConfig(model=PRETRAINED, training=TrainingConfig(batch_size=16, epochs=1))
    programs = Programs(CPU)
    inputs = programs.inputs(config, photos, "float32")
    program = programs.program(config, inputs, "float32")
    logits, labels = program.logits(inputs.validation(32))
    split = photos.split("validation", 32)
    images = split.images_bhwc[split.rows].astype(np.float32)
    base = program.network.base
    assert base is not None
    whole = program.network.head(base(images, training=False), training=False)
    np.testing.assert_allclose(logits, np.asarray(whole), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(labels, split.labels)


def test_replaced_weights_are_other_features(tmp_path: Path, monkeypatch: Any) -> None:
    """Activations belong to the file of weights, not to its name."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config = TrialConfig(model=PRETRAINED, training=TrainingConfig(batch_size=16, epochs=1))
    photos = make_data(tmp_path, size_px=32)
    found = []
    for seed in (1, 2):
        write_weights("mobilenet_0.25", 32, seed)
        inputs = Programs(CPU).inputs(config, photos, "float32")
        network = build_network(PRETRAINED, seed=0)
        assert network.base is not None
        split = photos.split("validation", 32)
        expected = network.base(split.images_bhwc[split.rows].astype(np.float32), training=False)
        found.append(np.concatenate([batch for batch, _ in inputs.validation(16)]))
        np.testing.assert_allclose(found[-1], np.asarray(expected), rtol=1e-3, atol=1e-3)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_clean_features_are_shared_by_all_augmentations(tmp_path: Path) -> None:
    """The first view is the images as they are, so it is computed once."""
    photos = make_data(tmp_path, size_px=32)
    features = Programs(CPU).features(PRETRAINED, photos, "float32")
    first = features.train_view(AugmentConfig(rotation_deg=20), 0)
    assert features.train_view(AugmentConfig(flip_horizontal=True), 0) is first


def test_too_large_for_memory_once_it_is_fine_tuned(photos: TrialData, folder: Path) -> None:
    """The second phase is looked at as well as the first."""
    model = PRETRAINED.model_copy(update={"trainable_stages": 5})
    config = with_training(FINE_TUNED.model_copy(update={"model": model}), batch_size=75)
    needed = training_bytes(build_network(model, seed=0), 75, on_features=False)
    for memory_bytes, reason, epochs in (
        (needed - 1, "out of memory", 2),
        (needed, "complete", 4),
    ):
        programs = Programs(Device("CPU", False, "float32", False, memory_bytes))
        job = make_job(config, folder / reason)
        outcome = ended(train(job, photos, programs, FakeLink()))
        assert (outcome.reason, outcome.epochs) == (reason, epochs)


def test_hopeless_for_memory(data: TrialData, programs: Programs, folder: Path) -> None:
    """What needs more memory than there is ends as such before a step is tried."""
    small = Programs(Device("CPU", False, "float32", False, memory_bytes=1_000_000))
    outcome = ended(train(make_job(PLAIN, folder), data, small, FakeLink()))
    assert outcome.reason == "out of memory"
    assert outcome.epochs == 0
    assert "this machine has 0.0 GB" in (outcome.message or "")


SOLVED = TrialConfig(model=PRETRAINED, training=TrainingConfig(solved_head=True))


def test_a_solved_head_is_a_trial(photos: TrialData, folder: Path) -> None:
    """Each epoch is a strength of the penalty; the best one's weights are kept, and confirmed."""
    trained = train(make_job(SOLVED, folder), photos, Programs(CPU), FakeLink())
    outcome = ended(trained)
    assert outcome.reason in ("complete", "stopped early")
    strengths = outcome.history["penalty"]
    assert list(STRENGTHS[: len(strengths)]) == strengths
    assert "learning_rate" not in outcome.history
    assert outcome.value == max(outcome.history["val_accuracy"]) > 0.5
    network = build_network(PRETRAINED, seed=1)
    set_head_weights(network, trained.weights[0])
    split = photos.split("validation", 32)
    assert network.base is not None
    features = network.base(split.images_bhwc[split.rows].astype(np.float32), training=False)
    logits = network.head(features, training=False)
    assert evaluate(np.asarray(logits), split.labels)["accuracy"] == outcome.value


def test_a_solved_head_continued(photos: TrialData, tmp_path: Path) -> None:
    """Paused after two strengths and continued elsewhere it ends the same."""
    whole = train(make_job(SOLVED, tmp_path / "whole"), photos, Programs(CPU), FakeLink())
    job = make_job(SOLVED, tmp_path / "paused")
    pausing = FakeLink(answer=lambda done: "pause" if done == 2 else "continue")
    assert ended(train(job, photos, Programs(CPU), pausing)).reason == "interrupted"
    assert_same(train(job, photos, Programs(CPU), FakeLink()), whole)


FROM_SOLVED = FINE_TUNED.model_copy(
    update={
        "model": FINE_TUNED.model.model_copy(update={"dropout": 0.0}),
        "optimizer": OptimizerConfig(name="adamw", learning_rate=1e-4),
        "training": TrainingConfig(
            batch_size=16,
            epochs=4,
            solved_head=True,
            schedule="cosine",
            warmup=0.2,
            label_smoothing=0.1,
            weight_average=0.9,
            class_weights=True,
            early_stopping_patience=0,
        ),
    }
)
"""Fine-tuned from a solved head in one phase, the average of its weights validated."""


def test_fine_tuning_begins_with_the_solved_head(photos: TrialData, tmp_path: Path) -> None:
    """After an epoch of tiny steps it is as good as the head was, and no head epochs come first."""
    tiny = FROM_SOLVED.model_copy(update={"optimizer": OptimizerConfig(learning_rate=1e-9)})
    tiny = with_training(tiny, class_weights=False)
    outcome = ended(train(make_job(tiny, tmp_path / "t"), photos, Programs(CPU), FakeLink()))
    solved = ended(train(make_job(SOLVED, tmp_path / "s"), photos, Programs(CPU), FakeLink()))
    assert outcome.history["val_accuracy"] == [solved.value] * 4
    assert "solving" in outcome.seconds


def test_fine_tuning_begins_with_what_a_solved_head_keeps(
    photos: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the path still improves by next to nothing when patience has run out."""
    monkeypatch.setattr(policies, "MIN_DELTA", 100.0)
    job = make_job(SOLVED, tmp_path / "s").model_copy(update={"metric": "auc"})
    solved = ended(train(job, photos, Programs(CPU), FakeLink()))
    strengths = solved.history["penalty"]
    assert len(strengths) == 1 + policies.SOLVED_PATIENCE
    heads = SolvedHeads(SOLVED, photos, Programs(CPU), "float32")
    best = heads.head(heads.best_number("auc"))
    assert best is heads.head(solved.best_epoch or 0)


@pytest.mark.parametrize("after", [1, 3])
def test_an_averaged_trial_continued(photos: TrialData, tmp_path: Path, after: int) -> None:
    """The average of the weights and the warmed-up cosine go on where they were."""
    whole = train(make_job(FROM_SOLVED, tmp_path / "whole"), photos, Programs(CPU), FakeLink())
    job = make_job(FROM_SOLVED, tmp_path / "paused")
    pausing = FakeLink(answer=lambda done: "pause" if done == after else "continue")
    assert ended(train(job, photos, Programs(CPU), pausing)).reason == "interrupted"
    assert_same(train(job, photos, Programs(CPU), FakeLink()), whole)


def test_trials_of_several_sizes_share_a_worker(tmp_path: Path) -> None:
    """Each trial sees the images at its own size, whatever was trained before it."""
    by_size = {size: make_data(tmp_path / str(size), size_px=size) for size in (32, 64)}
    data = TrialData(
        by_size[32].manifest, lambda size: by_size[size].open_images(size), by_size[32].cache
    )
    programs, values = Programs(CPU), {}
    for size in (32, 64, 32):
        model = PRETRAINED.model_copy(update={"image_size_px": size})
        config = SOLVED.model_copy(update={"model": model})
        outcome = ended(train(make_job(config, tmp_path / f"t{size}"), data, programs, FakeLink()))
        assert outcome.facts["image_size_px"] == size
        assert values.setdefault(size, outcome.history) == outcome.history


def continuing(before: Train, config: TrialConfig, folder: Path) -> Train:
    """The job to continue another trial."""
    return make_job(config, folder, number=1).model_copy(update={"continues": before})


class TestContinuedByHand:
    """A trial that had ended and was given more epochs."""

    @pytest.mark.parametrize("schedule", ["constant", "cosine"])
    def test_goes_on_from_the_last_checkpoint(
        self, data: TrialData, programs: Programs, tmp_path: Path, schedule: str
    ) -> None:
        """Its first epochs are the other's, whose files stay; a cosine starts anew."""
        config = with_training(PLAIN, epochs=2, schedule=schedule)
        first = make_job(config, tmp_path / "0")
        before = train(first, data, programs, FakeLink())
        files = sorted((tmp_path / "0").iterdir())
        more = continuing(first, config.continued(2, 2), tmp_path / "1")
        link = FakeLink()
        after = ended(train(more, data, programs, link))
        assert link.epochs() == [2, 3, 4]
        assert sorted((tmp_path / "0").iterdir()) == files
        for name, curve in ended(before).history.items():
            assert after.history[name][:2] == curve
            assert len(after.history[name]) == 4
        rates = after.history["learning_rate"]
        assert rates[2:] == rates[:2]
        assert after.value is not None
        assert after.value >= (ended(before).value or 0.0)

    def test_is_the_same_after_a_pause(
        self, data: TrialData, programs: Programs, tmp_path: Path
    ) -> None:
        """Once it has a checkpoint of its own, it needs the other's no more."""
        first = make_job(with_training(PLAIN, epochs=2), tmp_path / "0")
        train(first, data, programs, FakeLink())
        config = first.config.continued(2, 3)
        at_once = continuing(first, config, tmp_path / "1")
        whole = train(at_once, data, programs, FakeLink())
        in_two = continuing(first, config, tmp_path / "2")
        train(
            in_two, data, programs, FakeLink(lambda epochs: "pause" if epochs == 3 else "continue")
        )
        checkpoint.load(tmp_path / "0", "another's")  # which deletes it
        assert_same(whole, train(in_two, data, programs, FakeLink()))

    def test_without_the_checkpoint_it_fails(
        self, data: TrialData, programs: Programs, tmp_path: Path
    ) -> None:
        """It never begins anew under another's name."""
        first = make_job(with_training(PLAIN, epochs=2), tmp_path / "0")
        more = continuing(first, first.config.continued(2, 2), tmp_path / "1")
        outcome = ended(train(more, data, programs, FakeLink()))
        assert outcome.reason == "failed"
        assert "There is no whole checkpoint" in (outcome.message or "")
