"""`hpo best`: the best trial, exported and tested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpo.cli.exported import print_exported
from hpo.cli.options import json_option, storage_option, study_option, trust_option
from hpo.converters.table import FORMATS
from hpo.paths import paths
from hpo.results.tables import Cell, Column, printable, say, show, working
from hpo.results.terms import TOLERANCE
from models.errors import ModelError
from studies.metrics import METRICS, Metric

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from hpo.results.findings import Findings
    from hpo.results.sealed_test import Look
    from hpo.results.targets import Target
    from hpo.results.trial_rows import TrialRow
    from hpo.search.open_study import OpenStudy

BESIDE = ("accuracy", "macro_f1", "loss")
"""Shown beside the objective; more do not fit into 80 columns, and `--json` has them all."""
SHOWN = 30
"""Wrong images that are listed as text."""


@click.command()
@storage_option
@study_option
@click.option("--top", type=click.IntRange(min=1), default=1, metavar="K", help="Show the best K.")
@click.option("--trial", type=int, metavar="N", help="Use this trial instead of the best.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write its model to a file and check the file. Its ending chooses the format.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(list(FORMATS)),
    help="Format of --export, where its ending allows for several.",
)
@click.option(
    "--export-all",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write it in every format whose package is installed.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=TOLERANCE,
    show_default=True,
    metavar="POINTS",
    help="Percentage points of accuracy that a format may lose.",
)
@click.option("--accept", is_flag=True, help="Keep a file even if it loses more.")
@click.option("--license", "license_id", default="unknown", metavar="ID", help="For the card.")
@click.option("--overwrite", is_flag=True, help="Let an export replace files.")
@click.option("--test", is_flag=True, help="Evaluate it on the sealed test images.")
@trust_option
@click.option(
    "--wrong",
    type=click.Choice(["text", "csv"]),
    is_flag=False,
    flag_value="text",
    help="List only the validation images that it is wrong about, the surest first.",
)
@json_option
def best(
    storage: str | None,
    study: str | None,
    top: int,
    trial: int | None,
    target: Path | None,
    layout: str | None,
    folder: Path | None,
    tolerance: float,
    accept: bool,
    license_id: str,
    overwrite: bool,
    test: bool,
    trusts: bool,
    wrong: str | None,
    as_json: bool,
) -> None:
    """Show, export or test the best trial.

    The best trial has the best validation metric; of equal ones it is the one with the lower
    validation loss. An interrupted trial counts with its best epoch so far.

    --export writes one model that takes RGB images of any size, as .keras, .onnx, .tflite or .xml
    (OpenVINO), or with --format savedmodel as a folder, and a model card beside it. A fresh process
    loads it with its own runtime and classifies the validation images. A file that loses more than
    the tolerance is not kept.

    --test uses images that the search never sees, and records each use in the study. Test figures
    are honest only as long as nobody chooses by them.

    \b
    Examples:
      hpo best
      hpo best --top 5
      hpo best --export model.keras
      hpo best --export model.tflite --format tflite-int8
      hpo best --export-all winner/
      hpo best --test
      hpo best --wrong csv > wrong.csv
      hpo best --study digits --trial 0 --export baseline.keras
    """
    from hpo.results.export import export
    from hpo.results.findings import Findings
    from hpo.results.ranking import rank
    from hpo.results.sealed_test import earlier_looks, look
    from hpo.results.terms import Terms
    from hpo.search.open_study import find_study
    from hpo.trust import trust

    if wrong and (target or folder or test):
        raise click.UsageError("--wrong only lists images: leave out --export and --test.")
    targets = _targets(target, layout, folder, overwrite)
    opened = find_study(paths(storage), study)
    if trusts:
        trust(file.source for file in opened.record.networks)
    ranking = rank(opened)
    chosen = ranking.find(trial)
    frozen = opened.storage.get_trial(chosen.trial_id)
    if wrong:
        _print_wrong(opened, frozen, "json" if as_json else wrong)
        return
    earlier, exported, taken = earlier_looks(opened), None, None
    if targets:
        terms = Terms(tolerance, accept, overwrite)
        with working("Building the model …") as say_now:
            exported = export(opened, frozen, targets, terms, license_id=license_id, say=say_now)
    if test:
        with working("Classifying the test images …"):
            taken = look(opened, frozen, len(ranking.best))
    findings = Findings(
        study=opened.study.study_name,
        ranking=ranking,
        chosen=chosen,
        shown=ranking.best[:top] if trial is None else [chosen],
        earlier=earlier,
        exported=exported,
        taken=taken,
    )
    if as_json:
        click.echo(json.dumps(findings.as_json(), indent=2))
    else:
        _print(findings)
    if exported and exported.problems:
        raise ModelError("\n".join(exported.problems))


def _targets(
    target: Path | None, layout: str | None, folder: Path | None, overwrite: bool
) -> list[Target]:
    """Returns the files to write, whose places were checked."""
    from hpo.results.targets import all_targets, check_target, find_target, make_folder

    if target and folder:
        raise click.UsageError("--export and --export-all exclude each other.")
    if layout and not target:
        raise click.UsageError("--format goes with --export.")
    if folder:
        make_folder(folder)
    targets = all_targets(folder) if folder else []
    targets += [find_target(target, layout)] if target else []
    for each in targets:
        check_target(each, overwrite=overwrite)
    return targets


def _print_wrong(opened: OpenStudy, trial: FrozenTrial, form: str) -> None:
    from hpo.results.wrong import as_csv, as_table, wrong_images

    with working("Classifying the validation images …"):
        found = wrong_images(opened, trial)
    if form == "json":
        click.echo(json.dumps([asdict(row) for row in found], indent=2))
        return
    if form == "csv":
        click.echo(as_csv(found))
        return
    show(*as_table(found[:SHOWN]))
    more = f"; the surest {SHOWN} are shown, `--wrong csv` lists all" if len(found) > SHOWN else ""
    say(f"Trial {trial.number} is wrong about {len(found):,} validation images{more}.")


def _print(findings: Findings) -> None:
    ranking, metric = findings.ranking, findings.ranking.metric
    endings = ", ".join(f"{count} {ending}" for ending, count in ranking.endings.items())
    click.echo(f"Study {printable(findings.study)} by validation {metric.label}: {endings}.\n")
    _print_trials(findings)
    for row in findings.shown:
        if row.state != "COMPLETE":
            _print_unfinished(row)
    click.echo("\nSettings (those at their defaults are left out; --json has all):\n")
    _print_settings(findings)
    if findings.exported:
        print_exported(findings.exported, metric)
    if findings.taken:
        _print_look(findings.taken, metric, chosen=findings.chosen is ranking.best[0])
    if findings.earlier:
        _print_earlier(findings.earlier)
    click.echo("\nNext:\n" + "\n".join(f"  {line}" for line in findings.next_commands()))


def _print_trials(findings: Findings) -> None:
    metric = findings.ranking.metric
    others = [METRICS[name] for name in BESIDE if name != metric.name]
    columns = [
        Column(""),
        Column("trial", "d"),
        Column(metric.label, ".4f"),
        Column("behind by", ".4f"),
        *(Column(row.label, ".4f") for row in others),
        Column("best epoch", "d"),
        Column("seconds", ".1f"),
        Column("parameters", ",d"),
    ]
    named = [
        *((f"{place}.", row) for place, row in enumerate(findings.shown, start=1)),
        *((row.label or "first trial", row) for row in findings.ranking.baselines),
    ]
    cells: list[list[Cell]] = [
        [
            name,
            row.number,
            row.value,
            None if row is findings.chosen else findings.behind(row),
            *(row.figure(other) for other in others),
            *(row.attributes.get(key) for key in ("best_epoch", "seconds", "parameters")),
        ]
        for name, row in named
    ]
    show(columns, cells)


def _print_unfinished(row: TrialRow) -> None:
    say(
        f"\nTrial {row.number} is {row.ending} after {row.epochs_done} of "
        f"{row.settings['training.epochs']} epochs. Its best epoch so far is shown; `hpo run` "
        "continues it."
    )


def _print_settings(findings: Findings) -> None:
    from hpo.results.ranking import changed_settings

    beside = [row for row in findings.ranking.baselines if row is not findings.chosen]
    rows = [findings.chosen, *beside]
    columns = [Column("setting"), *(Column(_name(row)) for row in rows)]
    cells = [
        [name, *(_setting(row.settings.get(name)) for row in rows)]
        for name in changed_settings(rows)
    ]
    show(columns, cells)


def _name(row: TrialRow) -> str:
    return f"trial {row.number}" + (f" ({row.title})" if row.title else "")


def _setting(value: Any) -> str:
    if value is None:
        return ""  # a setting of another network
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _print_look(look: Look, metric: Metric, *, chosen: bool) -> None:
    click.echo(f"\nTrial {look.trial} on the {look.images} sealed test images:\n")
    columns = [Column("test"), Column("value", ".4f"), Column("95 % interval")]
    show(
        columns,
        [
            [METRICS[name].label, figure, _interval(look, name)]
            for name, figure in look.figures.items()
        ],
    )
    say(
        f"\nIt is the best of {look.chosen_from} trials by validation {metric.label}. Choosing "
        "the best makes that figure optimistic; the test images took no part in the choice."
        if chosen
        else f"\nIt is one of {look.chosen_from} trials, but not the best by validation "
        f"{metric.label}."
    )


def _interval(look: Look, name: str) -> str | None:
    low, high = look.intervals.get(name, (None, None))
    return None if low is None else f"{low:.4f} to {high:.4f}"


def _print_earlier(looks: Sequence[Look]) -> None:
    click.echo(f"\nThe test images were used before, {_times(len(looks))}:\n")
    columns = [Column("when (UTC)"), Column("trial", "d")]
    columns += [Column(METRICS[name].label, ".4f") for name in BESIDE]
    show(
        columns,
        [[look.when, look.trial, *(look.figures[name] for name in BESIDE)] for look in looks],
    )


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"
