"""What is said when a run ends."""

from __future__ import annotations

import shlex
from collections import Counter

from rich.console import Console

from hpo.results.comparison import compare
from hpo.results.comparison_formats import show_gains
from hpo.results.trial_rows import read_trials
from hpo.search.board import duration
from hpo.search.open_study import OpenStudy
from hpo.search.session import Ending
from studies.metrics import METRICS
from studies.record import LABEL_KEY, read_config, was_trained

TOP = 5


def print_ending(opened: OpenStudy, ending: Ending, console: Console) -> None:
    """Prints the best trials, what searching gained, and what to type next."""
    from rich.table import Table

    study, metric = opened.study, METRICS[str(opened.record.settings["metric"])]
    trials = list(filter(was_trained, study.get_trials(deepcopy=False)))
    complete = [t for t in trials if t.state.name == "COMPLETE" and t.value is not None]
    complete.sort(key=lambda t: (metric.order(t.value), t.number))
    if complete:
        table = Table("trial", "settings", metric.label, "epochs", "time", title="Best trials")
        for trial in complete[:TOP]:
            config, attributes = read_config(trial), trial.user_attrs
            table.add_row(
                f"{trial.number} {attributes.get(LABEL_KEY, '')}".strip(),
                f"{config.model.backbone}, batch {config.training.batch_size}, "
                f"{config.optimizer.name} {config.optimizer.learning_rate:.2e}",
                f"{trial.value:.4f}",
                f"{attributes.get('best_epoch', '-')} of {attributes.get('epochs_done', '-')}",
                duration(attributes.get("seconds")),
            )
        console.print(table)
    rows = read_trials(opened.storage, study._study_id)
    endings = Counter(row.ending for row in rows if row.ending != "imported")
    console.print(", ".join(f"{count} {ending}" for ending, count in sorted(endings.items())))
    if any(LABEL_KEY in trial.user_attrs for trial in complete[1:]):
        console.print("\nThe best trial beside the baselines:")
        console.print(show_gains(compare(opened)), markup=False, highlight=False)
    failed = any(trial.state.name == "FAIL" for trial in trials)
    _print_next(shlex.quote(study.study_name), ending, bool(complete), failed, console)


def _print_next(study: str, ending: Ending, anything: bool, failed: bool, console: Console) -> None:
    if ending.failure:
        console.print(f"Stopped: {ending.failure}", markup=False, style="red")
        if failed:
            console.print(f"Read the tracebacks with: hpo trials --study {study} --failed")
    if ending.interrupted or ending.out_of_time:
        console.print("Nothing is lost: type the same command again to continue.")
    if anything:
        console.print(
            f"Next: hpo best --study {study} --export model.keras   |   "
            f"hpo compare --study {study} --test   |   hpo dashboard",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
