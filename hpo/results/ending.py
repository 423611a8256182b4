"""What is said when a run ends."""

from __future__ import annotations

import shlex
from collections import Counter

from rich.console import Console

from hpo.results.comparison import compare
from hpo.results.comparison_formats import gains_table, notes
from hpo.results.tables import show
from hpo.results.trial_rows import TrialRow, best_first, read_trials
from hpo.results.winner import judge_winner
from hpo.search.board import duration
from hpo.search.open_study import OpenStudy
from hpo.search.session import Ending
from studies.objectives import objectives_of
from studies.record import CONFIG_KEY
from studies.trial_config import TrialConfig

TOP = 5


def print_ending(opened: OpenStudy, ending: Ending, console: Console) -> None:
    """Prints the best trials, what searching gained, and what to type next."""
    anything = print_results(opened, console)
    _print_next(opened, ending, anything, console)


def print_results(opened: OpenStudy, console: Console) -> bool:
    """Prints the best trials and what searching gained; returns whether there is any trial."""
    from rich.table import Table

    metric = objectives_of(opened.record.settings).first
    rows = _rows(opened)
    ranked = best_first(rows, metric)
    if ranked:
        table = Table("trial", "settings", metric.label, "epochs", "time", title="Best trials")
        for row in ranked[:TOP]:
            table.add_row(*_cells(row))
        console.print(table)
    winner = judge_winner(opened.storage, ranked, metric)
    if winner and (said := winner.sentences()):
        console.print(said, markup=False, highlight=False)
    endings = Counter(row.ending for row in rows)
    console.print(", ".join(f"{count} {ending}" for ending, count in sorted(endings.items())))
    if any(row.label for row in ranked[1:]):
        console.print("\nThe best trial beside the baselines:")
        comparison = compare(opened)
        show(*gains_table(comparison))
        console.print(notes(comparison), markup=False, highlight=False)
    return bool(ranked)


def _rows(opened: OpenStudy) -> list[TrialRow]:
    found = read_trials(opened.storage, opened.study)
    return [row for row in found if row.ending != "imported"]


def _cells(row: TrialRow) -> list[str]:
    epochs = f"{row.attributes.get('best_epoch', '-')} of {row.epochs_done}"
    return [
        f"{row.number} {row.title or ''}".strip(),
        TrialConfig.model_validate(row.attributes[CONFIG_KEY]).summary,
        f"{row.value:.4f}",
        epochs if row.state == "COMPLETE" else f"{epochs}, {row.ending}",
        duration(row.attributes.get("seconds")),
    ]


def _print_next(opened: OpenStudy, ending: Ending, anything: bool, console: Console) -> None:
    study = shlex.quote(opened.study.study_name)
    if ending.failure:
        console.print(f"Stopped: {ending.failure}", markup=False, style="red")
        if any(row.ending in ("failed", "hung") for row in _rows(opened)):
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
