"""A space with fewer trials in it than were asked for."""

from __future__ import annotations

from pathlib import Path

from hpo.search.open_study import find_study
from hpo.search.records import TrialReader
from models.catalogue import BUILT_IN
from studies.leases import Leases
from tests.hpo.hand_tuned import where
from tests.hpo.running import type_run

SPACE = """
image_size_px = 8
[space]
backbone = "cnn"
optimizer = "adam"
learning_rate = 0.001
dropout = 0.0
head_widths = "none"
l2 = 0.0
augmentation = "none"
mixup_alpha = 0.0
batch_size = [64, 128]
epochs = 1
schedule = "constant"
label_smoothing = 0.0
weight_average = 0.0
"""


def test_every_combination_is_trained_once(tmp_path: Path) -> None:
    """Two of thirty trials, no repetition, and a sentence that says why."""
    (tmp_path / "s.toml").write_text(SPACE)
    run = type_run(tmp_path, "--config", "s.toml", "--trials", "30")
    assert run.process.returncode == 0, run.output
    assert "The space holds 2 different trials." in run.output
    opened = find_study(where(tmp_path), None)
    trials = TrialReader(opened.study, Leases(opened.storage.engine), 1, BUILT_IN).read()
    assert [trial.reason for trial in trials] == ["complete", "complete"]
    assert len({trial.settings for trial in trials}) == 2
