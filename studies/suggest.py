"""The seam: from what Optuna proposes to a trial's settings, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.config import AugmentConfig
from studies.declarations import unknown
from studies.domains import Domain, Fixed, Value
from studies.errors import StudyError
from studies.parameter import Parameter
from studies.parameters import PARAMETERS
from studies.space import DataFacts, Space, by_preference
from studies.trial_config import TrialConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

FINE_TUNED_STAGES = 2
"""Of the second of the first trials."""


def suggest(trial: BaseTrial, space: Space, facts: DataFacts) -> TrialConfig:
    """Returns the settings that a trial proposes; nothing after this knows of the trial."""
    values = _walk(space, lambda row, domain, _: domain.suggest(trial, row.name))
    return _assemble(values, facts)


def first_trials(space: Space, facts: DataFacts) -> dict[str, dict[str, Value]]:
    """Returns label to Optuna parameters of what is trained first, after the baselines.

    A head on a frozen backbone is good within seconds; training the top of the backbone too takes
    minutes and makes it better, if by the small steps that a random trial seldom has.
    """
    default = default_trial(space, facts)
    fine_tuned = default_trial(space, facts, {"trainable_stages": FINE_TUNED_STAGES})
    first = {"default": default, "fine-tuned": fine_tuned}
    return first if fine_tuned != default else {"default": default}


def default_trial(
    space: Space, facts: DataFacts, instead: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """Returns the Optuna parameters of the hand-chosen settings.

    What the space does not hold is replaced by the nearest value that it does.

    Args:
        space: The study's space.
        facts: The study's data.
        instead: Parameter name to a value other than the usual one.
    """
    preferred = (name for name in by_preference(facts) if space["backbone"].contains(name))
    backbone = next(preferred, "")

    def choose(row: Parameter, domain: Domain, _: Mapping[str, Value]) -> Value:
        usual = backbone if row.name == "backbone" else _start(row)
        return domain.nearest(instead.get(row.name, usual))

    values = _walk(space, choose)
    return params_of(_assemble(values, facts), space)


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
    named, problems = _checked(settings)

    def choose(row: Parameter, domain: Domain, earlier: Mapping[str, Value]) -> Value:
        if row.name in named or row.follows in named:
            return named[row.name if row.name in named else str(row.follows)]
        value = domain.value if isinstance(domain, Fixed) else _unnamed(row, earlier)
        if value is None:
            raise StudyError(
                f"{row.name} is missing. Received: {', '.join(settings) or 'nothing'}."
            )
        return value

    if not problems:
        values = _walk(space, choose)
        problems = _without_effect(named, values, space)
    if problems:
        raise StudyError("\n".join(problems))
    return _assemble(values, facts)


def params_of(config: TrialConfig, space: Space) -> dict[str, Value]:
    """Returns the Optuna parameters with which `suggest` gives `config`.

    Raises:
        StudyError: The space does not hold it; names each parameter that lies outside.
    """
    params: dict[str, Value] = {}
    problems: list[str] = []

    def read(row: Parameter, domain: Domain, _: Mapping[str, Value]) -> Value:
        value = _read(config, row, domain, space)
        if domain.contains(value):
            params.update(domain.params(row.name, value))
        else:
            problems.append(
                f"{row.name} lies outside the space. Received: {value}. Allowed: {domain}."
            )
        return value

    values = _walk(space, read)
    if not problems:
        problems = _left_over(config, values)
    if problems:
        raise StudyError("\n".join(problems) + " Widen it in [space], or change the value.")
    return params


def _walk(
    space: Space, choose: Callable[[Parameter, Domain, Mapping[str, Value]], Value]
) -> dict[str, Value]:
    """Returns parameter name to chosen value for all that mean something together."""
    values: dict[str, Value] = {}
    for row in PARAMETERS.values():
        applies = row.when is None or row.when.holds(_value(values, row.when.parameter))
        if applies and row.name in space:
            values[row.name] = choose(row, space[row.name], values)
    return values


def _checked(settings: Mapping[str, Any]) -> tuple[dict[str, Value], list[str]]:
    """Returns the settings as they are stored, and what is wrong with them."""
    named: dict[str, Value] = {}
    problems = [unknown(name, PARAMETERS) for name in settings if name not in PARAMETERS]
    for name in settings.keys() & PARAMETERS.keys():
        try:
            named[name] = PARAMETERS[name].check(settings[name])
        except ValueError as error:
            problems.append(f"{error}.")
    return named, sorted(problems)


def _without_effect(
    named: Mapping[str, Value], values: Mapping[str, Value], space: Space
) -> list[str]:
    """Returns the complaints about settings that the trial would not use."""
    followed = {PARAMETERS[name].follows for name in values}
    unused = [PARAMETERS[name] for name in named if name not in values and name not in followed]
    return [
        f"{row.name} means nothing here: it applies when {row.when.text}. Leave it out."
        if row.name in space and row.when
        else f"{row.name} is not in the space. Received: {named[row.name]}. Declare it in [space]."
        for row in unused
    ]


def _value(values: Mapping[str, Value], name: str) -> Value | None:
    return values.get(name, PARAMETERS[name].default_value)


def _unnamed(row: Parameter, earlier: Mapping[str, Value]) -> Value | None:
    section, _, field = row.target.partition(".")
    if section != "augment" or not field:
        return row.default_value
    return row.encode(getattr(_level(earlier), field))


def _start(row: Parameter) -> Value:
    start = row.default_value if row.start is None else row.start
    return "" if start is None else start


def _assemble(values: Mapping[str, Value], facts: DataFacts) -> TrialConfig:
    tree: dict[str, dict[str, Any]] = {
        "model": {"classes": facts.classes, "image_size_px": facts.image_size_px},
        "optimizer": {},
        "augment": _level(values).model_dump(),
        "training": {},
    }
    for name, value in values.items():
        section, _, field = PARAMETERS[name].target.partition(".")
        if field:
            tree[section][field] = PARAMETERS[name].decode(value)
    return TrialConfig.model_validate(tree)


def _read(config: TrialConfig, row: Parameter, domain: Domain, space: Space) -> Value:
    section, _, field = row.target.partition(".")
    if field:
        return row.encode(getattr(getattr(config, section), field))
    return _level_of(config.augment, domain, space)


def _level(values: Mapping[str, Value]) -> AugmentConfig:
    return AUGMENTATIONS[str(_value(values, "augmentation"))].config


def _level_of(augment: AugmentConfig, domain: Domain, space: Space) -> str:
    """Returns the level that differs from `augment` in nothing but what the space sets itself."""
    own = {row.target.partition(".")[2] for row in PARAMETERS.values() if row.name in space}
    asked = augment.model_dump(exclude=own)
    levels = [name for name in AUGMENTATIONS if domain.contains(name)]
    return next(
        (name for name in levels if AUGMENTATIONS[name].config.model_dump(exclude=own) == asked),
        f"none of the levels, but {asked}",
    )


def _left_over(config: TrialConfig, values: Mapping[str, Value]) -> list[str]:
    """Returns what `config` sets although it means nothing beside its other settings."""
    facts = DataFacts(
        classes=config.model.classes, image_size_px=config.model.image_size_px, train_images=1
    )
    same = _assemble(values, facts).model_dump()
    asked = config.model_dump()
    return [
        f"{section}.{field} means nothing beside the other settings. "
        f"Received: {value}. Here it is always {same[section][field]}."
        for section, fields in asked.items()
        for field, value in fields.items()
        if same[section][field] != value
    ]
