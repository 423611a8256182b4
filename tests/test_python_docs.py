"""The examples of the pages on Python are run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from hpo import paths
from hpo.search import processes
from models.catalogue import BUILT_IN
from studies.baselines import place
from studies.settings import StudySettings
from studies.space import DataFacts, default_space
from tests.hpo.api.conftest import draw_photos, fake_workers

DOCS = Path(__file__).parents[1] / "docs"


def blocks(name: str) -> list[str]:
    """The blocks of Python in a page."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(600)
def test_python_md(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first search is a real one, whose best trial is exported, tested and used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    monkeypatch.setattr(paths, "RUNS", Path("hpo_runs"))
    draw_photos(tmp_path / "photos")
    names: dict[str, Any] = {"__name__": "__main__"}
    search, results, *others = blocks("python.md")
    exec(search, names)
    exec(results, names)
    assert keras.saving.load_model(names["path"]).count_params() > 1000
    assert names["classes"].value_counts().index.isin(["cat", "dog"]).all()
    assert len(names["classes"]) == 60
    assert names["probabilities"].sum(axis=1).to_numpy() == pytest.approx(1)
    assert names["figures"].loc["accuracy", "value"] > 0.7
    assert names["figures"].attrs == {"images": 9, "used_before": 0}
    assert len(names["trials"]) == 3
    monkeypatch.setattr(processes, "WORKER", fake_workers())
    monkeypatch.setenv("HPO_CONFIG_DIR", str(tmp_path / "config"))
    for number, block in enumerate(others):
        (tmp_path / f"{number}.py").write_text(block)  # where a network's source is looked for
        exec(compile(block, str(tmp_path / f"{number}.py"), "exec"), names)


def test_what_a_notebook_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The baseline of the second version fits its space, on photos and with all weights."""
    asked: dict[str, Any] = {}

    def search(data: str, *, timeout: str, **settings: Any) -> SimpleNamespace:
        asked.update(settings, data=data, timeout_s=timeout)
        best = SimpleNamespace(export=lambda path: None, test=lambda: None)
        return SimpleNamespace(best=best)

    monkeypatch.setattr("hpo.search", search)
    (after,) = (block for block in blocks("notebook.md") if "import hpo\n" in block)
    exec(after, {})
    settings = StudySettings.model_validate(asked)
    facts = DataFacts(classes=5, native_size_px=256, train_images=700)
    space = default_space(facts, tuple(BUILT_IN)).with_changes(settings.changes)
    assert list(place(settings.baseline, space, facts, {}).params) == ["by hand"]
