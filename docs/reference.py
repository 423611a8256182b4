"""The tables of the documentation, generated from the program itself."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from studies.parameters import PARAMETERS
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from studies.settings import Baseline, StudySettings
from studies.space import Space

Row = dict[str, str]


def space_table(space: Space) -> list[Row]:
    """Returns one row a setting of the space: its name, range, when it applies, and help."""
    return [
        {
            "name": row.name,
            "range": str(space[row.name]),
            "when": row.condition,
            "help": row.help,
        }
        for row in PARAMETERS.values()
        if row.name in space
    ]


def settings_reference() -> list[Row]:
    """Returns one row a TOML key: its name, type, default and help."""
    return [
        *_rows("", StudySettings),
        *_rows("baseline.", Baseline),
        *_options("sampler", {name: row.settings for name, row in SAMPLERS.items()}),
        *_options("pruner", {name: row.settings for name, row in PRUNERS.items()}),
    ]


def _options(table: str, models: dict[str, Any]) -> Iterator[Row]:
    for name, model in models.items():
        for row in _rows(f"{table}.", model):
            if row["key"] != f"{table}.name":
                yield {**row, "help": f"{name}: {row['help']}"}


def _rows(prefix: str, model: type[BaseModel]) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        yield {
            "key": prefix + name,
            "type": _type(field.annotation),
            "default": _default(field),
            "help": field.description or "",
        }


def _type(annotation: Any) -> str:
    """Returns a type in the words of a TOML file."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if get_origin(annotation) is Annotated:
        return _type(parts[0])
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, parts))
    if get_origin(annotation) is tuple:
        return "texts" if parts[0] is str else "tables"
    if get_origin(annotation) is dict:
        return "table"
    if parts:  # a union
        return "table" if isinstance(parts[0], type(BaseModel)) else _type(parts[0])
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(annotation, "table")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == {} or value == ():
        return ""
    return (
        str(getattr(value, "name", value)).lower()
        if isinstance(value, bool)
        else str(getattr(value, "name", value))
    )
