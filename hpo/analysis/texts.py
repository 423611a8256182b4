"""The answers in words and tables, and the learning curves as CSV. Nothing here prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpo.analysis.questions import FEWEST, RULE, Answers, Curve
from hpo.results.tables import Cell, Column, Table
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
    Column("lost by the last", ".4f"),
    Column("train", ".4f"),
    Column("validation", ".4f"),
    Column("gap, points", "+.1f"),
    Column(""),
)


@dataclass(frozen=True)
class Section:
    """One question and its answer.

    Attributes:
        question: The question.
        text: The answer in words.
        table: The figures that it is drawn from; None where the words hold them all.
    """

    question: str
    text: str
    table: Table | None = None


def sections(answers: Answers) -> list[Section]:
    """Returns all answers, in the order in which they are read."""
    return [importance(answers), batch_and_epochs(answers), best_or_last(answers), gaps(answers)]


def importance(answers: Answers) -> Section:
    """Returns the importance of each setting, and what that is."""
    question = "Which settings matter?"
    if not answers.importance:
        return Section(
            question, f"Fewer than {FEWEST} complete trials: this cannot be answered yet."
        )
    return Section(
        question,
        "How much each setting decides whether a trial is among the best quarter "
        "(PED-ANOVA), imported runs included.",
        Table(
            [Column("setting"), Column("share", ".1%")],
            [[name, share] for name, share in answers.importance.items()],
        ),
    )


def batch_and_epochs(answers: Answers) -> Section:
    """Returns whether the best epoch depends on the batch size."""
    question = "Does the best epoch count depend on the batch size?"
    rho = answers.batch_and_epoch
    if rho is None:
        return Section(
            question,
            "All complete trials have one batch size, or one best epoch: this cannot be answered.",
        )
    verdict = (
        "chance can explain this"
        if abs(rho) <= answers.chance
        else "larger batches need more epochs"
        if rho > 0
        else "larger batches need fewer epochs"
    )
    return Section(
        question,
        f"Rank correlation of batch size and best epoch: {rho:+.2f} over {len(answers.curves)} "
        f"trials. Chance alone stays within {answers.chance:.2f} in 95 % of cases: "
        f"{verdict}. Other settings differ between these trials as well.",
    )


def best_or_last(answers: Answers) -> Section:
    """Returns what keeping the last epoch would cost."""
    metric = answers.metric
    lost = [curve.lost for curve in answers.curves]
    worse = sum(loss > 0 for loss in lost)
    # Points are hundredths of what ends at 1; a cross-entropy has no end.
    median, most = (
        (f"{100 * answers.median_lost:.1f} points", f"{100 * max(lost):.1f}")
        if metric.maximize
        else (f"{answers.median_lost:.4f}", f"{max(lost):.4f}")
    )
    return Section(
        "Best or last epoch?",
        f"Keeping the last epoch instead of the best would make {worse} of {len(lost)} trials "
        f"worse: by {median} of validation {metric.label} in the median, and by {most} at most. "
        "The best epoch was chosen on these same images, so part of this is luck; `hpo compare "
        "--test` uses images that chose nothing.",
    )


def gaps(answers: Answers) -> Section:
    """Returns each trial's gap, and how many are beyond the rule."""
    beyond = sum(curve.overfitted for curve in answers.curves)
    text = (
        f"{beyond} of {len(answers.curves)} complete trials reach the rule of thumb of "
        f"{100 * RULE:.0f} to 20 points between training and validation accuracy."
    )
    changed = sum(not curve.clean for curve in answers.curves)
    if changed:
        text += (
            f" The training accuracy of {'all' if changed == len(answers.curves) else changed} of "
            "them is the mean over the epoch, on augmented images and with dropout, which makes "
            "gaps look smaller than they are."
        )
    return Section(
        "Is this gap overfitting?",
        text,
        Table(_CURVES, [_cells(curve) for curve in answers.curves]),
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
        curve.validation,
        100 * curve.gap,
        "overfitted" if curve.overfitted else None,
    ]


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
