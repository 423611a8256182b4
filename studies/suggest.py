"""The seam: from what Optuna proposes to a trial's settings, and back.

Three things stand for one trial here:

- its *parameters*, what Optuna proposes and keeps: only what is searched, in Optuna's form;
- its *values*: parameter name to value for every row of the table that has a say in this trial;
- its *configuration*, which is all that anything below this module sees.

`suggest` goes from parameters to values to configuration, `params_of` goes back. `configure` and
`nearest_trial` find the values that somebody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.config import AugmentConfig
from studies.declarations import unknown
from studies.domains import Domain, Fixed, Value
from studies.errors import StudyError
from studies.parameter import Parameter
from studies.parameters import ParameterTable
from studies.space import DataFacts, Space, by_preference
from studies.trial_config import TrialConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

USUAL_SIZE_PX = 96
"""Size at which photos are trained on where nothing better is known: quick, and not bad."""


def suggest(trial: BaseTrial, space: Space, facts: DataFacts) -> TrialConfig:
    """Returns the settings that a trial proposes; nothing after this knows of the trial."""
    values: dict[str, Value] = {}
    for row, domain in _rows_that_apply(space, values):
        values[row.name] = domain.suggest(trial, row.name)
    return _config_of(values, facts, space.table)


def params_of(config: TrialConfig, space: Space) -> dict[str, Value]:
    """Returns the Optuna parameters with which `suggest` gives `config`.

    Raises:
        StudyError: The space does not hold it; names each parameter that lies outside.
    """
    values = values_of(config, space)
    params: dict[str, Value] = {}
    problems: list[str] = []
    for name, value in values.items():
        domain = space[name]
        if domain.contains(value):
            params |= domain.params(name, value)
        else:
            problems.append(f"{name} lies outside the space. Received: {value}. Allowed: {domain}.")
    if not problems:
        # What no row has read must be what these values give, or it would be lost on the way back.
        facts = DataFacts(
            classes=config.model.classes, native_size_px=config.model.image_size_px, train_images=1
        )
        given = _config_of(values, facts, space.table).model_dump()
        problems = [
            f"{section}.{field} means nothing beside the other settings. "
            f"Received: {value}. Here it is always {given[section][field]}."
            for section, fields in config.model_dump().items()
            for field, value in fields.items()
            if given[section][field] != value
        ]
    if problems:
        raise StudyError("\n".join(problems) + " Widen it in [space], or change the value.")
    return params


def values_of(config: TrialConfig, space: Space) -> dict[str, Value]:
    """Returns the settings of a trial under their names, of all rows that have a say in it."""
    values: dict[str, Value] = {}
    for row, domain in _rows_that_apply(space, values):
        whole = "." not in row.target
        values[row.name] = _level_of(config.augment, domain, space) if whole else row.read(config)
    return values


def configure(settings: Mapping[str, Any], space: Space, facts: DataFacts) -> TrialConfig:
    """Returns the trial that somebody's own settings describe: a baseline, an imported row.

    Args:
        settings: Parameter name to value. What is not named has the value that the space fixes,
            or else its config's default or, for a part of the augmentation, its level's value.
        space: The study's space.
        facts: The study's data.

    Raises:
        StudyError: A name is unknown, a value not allowed or without effect, or the backbone is
            missing.
    """
    table = space.table
    named: dict[str, Value] = {}
    problems = [unknown(name, table) for name in settings if name not in table]
    for name in settings.keys() & table.keys():
        try:
            named[name] = table[name].check(settings[name])
        except ValueError as error:
            problems.append(f"{error}.")
    if problems:
        raise StudyError("\n".join(sorted(problems)))

    values: dict[str, Value] = {}
    for row, domain in _rows_that_apply(space, values):
        value: Value | None
        if row.name in named:
            value = named[row.name]
        elif row.follows in named:
            value = named[row.follows]
        elif isinstance(domain, Fixed):
            value = domain.value
        elif row.target == "model.image_size_px":
            value = domain.nearest(facts.native_size_px)
        elif row.target.startswith("augment."):
            level = _level(values, table)
            value = row.encode(getattr(level, row.target.removeprefix("augment.")))
        else:
            value = row.default_value
        if value is None:
            raise StudyError(
                f"{row.name} is missing. Received: {', '.join(settings) or 'nothing'}."
            )
        values[row.name] = value

    followed = {table[name].follows for name in values}
    for row in (table[name] for name in named if name not in values and name not in followed):
        problems.append(
            f"{row.name} means nothing here: it applies when {row.condition}. Leave it out."
            if row.name in space and row.when
            else f"{row.name} is not in the space. Received: {named[row.name]}. "
            "Declare it in [space]."
        )
    if problems:
        raise StudyError("\n".join(problems))
    return _config_of(values, facts, table)


def default_trial(space: Space, facts: DataFacts) -> dict[str, Value]:
    """Returns the Optuna parameters of the hand-chosen settings."""
    preferred = [name for name in by_preference(facts) if space["backbone"].contains(name)]
    return nearest_trial(space, facts, {"backbone": preferred[0] if preferred else ""})[0]


def nearest_trial(
    space: Space, facts: DataFacts, wanted: Mapping[str, Value]
) -> tuple[dict[str, Value], TrialConfig]:
    """Returns the trial of a space that comes nearest to somebody's wishes.

    Args:
        space: The study's space.
        facts: The study's data.
        wanted: Parameter name to value; what is not named has its hand-chosen value. What the space
            does not hold is replaced by the nearest value that it does.

    Returns:
        Its Optuna parameters and its configuration.
    """
    values: dict[str, Value] = {}
    for row, domain in _rows_that_apply(space, values):
        usual = row.default_value if row.start is None else row.start
        if row.target == "model.image_size_px":
            usual = min(facts.native_size_px, USUAL_SIZE_PX)
        values[row.name] = domain.nearest(wanted.get(row.name, "" if usual is None else usual))
    config = _config_of(values, facts, space.table)
    # Not made of `values`: of two levels that are alike here, Optuna is to know one.
    return params_of(config, space), config


def _rows_that_apply(
    space: Space, values: Mapping[str, Value]
) -> Iterator[tuple[Parameter, Domain]]:
    """Yields the rows of the space that have a say in a trial, in the order of sampling.

    The caller adds each row's value to `values` before it asks for the next row: whether that one
    applies depends on them.
    """
    for row in space.table.values():
        if row.name in space and space.table.applies(row, values):
            yield row, space[row.name]


def _config_of(values: Mapping[str, Value], facts: DataFacts, table: ParameterTable) -> TrialConfig:
    """Returns the configuration that has these values, and its own defaults for the rest."""
    sections: dict[str, dict[str, Any]] = {
        "model": {"classes": facts.classes},
        "optimizer": {},
        "augment": _level(values, table).model_dump(),
        "training": {},
    }
    for name, value in values.items():
        table[name].write(sections, value)
    if code := table.catalogue.find(str(values["backbone"])).code:
        sections["model"].setdefault("own", {})["code"] = code
    return TrialConfig.model_validate(sections)


def _level(values: Mapping[str, Value], table: ParameterTable) -> AugmentConfig:
    """Returns the augmentation of the level among `values`, or of the default level."""
    return AUGMENTATIONS[
        str(values.get("augmentation", table["augmentation"].default_value))
    ].config


def _level_of(augment: AugmentConfig, domain: Domain, space: Space) -> str:
    """Returns the level that differs from `augment` in nothing but what the space sets itself."""
    own = {row.target.partition(".")[2] for row in space.table.values() if row.name in space}
    asked = augment.model_dump(exclude=own)
    for name, level in AUGMENTATIONS.items():
        if domain.contains(name) and level.config.model_dump(exclude=own) == asked:
            return name
    return f"none of the levels, but {asked}"
