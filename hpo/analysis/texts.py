"""The answers in words and tables, and the learning curves as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from hpo.analysis.questions import FEWEST, RULE, Answers, Curve
from hpo.results.tables import Cell, Column, show
from hpo.results.trial_rows import TrialRow
from studies.record import HISTORY_KEY

_CURVES = (
    Column("trial", "d"),
    Column("baseline"),
    Column("batch", "d"),
    Column("epochs"),
    Column("best epoch", "d"),
    Column("best", ".4f"),
    Column("last", ".4f"),
    Column("lost by the last", "+.4f"),
    Column("train", ".4f"),
    Column("gap, points", "+.1f"),
    Column(""),
)


def importance(answers: Answers) -> str:
    """Prints the importance of each setting; returns what it means."""
    if not answers.importance:
        return f"Fewer than {FEWEST} complete trials: nothing can be said."
    rows: list[list[Cell]] = [[name, share] for name, share in answers.importance.items()]
    show([Column("setting"), Column("share", ".1%")], rows)
    return (
        "The share of each setting in what tells the best quarter of the trials from the others "
        "(PED-ANOVA), imported runs included."
    )


def batch_and_epochs(answers: Answers) -> str:
    """Returns whether the best epoch depends on the batch size."""
    rho = answers.batch_and_epoch
    if rho is None:
        return "All complete trials have one batch size, or one best epoch: nothing can be said."
    verdict = (
        "no dependence that chance does not explain"
        if abs(rho) <= answers.chance
        else "larger batches need more epochs"
        if rho > 0
        else "larger batches need fewer epochs"
    )
    return (
        f"Rank correlation of batch size and best epoch: {rho:+.2f} over {len(answers.curves)} "
        f"trials, where chance alone stays within {answers.chance:.2f} in 95 % of the cases: "
        f"{verdict}. Other settings differ between these trials as well."
    )


def best_or_last(answers: Answers) -> str:
    """Returns what keeping the last epoch would cost."""
    lost = [curve.lost for curve in answers.curves]
    worse = sum(loss > 0 for loss in lost)
    return (
        f"Keeping the last epoch instead of the best would cost {worse} of {len(lost)} trials "
        f"something: {100 * answers.median_lost:.1f} points of validation accuracy in the median, "
        f"{100 * max(lost):.1f} at most. The best is chosen on these very images, so a part of "
        "that is luck; `hpo compare --test` tells on images nobody chose by."
    )


def gaps(answers: Answers) -> str:
    """Prints each trial's gap; returns the count of those beyond the rule."""
    show(_CURVES, [_cells(curve) for curve in answers.curves])
    beyond = sum(curve.overfitted for curve in answers.curves)
    return (
        f"{beyond} of {len(answers.curves)} complete trials reach the rule of "
        f"{100 * RULE:.0f} to 20 points between training and validation accuracy. Training "
        "accuracy is the mean over the epoch, on augmented images and with dropout, which makes "
        "gaps look smaller than they are."
    )


def _cells(curve: Curve) -> list[Cell]:
    return [
        curve.trial,
        curve.label,
        curve.batch_size,
        f"{curve.epochs} of {curve.limit}",
        curve.best_epoch,
        curve.best,
        curve.last,
        curve.lost,
        curve.train,
        100 * curve.gap,
        "overfitted" if curve.overfitted else None,
    ]


SECTIONS = (
    ("Which settings matter?", importance),
    ("Does the best epoch count depend on the batch size?", batch_and_epochs),
    ("Best or last epoch?", best_or_last),
    ("Is this gap overfitting?", gaps),
)
"""Question to what answers it, in the order in which they are printed."""


def curves_csv(rows: Sequence[TrialRow]) -> str:
    """Returns every metric of every epoch of every trial, one epoch a line."""
    metrics = sorted({name for row in rows for name in row.attributes.get(HISTORY_KEY, {})})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["trial", "label", "ending", "epoch", *metrics])
    writer.writerows(line for row in rows for line in _epochs(row, metrics))
    return file.getvalue().rstrip("\n")


def _epochs(row: TrialRow, metrics: Sequence[str]) -> Iterator[list[Cell]]:
    history = row.attributes.get(HISTORY_KEY, {})
    for epoch in range(len(next(iter(history.values()), []))):
        values = (history[name][epoch] if name in history else None for name in metrics)
        yield [row.number, row.label, row.ending, epoch + 1, *values]
