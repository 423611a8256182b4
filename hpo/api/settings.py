"""The settings that `hpo.search` takes as arguments, under their names in the settings file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class Settings(TypedDict, total=False):
    """Those that are no arguments of their own; a test compares them with `StudySettings`."""

    class_pattern: str
    class_level: int
    group_pattern: str
    group_level: int
    images: str
    file_column: str
    label_column: str
    split_column: str
    group_column: str
    exclude: Sequence[str]
    exclude_images: Sequence[str]
    min_class_images: int
    draw_validation: bool
    resize: Literal["stretch", "pad", "crop"]
    validation_fraction: float
    test_fraction: float
    image_size_px: int
    seed: int
    workers: int
    device: Literal["auto", "cpu", "gpu"]
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
    metric: str
    against: Sequence[str]
    sampler: str | Mapping[str, Any]
    pruner: str | Mapping[str, Any]
    keep_top: int
    keep_mb: int
    patience: Literal["auto"]
    storage: str
    baseline: Sequence[Mapping[str, Any]]
    published_by: str
