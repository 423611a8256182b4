"""A study as a search leaves it, made in seconds without searching."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from click.testing import CliRunner, Result
from optuna.trial import create_trial
from PIL import Image

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest, create_manifest
from data_pipeline.store import open_store
from hpo.cli import main
from hpo.paths import Paths
from hpo.search.files import Files, new_key
from hpo.search.open_study import OpenStudy, find_study
from hpo.search.recorder import STATES
from hpo.training.checkpoint import best_path, save_weights
from hpo.training.metrics import evaluate
from models.config import ModelConfig, OptimizerConfig
from studies.record import CONFIG_KEY, LABEL_KEY, Outcome, StudyRecord
from studies.scheduler import Keep
from studies.settings import StudySettings
from studies.storage import default_url, open_storage
from studies.trial_config import TrainingConfig, TrialConfig
from tests.hpo.running import SETTINGS, WORDS, type_run

CLASSES = ("blue", "green", "red")
IMAGE_SIZE_PX = 8
BEST, BASELINE, SECOND, PRUNED, FAILED = 2, 0, 1, 3, 4
TRACEBACK = "Traceback (most recent call last):\n  File x\nRuntimeError: no luck\n"
CONFIG = TrialConfig(
    model=ModelConfig(backbone="cnn", image_size_px=IMAGE_SIZE_PX, classes=len(CLASSES)),
    training=TrainingConfig(batch_size=16, epochs=3),
)


@dataclass(frozen=True)
class FinishedStudy:
    """A folder in which `hpo run` might have been typed.

    Attributes:
        folder: Holds `hpo_runs`; commands are to be typed in it.
        images: Folder with a folder of image files for each of `CLASSES`.
        name: Name of the study.
    """

    folder: Path
    images: Path
    name: str

    def type(self, *words: str) -> Result:
        """Types a command in the folder."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return CliRunner().invoke(main, list(words), prog_name="hpo")
        finally:
            os.chdir(before)

    def open(self) -> OpenStudy:
        """Opens the study."""
        runs = self.folder / "hpo_runs"
        return find_study(Paths(default_url(runs), runs), self.name)


def draw_images(root: Path, per_class: int) -> None:
    """Writes noisy images of many sizes, each of the colour its class is named after."""
    random = np.random.default_rng(0)
    for channel, name in enumerate(reversed(CLASSES)):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(per_class):
            height, width = random.integers(12, 40, size=2)
            image_hwc = random.integers(0, 150, size=(height, width, 3))
            image_hwc[..., channel] += 80
            suffix = ("png", "jpg")[number % 2]
            Image.fromarray(image_hwc.astype(np.uint8)).save(folder / f"{number:03d}.{suffix}")


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedStudy]:
    """A study of five trials on 90 images: a baseline, two complete, one pruned, one failed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPO_CACHE_DIR", str(folder / "cache"))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        patch.delenv("HPO_STORAGE", raising=False)
        draw_images(folder / "images", per_class=30)
        # Python puts the current folder first on its path, where people have files of such names.
        (folder / "models.py").write_text("raise RuntimeError('not the package')\n")
        _make_study(folder)
        yield FinishedStudy(folder, folder / "images", "colours")


@pytest.fixture
def own_study(finished_study: FinishedStudy, tmp_path: Path) -> FinishedStudy:
    """A copy of the finished study that a test may change; the images are shared."""
    folder = tmp_path / "own"
    shutil.copytree(finished_study.folder / "hpo_runs", folder / "hpo_runs")
    return FinishedStudy(folder, finished_study.images, finished_study.name)


@pytest.fixture(scope="session")
def export_report(finished_study: FinishedStudy) -> dict[str, Any]:
    """What `hpo best --export model.keras --json` prints."""
    result = finished_study.type("best", "--export", "model.keras", "--json")
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.output)
    return report


@pytest.fixture(scope="session")
def exported(finished_study: FinishedStudy, export_report: dict[str, Any]) -> Path:
    """The best trial's model, exported by the command."""
    return finished_study.folder / str(export_report["exported"]["path"])


