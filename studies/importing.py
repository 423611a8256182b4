"""Imports runs from a table of settings and results, as trials that a sampler learns from."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FixedTrial, TrialState, create_trial

from studies.csv_tables import Table, read_table
from studies.declarations import unknown
from studies.domains import Value
from studies.errors import StudyError
from studies.metrics import Metric
from studies.parameter import Parameter
from studies.record import CONFIG_KEY
from studies.space import DataFacts, Space
from studies.suggest import configure, params_of, suggest
from studies.trial_config import TrialConfig

VALUE, LABEL = "value", "label"
"""Columns beside those of the settings."""
IMPORT_KEY = "import"
"""User attribute that tells one imported run from another."""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        line: Its line in the file, from 1.
        label: What its author calls it, or an empty text.
        value: Its result, in the study's metric.
        config: Its settings.
        params: They as Optuna parameters.
    """

    line: int
    label: str
    value: float
    config: TrialConfig
    params: Mapping[str, Value]


def read_runs(path: Path, space: Space, facts: DataFacts, metric: Metric) -> list[Run]:
    """Reads a CSV file whose columns are settings, `value` and perhaps `label`.

    An empty cell leaves a setting to the study, as a baseline that does not name it does. Where the
    first line is divided by semicolons or tabs, as spreadsheets write them in many countries, all
    lines are, and numbers may have a decimal comma.

    Args:
        path: The file, UTF-8.
        space: The study's space, in which every run must lie.
        facts: The study's data.
        metric: What `value` is.

    Raises:
        StudyError: The file cannot be read, or a row is wrong; names every such row's line.
    """
    table = read_table(path)
    _check_header(path, table, space)
    if not table.rows:
        raise StudyError(f"{path} must hold a row for each run. Received: a heading alone.")
    runs, problems = [], []
    for line, cells in table.rows:
        try:
            runs.append(_read_run(line, table, cells, space, facts, metric))
        except ValueError as error:
            problems += [f"{path}, line {line}: {text}" for text in str(error).splitlines()]
    if problems:
        raise StudyError("\n".join([*problems, "Nothing was imported."]))
    return runs


def _check_header(path: Path, table: Table, space: Space) -> None:
    header = table.header
    allowed = [*space.table, VALUE, LABEL]
    problems = [unknown(name, allowed) for name in header if name not in allowed]
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        problems.append(f"Each column may be there once. Received twice: {', '.join(twice)}.")
    if VALUE not in header:
        found = ", ".join(header) or "nothing"
        problems.append(f"There must be a column {VALUE!r}. Received: {found}.")
    if problems:
        raise StudyError("\n".join(f"{path}, line {table.line}: {text}" for text in problems))


def _read_run(
    line: int,
    table: Table,
    cells: Sequence[str],
    space: Space,
    facts: DataFacts,
    metric: Metric,
) -> Run:
    if len(cells) > len(table.header):
        raise StudyError(
            f"A row has at most as many cells as the heading, {len(table.header)}. "
            f"Received: {len(cells)}. Put quotes around a cell that holds the divider."
        )
    named = {name: cell for name, cell in zip(table.header, cells, strict=True) if cell}
    label, result = named.pop(LABEL, ""), named.pop(VALUE, "")
    if table.decimal_comma:
        result = result.replace(",", ".")
        named = {name: _with_point(space.table[name], text) for name, text in named.items()}
    value = _result(result, metric)
    settings = {name: _typed(space.table[name], text) for name, text in named.items()}
    config = configure(settings, space, facts)
    return Run(line, label, value, config, params_of(config, space))


def _result(text: str, metric: Metric) -> float:
    """Reads a result; most wrong ones are percents."""
    highest = metric.perfect if metric.maximize else math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and 0 <= value <= highest):
        allowed = f"a number from 0 to {highest:g}" if metric.maximize else "a number from 0 on"
        raise StudyError(f"{VALUE} is the {metric.label}, {allowed}. Received: {text!r}.")
    return value


def _with_point(parameter: Parameter, text: str) -> str:
    return text.replace(",", ".") if parameter.type in (int, float) else text


def _typed(parameter: Parameter, text: str) -> Any:
    """Returns a cell as TOML would hold it; what cannot be so is left to `configure` to refuse."""
    if parameter.type is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if parameter.type in (int, float):
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if parameter.type is int and number.is_integer() else number
    return text


def add_runs(
    study: optuna.Study, runs: Iterable[Run], space: Space, facts: DataFacts, source: str
) -> int:
    """Adds runs to a study as complete trials; returns how many were not there yet.

    Each trial is written in one transaction, and one that is there already is passed over: after a
    kill in the middle, the same import typed again adds the rest.

    Args:
        study: The study.
        runs: What `read_runs` returned.
        space: The study's space.
        facts: The study's data.
        source: Name of the file, for people.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    there = {trial.user_attrs.get(IMPORT_KEY) for trial in trials}
    added, seen = 0, Counter[str]()
    for run in runs:
        content = f"{run.config.identity} {run.value!r} {run.label}"
        seen[content] += 1  # a run may have been done, and be listed, twice
        key = hashlib.sha256(f"{content} {seen[content]}".encode()).hexdigest()[:16]
        if key not in there:
            study.add_trial(_trial(run, space, facts, {IMPORT_KEY: key, "imported_from": source}))
            added += 1
    return added


def _trial(
    run: Run, space: Space, facts: DataFacts, attributes: Mapping[str, str]
) -> optuna.trial.FrozenTrial:
    fixed = FixedTrial(dict(run.params))
    suggest(fixed, space, facts)  # tells the distributions
    return create_trial(
        value=run.value,
        params=dict(run.params),
        distributions=fixed.distributions,
        user_attrs={
            CONFIG_KEY: run.config.model_dump(mode="json"),
            "reason": "imported",
            **attributes,
            **({"imported_label": run.label} if run.label else {}),
        },
    )
