"""`hpo import`: hand-tuned runs become trials of a study."""

from __future__ import annotations

from pathlib import Path

import click

from hpo.cli.options import storage_option, study_option
from hpo.paths import paths


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.csv")
@storage_option
@study_option
def import_(file: Path, storage: str | None, study: str | None) -> None:
    """Add runs of your own to a study, for the sampler to learn from.

    The first line names the columns: settings as in [space], `value` (the result in the study's
    metric) and optionally `label`. An empty cell means what the study fixes, or the default. If a
    row is wrong, nothing is imported. Commas, tabs, and semicolons with decimal commas all work.

    Imported runs do not count towards --trials. `hpo best` never shows them, because they have no
    weights. Importing a file twice adds nothing.

    \b
    Examples:
      hpo import runs.csv --study cats-dogs
      cat runs.csv
        backbone,batch_size,learning_rate,epochs,value,label
        cats_dogs_cnn,64,0.001,25,0.8039,the best one
    """
    from hpo.search.open_study import find_study
    from studies.errors import StudyError
    from studies.importing import add_runs, read_runs
    from studies.objectives import objectives_of
    from studies.space import DataFacts

    opened = find_study(paths(storage), study)
    space = opened.record.read_space()
    facts = DataFacts.model_validate(opened.record.facts)
    objectives = objectives_of(opened.record.settings)
    if objectives.costs:
        names = ", ".join(cost.name for cost in objectives.costs)
        raise StudyError(
            "A run in a file has one value, so it can be imported into a study of one objective "
            f"only. Received: {opened.study.study_name!r}, which weighs it against {names}. "
            "Choose another --study."
        )
    runs = read_runs(file, space, facts, objectives.first)
    added = add_runs(opened.study, runs, space, facts, file.name)
    there = f", {len(runs) - added} were there already" if added < len(runs) else ""
    noun = "run" if added == 1 else "runs"
    click.echo(f"Imported {added} {noun} into {opened.study.study_name!r}{there}.")