def _make_study(folder: Path) -> None:
    where = Paths(default_url(folder / "hpo_runs"), folder / "hpo_runs")
    manifest, _ = create_manifest(str(folder / "images"), seed=0)
    storage = open_storage(where.storage)
    study = optuna.create_study(study_name="colours", storage=storage, direction="maximize")
    files = Files(study, storage, where, new_key())
    files.write_manifest(manifest.model_dump_json())
    settings = StudySettings(data=manifest.source, image_size_px=IMAGE_SIZE_PX, trials=5)
    StudyRecord(
        settings=settings.model_dump(mode="json"),
        space={},
        facts={"classes": 3, "native_size_px": IMAGE_SIZE_PX, "train_images": 62},
        manifest_digest=manifest.digest,
        manifest_artifact=files.key,
    ).save(study)
    _add_trials(study, files, manifest)


def _add_trials(study: optuna.Study, files: Files, manifest: Manifest) -> None:
    """Adds a trial of each ending; the weights of the baseline and of the best are kept."""
    plain, trained = (best_path(files.checkpoints(number), 2) for number in (BASELINE, BEST))
    for path in (plain, trained):
        path.parent.mkdir(parents=True)
    low, high = _train(manifest, plain, trained)
    assert high > low + 0.2
    complete = {BASELINE: low, SECOND: (low + high) / 2, BEST: high}
    for number, rate in enumerate((1e-3, 2e-3, 3e-3, 4e-3, 5e-3)):
        value = complete.get(number)
        outcome = Outcome(
            reason={PRUNED: "pruned", FAILED: "failed"}.get(number, "complete"),
            value=value,
            best_epoch=2 if value else None,
            history=_history(value) if value else {},
            seconds={"total": 2.5 + number, "training": 1.5, "data": 0.25} if value else {},
            facts={"images_per_s": 1234.5, "parameters": 93635} if value else {},
            message=TRACEBACK if number == FAILED else None,
        )
        settings = CONFIG.model_copy(update={"optimizer": OptimizerConfig(learning_rate=rate)})
        label = {LABEL_KEY: "by hand"} if number == BASELINE else {}
        study.add_trial(
            create_trial(
                state=STATES[outcome.reason],
                value=value,
                user_attrs={
                    CONFIG_KEY: settings.model_dump(mode="json"),
                    **label,
                    **outcome.attributes(),
                },
            )
        )
    files.keep(Keep(weights={BASELINE: 2, BEST: 2}, checkpoints=frozenset()))


def _history(value: float) -> dict[str, list[float]]:
    names = ("val_accuracy", "val_macro_f1", "val_loss")
    return {name: [value / 2, value, value / 3] for name in names}


def _train(manifest: Manifest, plain: Path, trained: Path) -> tuple[float, float]:
    """Writes weights before and after training; returns both validation accuracies."""
    return (
        train_network(manifest, CONFIG.model, plain, epochs=0),
        train_network(manifest, CONFIG.model, trained),
    )


def train_network(manifest: Manifest, model: ModelConfig, path: Path, epochs: int = 20) -> float:
    """Trains a network from random weights, writes its weights, returns validation accuracy."""
    import keras  # here, so that tests without this study start at once

    from models.network import build_network, head_weights

    splits = open_store(manifest, model.image_size_px, Cache()).splits
    network = build_network(model, seed=0)
    head, train, split = network.head, splits["train"], splits["validation"]
    if epochs:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        head.compile(optimizer=keras.optimizers.Adam(3e-3), loss=loss)
        images_bhwc = train.images_bhwc[train.rows]
        shuffled = np.random.default_rng(0).permutation(len(train))  # Keras's own order is random
        head.fit(
            images_bhwc[shuffled],
            train.labels[shuffled],
            batch_size=16,
            epochs=epochs,
            shuffle=False,
            verbose=0,
        )
    save_weights(path, head_weights(network), 0)
    logits = head(split.images_bhwc[split.rows].astype(np.float32), training=False)
    return evaluate(np.asarray(logits), split.labels)["accuracy"]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a study of eight trials was run without any disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "s.toml").write_text(SETTINGS)
    run = type_run(folder, *WORDS)
    assert run.process.returncode == 0, run.output
    return folder


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A folder with the same settings in which nothing was typed yet."""
    (tmp_path / "s.toml").write_text(SETTINGS)
    return tmp_path
