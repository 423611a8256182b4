"""Settings from TOML files: the user's own and the presets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studies.declarations import unknown
from studies.errors import StudyError
from studies.parameters import PARAMETERS, ParameterTable
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from studies.settings import Baseline, StudySettings
from studies.toml_errors import Location, line_of
from studies.wording import complaint, did_you_mean

_PRESETS = Path(__file__).parent / "presets"


def load_settings(path: Path, table: ParameterTable = PARAMETERS) -> dict[str, Any]:
    """Returns what a TOML file sets, checked but otherwise as it is written.

    Args:
        path: The file.
        table: The settings that can be searched.

    Raises:
        StudyError: The file cannot be read, is no TOML, or holds a key or value that is not
            allowed; names the line of each.
    """
    text = _read(path)
    try:
        settings = tomllib.loads(text)
    except RecursionError:
        raise StudyError(
            f"The file must be valid TOML. Received: {path}, whose lists or tables are nested "
            "too deeply. Flatten them."
        ) from None
    except ValueError as error:  # TOMLDecodeError, and numbers of thousands of digits
        what = str(error).partition(";")[0]
        raise StudyError(f"The file must be valid TOML. Received: {path} ({what}).") from error
    problems = _problems(settings, table)
    if problems:
        raise StudyError("\n".join(_placed(path, text, *found) for found in problems))
    return settings


def glance(path: Path) -> dict[str, Any]:
    """Returns what a TOML file sets, unchecked; nothing where `load_settings` will complain.

    What it names of networks decides by which settings the rest is checked.
    """
    try:
        return tomllib.loads(_read(path))
    except (StudyError, ValueError, RecursionError):
        return {}


def make_settings(merged: Mapping[str, Any], table: ParameterTable = PARAMETERS) -> StudySettings:
    """Returns the settings of a study.

    Args:
        merged: Preset, TOML and command line, merged by `studies.settings.merge`.
        table: The settings that can be searched.

    Raises:
        StudyError: A key or value is not allowed; names each.
    """
    problems = _problems(merged, table)
    if problems:
        raise StudyError("\n".join(text for _, text in problems))
    return StudySettings.model_validate(dict(merged), context=table)


def preset_path(name: str) -> Path:
    """Returns the file of a preset.

    Raises:
        StudyError: There is none of this name.
    """
    presets = {path.stem: path for path in _PRESETS.glob("*.toml")}
    if name not in presets:
        listed = f"There are: {', '.join(sorted(presets)) or 'none'}."
        hint = " ".join(filter(None, [did_you_mean(name, presets), listed]))
        raise StudyError(f"There is no preset of this name. Received: {name!r}. {hint}")
    return presets[name]


def list_presets() -> dict[str, str]:
    """Returns preset name to the first line of its comment."""
    return {
        path.stem: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").strip()
        for path in sorted(_PRESETS.glob("*.toml"))
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # Notepad puts a byte order mark first
    except FileNotFoundError as error:
        raise StudyError(f"There is no such file. Received: {path}. Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"The file cannot be read as text. Received: {path} ({error}).") from error


def _problems(settings: Mapping[str, Any], table: ParameterTable) -> list[tuple[Location, str]]:
    """Returns where what is wrong, in the order of the settings."""
    try:
        StudySettings.model_validate(dict(settings), context=table)
    except ValidationError as error:
        return [_explained(dict(found)) for found in error.errors(include_url=False)]
    return []


def _explained(found: dict[str, Any]) -> tuple[Location, str]:
    location = _without_tags(found["loc"])
    key = ".".join(map(str, location))
    if found["type"] == "setting":
        return location, found["msg"]
    if found["type"] == "extra_forbidden":
        return location, unknown(str(location[-1]), _allowed(found["loc"]))
    if found["type"] == "union_tag_invalid":
        return (
            (*location, "name"),
            f"{key}.name must be one of {found['ctx']['expected_tags']}. "
            f"Received: {found['ctx']['tag']!r}.",
        )
    return location, complaint(key, found)


def _without_tags(location: Location) -> Location:
    """Returns `location` without the option's name that pydantic puts after `sampler`."""
    return location[:1] + location[2:] if location[0] in ("sampler", "pruner") else location


def _allowed(location: Location) -> list[str]:
    """Returns the keys that the table around an unknown key may hold."""
    if len(location) == 1:
        return list(StudySettings.model_fields)
    if location[0] == "baseline":
        return list(Baseline.model_fields)
    table: Mapping[str, Any] = SAMPLERS if location[0] == "sampler" else PRUNERS
    return list(table[str(location[1])].settings.model_fields)


def _placed(path: Path, text: str, location: Location, problem: str) -> str:
    line = line_of(text, location)
    return f"{path}, line {line}: {problem}" if line else f"{path}: {problem}"
