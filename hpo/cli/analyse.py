"""`hpo analyse`: answers questions about a study from its trials."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpo.cli.options import json_option, storage_option, study_option
from hpo.paths import paths

if TYPE_CHECKING:
    from hpo.analysis.questions import Answers


@click.command()
@storage_option
@study_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Draw the answers into a folder, as HTML, and as PNG if kaleido is installed.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print every epoch of every trial as CSV.")
@json_option
def analyse(
    storage: str | None, study: str | None, out: Path | None, as_csv: bool, as_json: bool
) -> None:
    """Answer questions about a study from its trials.

    Which settings matter? Does the best epoch depend on the batch size? What would keeping the last
    epoch instead of the best cost? Which trials overfit?

    \b
    Examples:
      hpo analyse
      hpo analyse --study cats-dogs --out pictures
      hpo analyse --csv > curves.csv
    """
    from hpo.analysis.questions import KEYS, answer
    from hpo.analysis.texts import curves_csv, sections
    from hpo.results.tables import say, show
    from hpo.results.trial_rows import no_complete_trial, read_trials
    from hpo.search.open_study import find_study
    from studies.objectives import objectives_of

    opened = find_study(paths(storage), study)
    rows = read_trials(opened.storage, opened.study, KEYS)
    if as_csv:
        click.echo(curves_csv(rows))
        return
    answers = answer(opened, rows, objectives_of(opened.record.settings).first)
    if not answers.curves:
        raise no_complete_trial(opened.study.study_name, rows)
    if as_json:
        click.echo(json.dumps(asdict(answers) | {"metric": answers.metric.name}, indent=2))
    else:
        for number, section in enumerate(sections(answers)):
            click.secho("\n" * bool(number) + section.question + "\n", bold=True)
            if section.table:
                show(*section.table)
            say(section.text)
    if out:
        _draw(answers, out)


def _draw(answers: Answers, out: Path) -> None:
    from data_pipeline.outputs import note_outputs
    from hpo.analysis.pictures import draw
    from studies.errors import StudyError

    try:
        files, problem = draw(answers, out)
        note_outputs(files)
    except OSError as error:
        raise StudyError(
            f"--out must be a folder that can be written. Received: {out} ({error.strerror}). "
            "Choose another."
        ) from error
    lines = [f"Drawn: {', '.join(map(str, files))}."]
    if problem:
        lines.append(f"No PNGs. {problem}")
    click.echo("\n" + "\n".join(lines), err=True)
