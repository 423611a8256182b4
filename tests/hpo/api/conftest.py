"""A folder of small photos, and searches whose workers train nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpo import paths
from hpo.search import processes
from tests.hpo.search.fake_hpo import SCRIPT, SUFFIX

FAST = {"backbone": ["cnn"]}


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
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    monkeypatch.setattr(paths, "RUNS", Path("hpo_runs"))
    monkeypatch.setattr(processes, "WORKER", (sys.executable, str(SCRIPT), "0", SUFFIX))
    draw_photos(tmp_path / "photos")
    return tmp_path
