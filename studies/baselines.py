"""The hand-chosen settings of a study, as the Optuna parameters that are trained first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from studies.domains import Value
from studies.errors import StudyError
from studies.settings import Baseline
from studies.space import DataFacts, Space
from studies.suggest import configure, params_of


@dataclass(frozen=True)
class Baselines:
    """What becomes of the baselines of a study.

    Attributes:
        params: Label to Optuna parameters, in the order in which they are trained.
        left_out: Label to the reason why it is not trained here.
    """

    params: Mapping[str, Mapping[str, Value]]
    left_out: Mapping[str, str]


def place(
    baselines: Iterable[Baseline],
    space: Space,
    facts: DataFacts,
    unavailable: Mapping[str, str],
) -> Baselines:
    """Finds each baseline's place in the space.

    Args:
        baselines: What was asked for.
        space: The study's space, without the backbones that are not available.
        facts: The study's data.
        unavailable: Backbone to the reason why its weights are not available here.

    Raises:
        StudyError: A baseline lies outside the space, or its backbone's weights are not here and
            it is not optional; names every such baseline.
    """
    params: dict[str, Mapping[str, Value]] = {}
    left_out: dict[str, str] = {}
    problems: list[str] = []
    for baseline in baselines:
        missing = _missing_backbone(baseline, space, unavailable)
        if missing and baseline.optional:
            left_out[baseline.label] = missing
        elif missing:
            why = unavailable.get(str(baseline.settings["backbone"]))
            problems.append(
                f"The baseline {baseline.label!r} must be trainable here. Received: {missing}"
                + (f" ({why.rstrip('.')})" if why else "")
                + ". Get the weights, add the backbone to [space], or give the baseline "
                "`optional = true`."
            )
        else:
            try:
                params[baseline.label] = params_of(
                    configure(baseline.settings, space, facts), space
                )
            except StudyError as error:
                problems.append(f"The baseline {baseline.label!r} does not fit the study: {error}")
    if problems:
        raise StudyError("\n".join(problems))
    return Baselines(params, left_out)


def _missing_backbone(
    baseline: Baseline, space: Space, unavailable: Mapping[str, str]
) -> str | None:
    """Returns why a baseline's backbone is not in the space; None where it is, or is not named."""
    name = baseline.settings.get("backbone")
    choices = space.values("backbone")
    if name is None or name in choices:
        return None
    if name in unavailable:
        return f"backbone {name}, whose weights are not on this machine"
    return f"backbone {name}, while the space holds {', '.join(map(str, choices))}"
