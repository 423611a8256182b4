"""A folder of small photos, and searches whose workers train nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpo import paths
from hpo.search import processes
from hpo.training.checkpoint import best_path
from tests.hpo.search import fake_worker

FAST = {"backbone": ["cnn"]}


def fake_workers(epoch_s: float = 0.0) -> tuple[str, ...]:
    """The command line of workers that train nothing, and take this long for an epoch."""
    suffix = best_path(Path(), 0).name.removeprefix("best-0000")
    return sys.executable, str(fake_worker.__file__), str(epoch_s), suffix


def draw_photos(folder: Path, per_class: int = 30) -> Path:
    """Writes noisy photos of two classes, a dark and a light one."""
    random = np.random.default_rng(0)
    for label, mean in (("cat", 80), ("dog", 170)):
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            pixels = random.normal(mean, 30, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with `photos`; workers train nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HPO_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    monkeypatch.setattr(paths, "RUNS", Path("hpo_runs"))
    monkeypatch.setattr(processes, "WORKER", fake_workers())
    draw_photos(tmp_path / "photos")
    return tmp_path
