"""`hpo best`: the best trial, exported and tested."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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

    from hpo.results.ensemble import Ensemble
    from hpo.results.findings import Findings
    from hpo.results.frontier import Objective
    from hpo.results.ranking import Ranking
    from hpo.results.refit import Refitted
    from hpo.results.repeats import Repeats
    from hpo.results.sealed_test import Look
    from hpo.results.subject import Subject
    from hpo.results.targets import Target
    from hpo.results.trial_rows import TrialRow
    from hpo.results.winner import Winner
    from hpo.search.open_study import OpenStudy

MOST_RIVALS = 2
"""Trials that are trained beside the best on fresh splits."""
BESIDE = ("accuracy", "macro_f1", "loss")
"""Shown beside the objective; more do not fit into 80 columns, and `--json` has them all."""
SHOWN = 30
"""Wrong images that are listed as text."""


class ObjectiveText(click.ParamType["Objective"]):
    """What `--objective` takes."""

    name = "objective"

    def convert(self, value: Any, param: Any, ctx: Any) -> Objective:
        """Returns the objective."""
        from hpo.results.frontier import Objective

        try:
            return Objective.parse(str(value))
        except ValueError as error:
            self.fail(f"It {error}. Received: {value!r}.", param, ctx)


@click.command()
@storage_option
@study_option
@click.option("--top", type=click.IntRange(min=1), default=1, metavar="K", help="Show the best K.")
@click.option("--trial", type=int, metavar="N", help="Use this trial instead of the best.")
@click.option(
    "--objective",
    type=ObjectiveText(),
    metavar="latency|size[<=N]",
    help="Use a trial that is cheap, too: in milliseconds an image or in megabytes.",
)
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write its model to a file and check the file. Its ending chooses the format.",
)
@click.option(
    "--ensemble",
    "most",
    type=click.IntRange(min=2),
    is_flag=False,
    flag_value=5,
    metavar="[K]",
    help="Use the best ensemble of at most K trials; 5 if K is not given.",
)
@click.option(
    "--temperature", is_flag=True, help="Make the percentages of an exported trial honest."
)
@click.option(
    "--refit",
    is_flag=True,
    help="Train it anew on the training and validation images, to export or test.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=2),
    metavar="N",
    help="Train it and its closest rivals anew on N fresh splits.",
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
    objective: Objective | None,
    target: Path | None,
    most: int | None,
    temperature: bool,
    refit: bool,
    repeat: int | None,
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

    --objective measures what the networks of the best trials cost on this machine, shows those that
    no cheaper one is as good as, and takes the best within a limit such as latency<=20. Without a
    limit it is the cheapest that the best trial is not surely better than.

    --ensemble puts trials together whose weights are kept: their answers are averaged, and
    fine-tuned networks that began alike may become one, their weights averaged. It is chosen on the
    validation images and never worse there than the best trial. It is still one file.

    --temperature divides the logits by one number, fitted to the validation images. No answer
    changes, but "90 %" is then right in nine of ten images. An ensemble always has it.

    --refit takes about as long as the trial did. Nothing is left to validate the result on, so that
    the figure shown is that of the trial as it was; the test images still tell.

    --repeat deals out the training and validation images anew, N times, and trains the best trial
    and up to two that it is not surely better than on each split. That takes N times as long as
    these trials took, and tells whether the first one's settings are really better.

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
      hpo best --ensemble --export model.keras
      hpo best --objective "latency<=20" --export fast.keras
      hpo best --wrong csv > wrong.csv
      hpo best --study digits --trial 0 --export baseline.keras
    """
    from hpo.results.export import export_subject
    from hpo.results.findings import Findings
    from hpo.results.frontier import find_frontier
    from hpo.results.ranking import rank
    from hpo.results.refit import refit_trial
    from hpo.results.sealed_test import earlier_looks
    from hpo.results.terms import Terms
    from hpo.results.winner import judge_winner
    from hpo.search.open_study import find_study, read_manifest
    from hpo.trust import trust

    if most is not None and (trial is not None or temperature):
        raise click.UsageError("--ensemble chooses its trials, and has a temperature anyway.")
    if refit and (most is not None or temperature or not (target or folder or test)):
        raise click.UsageError(
            "--refit is for --export or --test of a trial, without --ensemble and --temperature."
        )
    if objective and (trial is not None or most is not None):
        raise click.UsageError("--objective chooses the trial; leave out --trial and --ensemble.")
    if temperature and target is None and folder is None:
        raise click.UsageError("--temperature is for a file. Add --export FILE.keras.")
    if wrong and (target or folder or test or most or refit or repeat):
        raise click.UsageError(
            "--wrong only lists images: leave out what exports, tests or trains."
        )
    targets = _targets(target, layout, folder, overwrite)
    opened = find_study(paths(storage), study)
    if trusts:
        trust(file.source for file in opened.record.networks)
    ranking = rank(opened)
    winner, frontier = judge_winner(opened.storage, ranking.best, ranking.metric), None
    chosen = ranking.find(trial)
    if objective:
        with working("Measuring what the networks cost …"):
            frontier = find_frontier(opened, ranking, winner, objective)
        chosen = frontier.chosen.row
    frozen = opened.storage.get_trial(chosen.trial_id)
    if wrong:
        _print_wrong(opened, frozen, "json" if as_json else wrong)
        return
    earlier, exported, taken, found = earlier_looks(opened), None, None, None
    if most is not None:
        with working("Asking the kept networks about the validation images …"):
            found = _find(opened, ranking, most)
    repeats = None
    if repeat:
        with working(f"Training the closest trials on {repeat} fresh splits …"):
            repeats = _repeats(opened, ranking, winner, repeat)
    refitted = None
    if refit:
        with working(f"Training trial {chosen.number} anew …"):
            refitted = refit_trial(opened, frozen, read_manifest(opened))
    together = found[0] if found and found[0].alone is None else None
    if targets:
        terms = Terms(tolerance, accept, overwrite)
        with working("Building the model …") as say_now:
            subject = _subject(
                opened,
                frozen,
                together,
                refitted,
                license_id,
                honest=temperature or found is not None,
            )
            exported = export_subject(opened, subject, targets, terms, say=say_now)
    if test:
        with working("Classifying the test images …"):
            taken = _look(opened, frozen, together, refitted, len(ranking.best))
    findings = Findings(
        study=opened.study.study_name,
        ranking=ranking,
        chosen=chosen,
        shown=ranking.best[:top] if chosen is ranking.best[0] else [chosen],
        earlier=earlier,
        exported=exported,
        taken=taken,
        winner=winner,
        frontier=frontier,
        refitted=refitted,
        repeats=repeats,
        ensemble=found,
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


def _subject(
    opened: OpenStudy,
    trial: FrozenTrial,
    ensemble: Ensemble | None,
    refitted: Refitted | None,
    license_id: str,
    *,
    honest: bool,
) -> Subject:
    """Returns what is to be exported."""
    from hpo.results.subject import of_ensemble, of_refitted, of_trial
    from hpo.search.open_study import read_manifest

    manifest = read_manifest(opened)
    if refitted:
        return of_refitted(opened, trial, refitted, manifest, license_id)
    if ensemble:
        return of_ensemble(opened, ensemble, manifest, license_id)
    return of_trial(opened, trial, manifest, license_id, honest=honest)


def _look(
    opened: OpenStudy,
    trial: FrozenTrial,
    ensemble: Ensemble | None,
    refitted: Refitted | None,
    chosen_from: int,
) -> Look:
    """Evaluates it on the test images."""
    from hpo.results.sealed_test import look, look_at_ensemble, look_at_refitted

    if refitted:
        return look_at_refitted(opened, refitted, chosen_from)
    if ensemble:
        return look_at_ensemble(opened, ensemble, chosen_from)
    return look(opened, trial, chosen_from)


def _repeats(opened: OpenStudy, ranking: Ranking, winner: Winner | None, count: int) -> Repeats:
    from hpo.results.repeats import repeat
    from hpo.search.open_study import read_manifest

    best, *others = ranking.best
    close = [row for row in others if not winner or row.number in winner.as_good][:MOST_RIVALS]
    if not close:
        raise click.UsageError("--repeat needs a trial that the best is not surely better than.")
    trials = [opened.storage.get_trial(row.trial_id) for row in (best, *close)]
    return repeat(opened, trials, read_manifest(opened), ranking.metric, count)


def _find(opened: OpenStudy, ranking: Ranking, most: int) -> tuple[Ensemble, Mapping[str, float]]:
    from hpo.results.ensemble import find_ensemble
    from hpo.results.ensemble_texts import costs_of
    from hpo.search.open_study import read_manifest

    manifest = read_manifest(opened)
    ensemble = find_ensemble(opened, ranking, manifest, most)
    return ensemble, costs_of(ensemble.build(manifest))


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
    if findings.frontier:
        click.echo()
        show(*findings.frontier.table())
    if findings.winner and findings.chosen is ranking.best[0] and findings.winner.sentences():
        say("\n" + findings.winner.sentences())
    if findings.repeats:
        click.echo("\nTrained anew on fresh splits:\n")
        show(*findings.repeats.table())
        say("\n" + findings.repeats.sentence())
    click.echo("\nSettings (those at their defaults are left out; --json has all):\n")
    _print_settings(findings)
    if findings.ensemble:
        _print_ensemble(*findings.ensemble, findings)
    if findings.refitted:
        say("\n" + findings.refitted.sentences(metric.label))
    if findings.exported:
        print_exported(findings.exported, metric)
    if findings.taken:
        best = findings.chosen is ranking.best[0]
        _print_look(findings.taken, metric, chosen=best)
    if ahead := findings.test_gain:
        gained, low, high = ahead
        say(
            "\nOn the test images its accuracy differs from that of trial "
            f"{ranking.best[0].number} by {gained:+.4f} (95 % interval {low:+.4f} to {high:+.4f})."
        )
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
        Column("95 % interval"),
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
            findings.interval(row),
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


def _print_ensemble(ensemble: Ensemble, costs: Mapping[str, float], findings: Findings) -> None:
    from hpo.results.ensemble_texts import members_table, verdict

    best = findings.ranking.best[0].value
    assert best is not None
    if ensemble.alone is None:
        click.echo("\nThe ensemble:\n")
        show(*members_table(ensemble))
    say("\n" + verdict(ensemble, findings.ranking.metric, best, costs))


def _print_look(look: Look, metric: Metric, *, chosen: bool) -> None:
    click.echo(
        f"\n{look.title[0].upper()}{look.title[1:]} on the {look.images} sealed test images:\n"
    )
    columns = [Column("test"), Column("value", ".4f"), Column("95 % interval")]
    show(
        columns,
        [
            [METRICS[name].label, figure, _interval(look, name)]
            for name, figure in look.figures.items()
        ],
    )
    of = (
        f"put together from {look.chosen_from}"
        if look.subject
        else f"the best of {look.chosen_from}"
    )
    say(
        f"\nIt is {of} trials by validation {metric.label}. Choosing "
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
    figures = [[look.figures[name] for name in BESIDE] for look in looks]
    show(
        [*columns, Column("or")],
        [
            [look.when, look.trial, *row, look.subject or None]
            for look, row in zip(looks, figures, strict=True)
        ],
    )


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"
