"""What `hpo best` prints of the files that it has exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hpo.results.tables import Column, printable, say, show
from studies.metrics import Metric

if TYPE_CHECKING:
    from hpo.results.export import Exported


def print_exported(exported: Exported, metric: Metric) -> None:
    """Prints what was exported, and what a fresh process found of each file."""
    report = exported.report
    said = [
        f"Exported to {printable(str(row.path))}, {row.size_bytes / 1e6:.1f} MB."
        for row in exported.kept
        if exported.wanted == 1
    ]
    if metric.name in report.figures:
        said.append(
            f"Loaded again in a fresh process, its validation {metric.label} is "
            f"{report.figures[metric.name]:.4f} (recorded: {exported.recorded:.4f})"
            + ("." if report.left_out else ", and")
        )
    else:
        said.append(
            "Loaded again in a fresh process, it gives the same probabilities for images of noise."
        )
    if report.files:
        said.append(
            f"{report.agreeing} of {report.files} files get the same class as their decoded image."
        )
    if exported.temperature:
        said.append(f"Its logits are divided by {exported.temperature:.2f}, its temperature.")
    if exported.layers:
        said.append(
            f"It has layers of your own: import {exported.layers.name}, which lies beside it, "
            "before Keras loads it."
        )
    say("\n" + " ".join([*said, *filter(None, [printable(report.left_out)])]))
    if exported.wanted > 1 or len(exported.files) > 1:
        _print_files(exported)
    if exported.card:
        say(f"\nThe card beside it says how to use it: {printable(str(exported.card))}")


def _print_files(exported: Exported) -> None:
    columns = [
        Column("format"),
        Column("accuracy", ".4f"),
        Column("largest difference", ".1e"),
        Column("other class", "d"),
        Column("ms alone", ".2f"),
        Column("ms in a batch", ".2f"),
        Column("MB", ".1f"),
        Column("file"),
    ]
    click.echo("\nOn the validation files, each with its own runtime:\n")
    show(
        columns,
        [
            [
                row.format.label,
                row.report.accuracy,
                None if row is exported.files[0] else row.difference,
                None if row is exported.files[0] else row.changed,
                row.report.single_ms,
                row.report.batch_ms,
                row.size_bytes / 1e6,
                row.path.name if row.kept else "not kept" if row.problem else "not asked for",
            ]
            for row in exported.files
        ],
    )
