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
from studies.metrics import COSTS, METRICS
from studies.parameters import PARAMETERS, ParameterTable
from studies.pruners import Percentile, PrunerSettings
from studies.samplers import TPE, SamplerSettings

CHANGEABLE = frozenset(
    {
        "trials",
        "timeout_s",
        "workers",
        "device",
        "keep_top",
        "keep_mb",
        "patience",
        "storage",
        "published_by",
    }
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
        "exclude_images",
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

_SHOWN = 5
"""Values of one setting that an error names."""

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
        raise ValueError("must be seconds or a text such as '90s', '15m' or '1h30m'")
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


def _texts(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _flattened(entries: Any, info: ValidationInfo) -> Any:
    """Lets `plain.filters = …`, which TOML reads as a table, be a setting of the network plain."""
    if not isinstance(entries, dict):
        return entries
    flat: dict[str, Any] = {}
    for key, value in entries.items():
        if isinstance(value, dict) and key in _table(info).catalogue:
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def _cost(name: str) -> str:
    if name not in COSTS:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(COSTS)})
    return name


class Baseline(BaseModel):
    """Settings chosen by hand, trained before the search begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, description="Its name in listings.")
    settings: dict[str, Any] = Field(description="Its settings: parameter = value.")
    published: dict[str, float] = Field(
        default_factory=dict, description="Figures that its author reports, by name."
    )
    optional: bool = Field(
        default=False, description="Leave it out if its backbone is not in the space."
    )

    _flat = field_validator("settings", mode="before")(_flattened)

    @field_validator("settings")
    @classmethod
    def _check_settings(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return _check_each(settings, _wrong_value, _table(info))


class StudySettings(BaseModel):
    """Everything a study is created with; the storage stays unstored, it may hold a password."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(
        default="digits",
        description="Folder of images, table of labels (.csv, .tsv), .zip, .npz, or a built-in "
        "data set.",
    )
    class_pattern: str | None = Field(
        default=None,
        description="Regular expression for file names; its group `class` is the class.",
    )
    class_level: int | None = Field(
        default=None, ge=1, description="Which folder names the class; 1 is the topmost."
    )
    group_pattern: str | None = Field(
        default=None,
        description="Regular expression for paths; its first group names what must stay in one "
        "part of the split.",
    )
    group_level: int | None = Field(
        default=None,
        ge=1,
        description="Which folder names what must stay in one part; 1 is the first below the "
        "class.",
    )
    images: str | None = Field(
        default=None,
        description="Folder of the images that a table lists, if they are not beside it.",
    )
    file_column: str | None = Field(
        default=None, description="Column of a table with the file names."
    )
    label_column: str | None = Field(default=None, description="Column with the classes.")
    split_column: str | None = Field(
        default=None, description="Column with the part of each image: train, validation or test."
    )
    group_column: str | None = Field(
        default=None,
        description="Column with the patient, object or burst; its images stay in one part of the "
        "split.",
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description="Leave out a class, folder or file; * stands for any characters. A .csv file "
        "that `hpo doctor --suspects` wrote leaves out what is confirmed in it.",
    )
    exclude_images: tuple[str, ...] = Field(
        default=(), description="Images to leave out, by their paths in the data set."
    )
    min_class_images: int = Field(
        default=0, ge=0, description="Leave out classes with fewer images."
    )
    draw_validation: bool = Field(
        default=False,
        description="Draw the validation part anew, together with the training part, even if one "
        "is given.",
    )
    resize: Literal["stretch", "pad", "crop"] = Field(
        default="stretch",
        description="How images become squares: stretched, padded with black, or cropped to the "
        "middle.",
    )
    validation_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="Share of the images that trials are compared on."
    )
    test_fraction: float = Field(
        default=0.15, ge=0, lt=1, description="Share of the images that stays sealed until the end."
    )
    image_size_px: int | None = Field(
        default=None,
        ge=4,
        le=4096,
        description="Height and width of the images, in pixels; chosen by the data if not given.",
    )
    seed: int = Field(default=0, ge=0, description="Number that all randomness is derived from.")
    trials: int = Field(default=50, ge=1, description="Trials of the study in total.")
    timeout_s: Annotated[float | None, BeforeValidator(seconds)] = Field(
        default=None,
        gt=0,
        description="Stop this long after the command was typed: seconds, or a text such as 15m "
        "or 1h30m.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Trials trained at the same time.")
    device: Literal["auto", "cpu", "gpu"] = Field(
        default="auto", description="What to train on; auto uses GPUs if there are any."
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="auto",
        description="Arithmetic of the training; auto picks what the device does fast.",
    )
    metric: Annotated[str, AfterValidator(_metric)] = Field(
        default="accuracy",
        description="What the search improves, measured on the validation images.",
    )
    against: tuple[Annotated[str, AfterValidator(_cost)], ...] = Field(
        default=(),
        description="What the metric is weighed against, measured on the exported network: latency "
        "(ms an image), size (MB). The study then has several objectives.",
    )
    sampler: Annotated[SamplerSettings, BeforeValidator(partial(_named, default="tpe"))] = Field(
        default=TPE(), description="What proposes the settings of each trial."
    )
    pruner: Annotated[PrunerSettings, BeforeValidator(partial(_named, default="percentile"))] = (
        Field(default=Percentile(), description="What ends poor trials early.")
    )
    keep_top: int = Field(
        default=5,
        ge=1,
        description="How many of the best trials keep their weights, and their checkpoints for "
        "`hpo continue`; the baselines always keep their weights.",
    )
    patience: Literal["auto"] | None = Field(
        default=None,
        description="auto stops the search once more trials cannot be expected to help: when as "
        "many again would add less than the error of the validation figure.",
    )
    keep_mb: int = Field(
        default=200,
        ge=0,
        description="Megabytes for the weights of further good trials, which `hpo best --ensemble` "
        "is chosen from. Heads of frozen backbones are small.",
    )
    storage: str | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="URL of the database of studies; without it a SQLite file in the folder "
        "hpo_runs.",
    )
    networks: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        default=(), description="Python file of networks of your own, to be searched too."
    )
    space: dict[str, Any] = Field(
        default_factory=dict,
        description="What is searched: parameter = choices, range, value, or false.",
    )
    baseline: tuple[Baseline, ...] = Field(
        default=(), description="Settings chosen by hand, trained first and never pruned."
    )
    published_by: str | None = Field(
        default=None, description="Who published the figures of the baselines."
    )

    @property
    def changes(self) -> dict[str, Any]:
        """The [space] table, with the image size that may stand outside of it."""
        fixed = {} if self.image_size_px is None else {"image_size_px": self.image_size_px}
        return self.space | fixed

    @field_validator("patience")
    @classmethod
    def _check_patience(cls, patience: str | None, info: ValidationInfo) -> str | None:
        metric = info.data.get("metric")
        if patience and metric and METRICS[metric].perfect != 1.0:
            raise ValueError(f"needs a metric that is a share of the images. Received: {metric}")
        return patience

    _flat = field_validator("space", mode="before")(_flattened)

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
            raise ValueError(
                f"must have a label of its own for each entry. Received twice: {twice}"
            )
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
    """Returns merged settings; later layers win, and [space] tables are merged entry by entry."""
    merged: dict[str, Any] = {}
    for layer in layers:
        space = {**merged.get("space", {}), **layer.get("space", {})}
        merged |= dict(layer) | ({"space": space} if space else {})
    return merged


def differences(
    created: StudySettings, asked: Mapping[str, Any], table: ParameterTable = PARAMETERS
) -> list[str]:
    """Returns what was asked for now that contradicts what a study was created with.

    Args:
        created: The study's settings.
        asked: Only what the user wrote now, command line and TOML merged; valid.
        table: The settings that the study can search.
    """
    now = StudySettings.model_validate(asked, context=table)
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
        f"{key}: created with {_shown(old)}, now {_shown(new)}."
        for key, (old, new) in pairs.items()
        if old != new
    ]


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        more = f"; and {len(value) - _SHOWN:,} more" if len(value) > _SHOWN else ""
        return "; ".join(map(_shown, value[:_SHOWN])) + more or "none"
    if isinstance(value, BaseModel):
        fields = value.model_dump()
        return ", ".join(f"{name} = {entry}" for name, entry in fields.items())
    return str(value)
