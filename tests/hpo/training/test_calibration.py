"""The choice of arithmetic by measurement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_pipeline.cache import Cache
from hpo.training.calibration import fast_precision
from hpo.training.device import Device
from models.config import ModelConfig

BFLOAT16_CPU = Device("CPU", False, "mixed_bfloat16", False)


def _model(**settings: object) -> ModelConfig:
    return ModelConfig.model_validate(
        {"backbone": "cnn", "image_size_px": 32, "classes": 2} | settings
    )


def _measured(cache: Cache) -> list[Path]:
    return sorted(cache.root.glob("calibration/*/seconds.json"))


def test_the_faster_policy_is_taken(tmp_path: Path) -> None:
    """Whichever of the two it is on the machine of this test."""
    cache = Cache(tmp_path)
    policy = fast_precision(_model(), BFLOAT16_CPU, cache)
    seconds = json.loads(_measured(cache)[0].read_text())
    assert set(seconds) == {"float32", "mixed_bfloat16"}
    assert policy == min(seconds, key=lambda name: seconds[name])


def test_a_shape_is_measured_once(tmp_path: Path) -> None:
    """Heads, and what another process asks, do not matter."""
    first = fast_precision(_model(), BFLOAT16_CPU, Cache(tmp_path))
    file = _measured(Cache(tmp_path))[0]
    stamp = file.stat().st_mtime_ns
    again = fast_precision(_model(classes=7, head_widths=(64,)), BFLOAT16_CPU, Cache(tmp_path))
    assert again == first
    assert [path.stat().st_mtime_ns for path in _measured(Cache(tmp_path))] == [stamp]
    fast_precision(_model(image_size_px=40), BFLOAT16_CPU, Cache(tmp_path))
    assert len(_measured(Cache(tmp_path))) == 2


def test_a_frozen_base_is_measured_by_its_forward_pass(tmp_path: Path) -> None:
    """Without its weights, which need not be on this machine."""
    model = _model(backbone="mobilenet_0.25", pretrained=True)
    cache = Cache(tmp_path)
    assert fast_precision(model, BFLOAT16_CPU, cache) in {"float32", "mixed_bfloat16"}
    assert len(_measured(cache)) == 1


@pytest.mark.parametrize(
    ("device", "size_px", "policy"),
    [
        (BFLOAT16_CPU, 8, "float32"),
        (Device("CPU", False, "float32", False), 32, "float32"),
        (Device("GPU", True, "mixed_float16", True), 32, "mixed_float16"),
    ],
    ids=["tiny images", "a CPU without bfloat16", "a GPU"],
)
def test_nothing_is_measured_where_the_answer_is_known(
    device: Device, size_px: int, policy: str, tmp_path: Path
) -> None:
    """It would cost seconds for nothing."""
    cache = Cache(tmp_path)
    assert fast_precision(_model(image_size_px=size_px), device, cache) == policy
    assert not _measured(cache)
