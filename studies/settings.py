"""Everything a study is created with, and where it is read from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from studies.declarations import problem, unknown
from studies.metrics import METRICS
from studies.parameters import PARAMETERS, ParameterTable
from studies.pruners import Percentile, PrunerSettings
from studies.samplers import TPE, SamplerSettings

CHANGEABLE = frozenset(
    {"trials", "timeout_s", "workers", "device", "keep_top", "storage", "published_by"}
)
"""Settings that may differ when a study is continued: they decide how long, not what."""

OF_THE_DATA = frozenset(
    {
        "data",
        "images",
        "class_pattern",
        "class_level",
        "group_pattern",
        "group_level",
        "file_column",
        "label_column",
        "split_column",
        "group_column",
        "exclude",
        "min_class_images",
        "draw_validation",
        "resize",
        "validation_fraction",
        "test_fraction",
        "image_size_px",
        "seed",
    }
)
"""Settings that decide which images a study trains and validates on."""

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: Any) -> Any:
    """Returns the seconds in a text such as `90`, `90s`, `15m` or `1h30m`; else the value itself.

    Raises:
        ValueError: The text is no duration.
    """
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\d+(?:\.\d+)?", value):
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", value)
    if not parts or "".join(map("".join, parts)) != value.replace(" ", ""):
        raise ValueError("is seconds or a text such as '90s', '15m' or '1h30m'")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _named(value: Any, default: str) -> Any:
    """Lets `sampler = "random"` stand for a table, and a table without a name for the default."""
    if isinstance(value, dict):
        return {"name": default, **value}
    return {"name": value} if isinstance(value, str) else value


def _metric(name: str) -> str:
    if name not in METRICS:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(METRICS)})
    return name


class Baseline(BaseModel):
    """Settings somebody chose by hand, trained before the search begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, description="what it is called in listings")
    settings: dict[str, Any] = Field(description="parameter = value")
    published: dict[str, float] = Field(
        default_factory=dict, description="figures its author reports, by name"
    )
    optional: bool = Field(
        default=False, description="left out where its backbone is not in the space"
    )

    @field_validator("settings")
    @classmethod
    def _check_settings(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return _check_each(settings, _wrong_value, _table(info))


class StudySettings(BaseModel):
    """Everything a study is created with; the storage stays unstored, it may hold a password."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(default="digits", description="folder of images, or name of a data set")
    class_pattern: str | None = Field(
        default=None, description="regular expression whose group is the class in a file name"
    )
    class_level: int | None = Field(
        default=None, ge=1, description="which folder is the class, 1 being the topmost"
    )
    group_pattern: str | None = Field(
        default=None,
        description="regular expression whose first group is a patient, an object or a burst in a "
        "path; its images stay on one side of the split",
    )
    group_level: int | None = Field(
        default=None,
        ge=1,
        description="which folder is such a group, 1 being below a class",
    )
    images: str | None = Field(
        default=None, description="folder of the images that a table of labels lists"
    )
    file_column: str | None = Field(default=None, description="column of a table with the files")
    label_column: str | None = Field(default=None, description="column with the classes")
    split_column: str | None = Field(
        default=None, description="column with the parts of the split: train, validation, test"
    )
    group_column: str | None = Field(
        default=None, description="column with what stays on one side of the split"
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="classes, folders and files to leave out; * is any characters"
    )
    min_class_images: int = Field(
        default=0, ge=0, description="classes with fewer images are left out"
    )
    draw_validation: bool = Field(
        default=False, description="deal a given validation part out anew with the training part"
    )
    resize: Literal["stretch", "pad", "crop"] = Field(
        default="stretch", description="how images become squares"
    )
    validation_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="part of the images that trials are compared on"
    )
    test_fraction: float = Field(
        default=0.15, ge=0, lt=1, description="part of the images that is sealed until the end"
    )
    image_size_px: int | None = Field(
        default=None,
        ge=4,
        le=4096,
        description="size of the images; the data decide if absent",
    )
    seed: int = Field(default=0, ge=0, description="what all randomness comes from")
    trials: int = Field(default=50, ge=1, description="trials of the study in total")
    timeout_s: Annotated[float | None, BeforeValidator(seconds)] = Field(
        default=None, gt=0, description="seconds, or a text such as '2h', after which it stops"
    )
    workers: int = Field(default=1, ge=1, le=256, description="trials trained at once")
    device: Literal["auto", "cpu", "gpu"] = Field(
        default="auto", description="what trains; auto uses GPUs where there are any"
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="auto", description="arithmetic; auto takes what the device does fast"
    )
    metric: Annotated[str, AfterValidator(_metric)] = Field(
        default="accuracy",
        description=f"figure of the validation images that is searched for: {', '.join(METRICS)}",
    )
    sampler: Annotated[SamplerSettings, BeforeValidator(partial(_named, default="tpe"))] = Field(
        default=TPE(), description="what proposes the next trial"
    )
    pruner: Annotated[PrunerSettings, BeforeValidator(partial(_named, default="percentile"))] = (
        Field(default=Percentile(), description="what ends a hopeless trial early")
    )
    keep_top: int = Field(default=5, ge=1, description="trials whose weights are kept")
    storage: str | None = Field(
        default=None, exclude=True, repr=False, description="database URL; a SQLite file if absent"
    )
    space: dict[str, Any] = Field(
        default_factory=dict, description="parameter = choices, range, value, or false"
    )
    baseline: tuple[Baseline, ...] = Field(
        default=(), description="settings chosen by hand, trained first"
    )
    published_by: str | None = Field(
        default=None, description="whose figures the baselines' published ones are"
    )

    @property
    def changes(self) -> dict[str, Any]:
        """The [space] table, with the image size that may stand outside of it."""
        fixed = {} if self.image_size_px is None else {"image_size_px": self.image_size_px}
        return self.space | fixed

    @field_validator("space")
    @classmethod
    def _check_space(cls, space: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return _check_each(space, problem, _table(info))

    @field_validator("baseline")
    @classmethod
    def _check_labels(cls, baselines: tuple[Baseline, ...]) -> tuple[Baseline, ...]:
        labels = [baseline.label for baseline in baselines]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"needs another label for each. Received twice: {twice}")
        return baselines


def _table(info: ValidationInfo) -> ParameterTable:
    """Returns the settings there are: the context of the validation, or the built-in ones."""
    return PARAMETERS if info.context is None else info.context


def _wrong_value(name: str, value: Any, table: ParameterTable) -> str | None:
    if name not in table:
        return unknown(name, table)
    try:
        table[name].check(value)
    except ValueError as error:
        return f"{error}."
    return None


def _check_each(
    entries: dict[str, Any],
    wrong: Callable[[str, Any, ParameterTable], str | None],
    table: ParameterTable,
) -> dict[str, Any]:
    """Returns the entries, or raises one error for every entry that is wrong."""
    problems = {key: found for key, value in entries.items() if (found := wrong(key, value, table))}
    if problems:
        raise ValidationError.from_exception_data(
            "table",
            [
                InitErrorDetails(
                    type=PydanticCustomError("setting", "{text}", {"text": text}),
                    loc=(key,),
                    input=entries[key],
                )
                for key, text in problems.items()
            ],
        )
    return entries


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings of which later layers win; [space] tables are merged entry by entry."""
    merged: dict[str, Any] = {}
    for layer in layers:
        space = {**merged.get("space", {}), **layer.get("space", {})}
        merged |= dict(layer) | ({"space": space} if space else {})
    return merged


def differences(created: StudySettings, asked: Mapping[str, Any]) -> list[str]:
    """Returns what was asked for now that contradicts what a study was created with.

    Args:
        created: The study's settings.
        asked: Only what the user wrote now, command line and TOML merged; valid.
    """
    now = StudySettings.model_validate(asked)
    pairs = {
        key: (getattr(created, key), getattr(now, key))
        for key in asked
        if key not in CHANGEABLE | {"space"}
    }
    pairs |= {
        f"space.{key}": (created.space.get(key, "the default"), change)
        for key, change in now.space.items()
    }
    return [
        f"{key}: the study was created with {_shown(old)}, now asked for: {_shown(new)}."
        for key, (old, new) in pairs.items()
        if old != new
    ]


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(map(_shown, value)) or "none"
    if isinstance(value, BaseModel):
        fields = value.model_dump()
        return ", ".join(f"{name} = {entry}" for name, entry in fields.items())
    return str(value)
