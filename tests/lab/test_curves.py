"""The table of learning curves, and how it is recorded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpo.training.device import Device
from hpo.training.programs import Programs
from studies.space import DataFacts
from tests.hpo.training.data import make_data
from tests.lab import curves, record
from tests.lab.candidates import PHOTOS, Candidate, candidates
from tests.lab.made_up import made_up

TINY = DataFacts(classes=3, native_size_px=8, train_images=75)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Figures are rounded to what they are worth."""
    path = curves.path_of("set", tmp_path)
    run = made_up().runs["head 0"]
    curves.append(path, {"facts": PHOTOS.model_dump(), "validation_images": 240})
    curves.append(path, curves.run_row(run))
    with path.open("a") as file:
        file.write('{"name": "torn by a ki')
    (read,) = curves.read_all(tmp_path)
    assert (read.name, read.facts, read.validation_images) == ("set", PHOTOS, 240)
    assert read.runs["head 0"].config == run.config
    assert read.runs["head 0"].accuracy == pytest.approx(run.accuracy, rel=1e-3)


@pytest.mark.parametrize("facts", [PHOTOS, TINY], ids=["photos", "tiny images"])
def test_another_night_adds_candidates(facts: DataFacts) -> None:
    """What a name stands for stays, so that nothing is recorded twice."""
    nights = [{row.name: row.wanted for row in candidates(facts, night)} for night in (1, 2, 3)]
    assert nights[0].items() <= nights[1].items() <= nights[2].items()
    assert len(nights[2]) > len(nights[0])
    for row in candidates(facts, 1):
        assert row.config(facts).model.classes == facts.classes


def test_the_product_s_training_is_recorded(tmp_path: Path) -> None:
    """Each epoch's figures and seconds, and what an image costs."""
    path = curves.path_of("tiny", tmp_path)
    curves.append(path, {"facts": TINY.model_dump(), "validation_images": 30})
    lab_set: Any = SimpleNamespace(facts=TINY)
    programs = Programs(Device("CPU", False, "float32", False))
    recorder = record.Recorder(lab_set, path, make_data(tmp_path), programs, tmp_path)
    recorder.record(Candidate("drawn", {"backbone": "cnn", "epochs": 5, "head_widths": "none"}))
    read = curves.read(path)
    assert read is not None
    run = read.runs["drawn"]
    assert 1 <= len(run.accuracy) == len(run.loss) == len(run.seconds) <= run.config.epochs == 5
    assert run.base == 0
    # 3x3 kernels on 3, 32 and 64 channels, at 8, 4 and 2 px, then three classes.
    assert run.head > 27 * 32 * 64
